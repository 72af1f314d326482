#include "core/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine.h"
#include "core/mesh.h"
#include "core/version.h"
#include "store/store.h"

#define CONFIG_PORT_OF_P (-2)
#define MIB ((uint64_t)1 << 20)
#define MEMORY_MIB_DEFAULT 64
#define MEMORY_MIB_MAX ((uint64_t)1 << 30)

/* What it takes to store a value of 1 MiB. */
#define SHARD_MEMORY_BYTES_MIN (8 * MIB)

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"listen", required_argument, NULL, 'l'},
    {"memory-limit", required_argument, NULL, 'm'},
    {"conn-limit", required_argument, NULL, 'c'},
    {"cores", required_argument, NULL, 't'},
    {"threads", required_argument, NULL, 't'},
    {"user", required_argument, NULL, 'u'},
    {"extended", required_argument, NULL, 'o'},
    {"auth-file", required_argument, NULL, 'Y'},
    {"enable-sasl", no_argument, NULL, 'S'},
    {"disable-dumping", no_argument, NULL, 'X'},
    {"enable-shutdown", no_argument, NULL, 'A'},
    {"disable-flush-all", no_argument, NULL, 'F'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "simplecache " SIMPLECACHE_VERSION ": a memcached-compatible cache, one reactor per core\n"
    "\n"
    "  -t, --cores, --threads N  reactors, each with its own part of the keys (default: as many\n"
    "                            as this process may use CPUs, with 16 MB of memory each)\n"
    "  -p, --port N              TCP port (default 11211)\n"
    "  -l, --listen ADDR[,ADDR]  addresses to listen on; may be given again (default: loopback\n"
    "                            only, 127.0.0.1 and ::1; 0.0.0.0 opens the cache to everyone)\n"
    "  -m, --memory-limit MB     memory for items, their index included (default 64)\n"
    "  -c, --conn-limit N        simultaneous connections (default 1024)\n"
    "  -u, --user NAME           switch to this user when started as root\n"
    "  -Y, --auth-file FILE      who may come in: a user:password on each line; read again on\n"
    "                            SIGHUP. Text clients log in by a first set, binary ones by SASL\n"
    "  -S, --enable-sasl         the same with the file that MEMCACHED_SASL_PWDB names\n"
    "  -D CHAR                   count by key prefix, up to that character (stats detail)\n"
    "  -F, --disable-flush-all   refuse flush_all\n"
    "  -X, --disable-dumping     refuse what tells keys: lru_crawler metadump and mgdump,\n"
    "                            stats cachedump and detail dump\n"
    "  -A, --enable-shutdown     let clients end the server by the command shutdown\n"
    "  -v, --verbose             log connections and errors to stderr\n"
    "  -o, --extended WORDS      comma-separated: ring_capacity=N, messages under way from one\n"
    "                            reactor to another (a power of two up to 4096, default 256);\n"
    "                            spin=N, microseconds to poll for other reactors' replies\n"
    "                            before sleeping (default 20; 0 with more reactors than CPUs)\n"
    "  -V, --version             print the version and exit\n"
    "  -h, --help                print this help and exit\n";

__attribute__((format(printf, 1, 2))) static enum config_status wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("simplecache: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return CONFIG_WRONG;
}

/* Reads a whole decimal number between min and max into *number. */
static enum config_status parse_number(const char *name, const char *text, uint64_t min,
                                       uint64_t max, uint64_t *number) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool digits_only = *text >= '0' && *text <= '9' && *end == '\0';
    if (!digits_only || errno || value < min || value > max)
        return wrong("%s takes a number from %llu to %llu, not \"%s\"", name,
                     (unsigned long long)min, (unsigned long long)max, text);
    *number = value;
    return CONFIG_RUN;
}

/* The addresses point into one text that config owns; a second -l starts a longer one. */
static enum config_status add_addresses(struct config *config, const char *list) {
    char *text;
    const char *before = config->address_text ? config->address_text : "";
    if (asprintf(&text, "%s%s%s", before, *before ? "," : "", list) < 0)
        return wrong("no memory for the command line");
    free(config->address_text);
    config->address_text = text;
    return CONFIG_RUN;
}

static enum config_status split_addresses(struct config *config) {
    if (!config->address_text)
        return CONFIG_RUN;
    config->address_parts = strdup(config->address_text);
    if (!config->address_parts)
        return wrong("no memory for the command line");
    char *rest = config->address_parts;
    for (char *address; (address = strsep(&rest, ","));) {
        if (*address == '\0')
            return wrong("-l takes addresses with commas between them; one of them is empty");
        if (config->address_count == CONFIG_ADDRESSES_MAX)
            return wrong("-l takes at most %d addresses", CONFIG_ADDRESSES_MAX);
        struct listen_address *listen = &config->addresses[config->address_count++];
        char *port = *address == '[' ? strstr(address, "]:") : strchr(address, ':');
        bool has_port = port && (*address == '[' || port == strrchr(address, ':'));
        listen->port = has_port ? atoi(port + 1 + (*address == '[')) : CONFIG_PORT_OF_P;
        if (has_port)
            *port = '\0';
        listen->host = *address == '[' ? address + 1 : address;
        address[strcspn(address, "]")] = '\0';
    }
    return CONFIG_RUN;
}

static enum config_status parse_ring_capacity(struct config *config, const char *text) {
    uint64_t number = 0;
    enum config_status status =
        parse_number("-o ring_capacity", text, 1, MESH_CAPACITY_MAX, &number);
    if (status == CONFIG_RUN && (number & (number - 1)))
        return wrong("-o ring_capacity takes a power of two, not %s", text);
    config->ring_capacity = (uint32_t)number;
    return status;
}

static enum config_status parse_spin(struct config *config, const char *text) {
    uint64_t number = 0;
    enum config_status status = parse_number("-o spin", text, 0, 1000000, &number);
    config->spin_us = (uint32_t)number;
    config->spin_given = true;
    return status;
}

static enum config_status parse_extended(struct config *config, char *words) {
    char capacity[] = "ring_capacity", spin[] = "spin", idle[] = "idle_timeout";
    char *const names[] = {capacity, spin, idle, NULL};
    while (*words) {
        char *value = NULL, *word = words;
        int which = getsubopt(&words, names, &value);
        if (which < 0)
            return wrong("-o does not know \"%s\"; see simplecache --help", word);
        if (!value)
            return wrong("-o %s takes a value: %s=N", names[which], names[which]);
        if (which == 2) {
            config->idle_timeout_s = (uint32_t)atoi(value);
            continue;
        }
        enum config_status status =
            which == 0 ? parse_ring_capacity(config, value) : parse_spin(config, value);
        if (status != CONFIG_RUN)
            return status;
    }
    return CONFIG_RUN;
}

static enum config_status parse_option(struct config *config, int option, char *value) {
    uint64_t number = 0;
    enum config_status status;
    switch (option) {
    case 't':
        status = parse_number("--cores", value, 1, CONFIG_CORES_MAX, &number);
        config->cores = (uint32_t)number;
        return status;
    case 'p':
        if (strcmp(value, "-1") == 0) {
            config->port = CONFIG_PORT_FREE;
            return CONFIG_RUN;
        }
        status = parse_number("--port", value, 0, UINT16_MAX, &number);
        config->port = (int32_t)number;
        return status;
    case 's':
        config->socket_path = value;
        config->port = 0;
        return CONFIG_RUN;
    case 'a':
        config->socket_mode = (uint32_t)strtoul(value, NULL, 8);
        return CONFIG_RUN;
    case 'b':
        config->backlog = (uint32_t)strtoul(value, NULL, 10);
        return CONFIG_RUN;
    case 'B':
        config->binding = value[0] == 'b'                      ? BINDING_BINARY
                          : value[0] == 'a' && value[1] == 's' ? BINDING_TEXT
                                                               : BINDING_AUTO;
        return CONFIG_RUN;
    case 'd':
        config->daemonize = true;
        return CONFIG_RUN;
    case 'P':
        config->pid_file = value;
        return CONFIG_RUN;
    case 'r':
        config->core_dumps = true;
        return CONFIG_RUN;
    case 'k':
        config->lock_memory = true;
        return CONFIG_RUN;
    case 'm':
        status = parse_number("--memory-limit", value, 1, MEMORY_MIB_MAX, &number);
        config->memory_bytes = number * MIB;
        return status;
    case 'c':
        status = parse_number("--conn-limit", value, 1, 1000000, &number);
        config->connections_max = (uint32_t)number;
        return status;
    case 'l':
        return add_addresses(config, value);
    case 'u':
        config->user = value;
        return CONFIG_RUN;
    case 'o':
        return parse_extended(config, value);
    case 'Y':
        config->users_file = value;
        return CONFIG_RUN;
    case 'S':
        config->sasl = true;
        return CONFIG_RUN;
    case 'D':
        config->prefix_delimiter = value[0];
        config->detail_enabled = true;
        return value[0] ? CONFIG_RUN : wrong("-D takes the character that ends a prefix");
    case 'F':
        config->no_flush = true;
        return CONFIG_RUN;
    case 'X':
        config->no_dump = true;
        return CONFIG_RUN;
    case 'A':
        config->shutdown_enabled = true;
        return CONFIG_RUN;
    case 'v':
        config->verbosity++;
        return CONFIG_RUN;
    case 'V':
        puts("simplecache " SIMPLECACHE_VERSION);
        return CONFIG_DONE;
    case 'h':
        fputs(help_text, stdout);
        return CONFIG_DONE;
    default:
        return CONFIG_WRONG;
    }
}

static enum config_status unknown_option(int option, char **argv) {
    const char *said = argv[optind - 1];
    if (option == ':')
        return wrong("%s needs a value; see simplecache --help", said);
    if (optopt && strncmp(said, "--", 2) != 0)
        return wrong("there is no option -%c; see simplecache --help", optopt);
    return wrong("there is no option %s, or it takes no value; see simplecache --help", said);
}

static enum config_status parse_all(struct config *config, int argc, char **argv) {
    int option;
    while ((option = getopt_long(argc, argv, ":t:p:l:m:c:u:o:Y:D:s:a:b:B:P:drkSFXAvVh",
                                 long_options, NULL)) != -1) {
        enum config_status status = option == '?' || option == ':'
                                        ? unknown_option(option, argv)
                                        : parse_option(config, option, optarg);
        if (status != CONFIG_RUN)
            return status;
    }
    if (optind < argc)
        return wrong("\"%s\" is no option; see simplecache --help", argv[optind]);
    return split_addresses(config);
}

/* Logins of both kinds are from one file; -Y names it, or memcached's variable does. */
static enum config_status choose_users_file(struct config *config) {
    if (!config->sasl || config->users_file)
        return CONFIG_RUN;
    config->users_file = getenv("MEMCACHED_SASL_PWDB");
    if (config->users_file)
        return CONFIG_RUN;
    return wrong("-S needs users: give a file of user:password lines with -Y, or in the "
                 "environment variable MEMCACHED_SASL_PWDB");
}

static void fill_in(struct config *config) {
    if (config->port == 0 && config->socket_path && config->address_count > 0)
        config->port = 11211;
    for (uint32_t i = 0; i < config->address_count; i++)
        if (config->addresses[i].port == CONFIG_PORT_OF_P)
            config->addresses[i].port = config->port;
    if (config->cores == 0)
        config->cores = machine_default_cores(config->memory_bytes);
    uint64_t memory_min = config->cores * SHARD_MEMORY_BYTES_MIN;
    if (config->memory_bytes < memory_min) {
        fprintf(stderr, "simplecache: -m raised to %llu MB, the least for %u cores\n",
                (unsigned long long)(memory_min / MIB), config->cores);
        config->memory_bytes = memory_min;
    }
    if (!config->spin_given && config->cores > machine_cpus())
        config->spin_us = 0;
}

enum config_status config_parse(struct config *config, int argc, char **argv) {
    *config = (struct config){
        .port = 11211,
        .socket_mode = 0700,
        .backlog = 1024,
        .memory_bytes = MEMORY_MIB_DEFAULT * MIB,
        .connections_max = 1024,
        .ring_capacity = MESH_CAPACITY_DEFAULT,
        .spin_us = 20,
        .prefix_delimiter = ':',
    };
    enum config_status status = parse_all(config, argc, argv);
    if (status == CONFIG_RUN)
        status = choose_users_file(config);
    if (status == CONFIG_RUN)
        fill_in(config);
    return status;
}

void config_finish(struct config *config) {
    free(config->address_text);
    free(config->address_parts);
    config->address_text = config->address_parts = NULL;
}
