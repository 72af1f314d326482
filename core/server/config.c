#include "core/server/config_parse.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mesh/mesh.h"
#include "core/pipeline/pipeline.h"
#include "core/server/config_cluster.h"
#include "core/server/ketama.h"
#include "core/server/options.h"
#include "core/server/options_metrics.h"
#include "core/server/resources.h"
#include "core/shard/crawler.h"

#define MIB ((uint64_t)1 << 20)
#define MEMORY_MIB_DEFAULT 64

/* The least memory in which a value of 1 MiB can be stored. */
#define SHARD_MEMORY_BYTES_MIN (8 * MIB)

#define PORT_DEFAULT 11211
/* The value of config.port while the command line is read, until there is a -p. */
#define PORT_NOT_GIVEN (-2)

/* A command line that is being read. */
struct command_line {
    struct config *config;
    /* By index in the table: an option without a meaning was given. */
    bool ignored[OPTIONS_MAX];
};

static enum config_status config_apply(struct command_line *line,
                                       const struct command_option *option, const char *value) {
    switch (option->kind) {
    case OPTION_DONE:
        return option->parse(line->config, option, value);
    case OPTION_IGNORED:
        line->ignored[option - option_table] = true;
        return CONFIG_RUN;
    case OPTION_REFUSED:
        return options_refuse(option);
    }
    return CONFIG_WRONG;
}

/* A word of -o, with its value if it has one. Writes a NUL in place of the '='. */
static enum config_status config_apply_word(struct command_line *line, char *word) {
    char *value = strchr(word, '=');
    if (value) {
        *value++ = '\0';
    }
    const struct command_option *option = options_find_word(word);
    if (!option) {
        return options_wrong("-o does not know \"%s\"; see simplecache --help", word);
    }
    if (options_needs_value(option) && option->kind != OPTION_REFUSED && !(value && *value)) {
        return options_wrong("-o %s takes a value: %s=%s", word, word, option->argument);
    }
    return config_apply(line, option, value);
}

static enum config_status config_apply_words(struct command_line *line, char *words) {
    for (char *word; (word = strsep(&words, ","));) {
        enum config_status status = *word ? config_apply_word(line, word) : CONFIG_RUN;
        if (status != CONFIG_RUN) {
            return status;
        }
    }
    return CONFIG_RUN;
}

/* getopt_long() has returned '?' or ':': says what is wrong with the option. */
static enum config_status config_unknown_option(int answer, char **argv) {
    if (answer == ':') {
        return options_wrong("-%c needs a value; see simplecache --help", optopt);
    }
    if (!optopt) {
        return options_wrong("there is no option %s; see simplecache --help", argv[optind - 1]);
    }
    if (options_find_letter(optopt)) {
        return options_wrong("-%c takes no value; see simplecache --help", optopt);
    }
    return options_wrong("there is no option -%c; see simplecache --help", optopt);
}

/* The table in the two forms that getopt_long() takes. */
static void config_describe(char letters[2 * OPTIONS_MAX + 2],
                            struct option names[OPTIONS_MAX + 1]) {
    *letters++ = ':'; /* getopt_long() then returns ':' for a missing value */
    for (size_t i = 0; i < option_count; i++) {
        const struct command_option *option = &option_table[i];
        if (!option->letter) {
            continue;
        }
        int argument = options_needs_value(option) ? required_argument
                       : option->argument          ? optional_argument
                                                   : no_argument;
        if (option->name) {
            *names++ = (struct option){option->name, argument, NULL, option->letter};
        }
        *letters++ = option->letter;
        if (argument == required_argument) {
            *letters++ = ':';
        }
    }
    *names = (struct option){0};
    *letters = '\0';
}

static enum config_status config_read_all(struct command_line *line, int argc, char **argv) {
    char letters[2 * OPTIONS_MAX + 2];
    struct option names[OPTIONS_MAX + 1];
    config_describe(letters, names);
    for (int answer; (answer = getopt_long(argc, argv, letters, names, NULL)) != -1;) {
        if (answer == '?' || answer == ':') {
            return config_unknown_option(answer, argv);
        }
        char *value = optarg;
        while (value && isspace((unsigned char)*value)) {
            value++;
        }
        if (answer == 'h') {
            options_print_help(stdout);
            return CONFIG_DONE;
        }
        enum config_status status = answer == 'o'
                                        ? config_apply_words(line, value)
                                        : config_apply(line, options_find_letter(answer), value);
        if (status != CONFIG_RUN) {
            return status;
        }
    }
    if (line->config->ring) {
        bool printed = ketama_print(stdout, line->config->ring, argv + optind, argc - optind);
        return printed ? CONFIG_DONE : CONFIG_WRONG;
    }
    if (optind < argc) { /* no error, as in memcached, but that says nothing */
        fprintf(stderr, "simplecache: ignored, for it is no option: \"%s\"\n", argv[optind]);
    }
    return CONFIG_RUN;
}

static void config_warn_of_ignored(const struct command_line *line) {
    char name[OPTION_NAME_BYTES];
    bool any = false;
    for (size_t i = 0; i < option_count; i++) {
        if (!line->ignored[i]) {
            continue;
        }
        fprintf(stderr, "%s%s", any ? ", " : "simplecache: ignored, for it means nothing here: ",
                options_name(&option_table[i], name));
        any = true;
    }
    if (any) {
        fputc('\n', stderr);
    }
}

/* Without -p the TCP port is that of -U, or the default one; with -s alone there is no port. */
static void config_choose_ports(struct config *config) {
    bool port_given = config->port != PORT_NOT_GIVEN;
    config->listeners_given = port_given || config->address_text || config->socket_path;
    if (port_given) {
        return;
    }
    bool socket_alone = config->socket_path && !config->address_text;
    if (socket_alone && config->udp_port) {
        fputs("simplecache: -U is ignored beside -s, as in memcached; give -p too, 0 for no TCP\n",
              stderr);
    }
    if (socket_alone) {
        config->port = config->udp_port = 0;
    } else {
        config->port = config->udp_port ? config->udp_port : PORT_DEFAULT;
    }
}

static enum config_status config_read_address_port(struct listen_address *address,
                                                   const char *text) {
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end || port < CONFIG_PORT_FREE || port > UINT16_MAX) {
        return options_wrong("-l %s:%s: there is no such port", address->host, text);
    }
    address->port = port > 0 ? (int32_t)port : CONFIG_PORT_FREE;
    return CONFIG_RUN;
}

/* host, host:port, [v6], [v6]:port, or a v6 address without brackets, which has several colons. */
static enum config_status config_read_address(struct listen_address *address, char *text) {
    char *port = strchr(text, ':');
    address->host = text;
    if (*text == '[') {
        char *end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':')) {
            return options_wrong("-l %s: an address in brackets is [ADDRESS] or [ADDRESS]:PORT",
                                 text);
        }
        port = end[1] ? end + 1 : NULL;
        address->host = text + 1;
        *end = '\0';
    } else if (port && strchr(port + 1, ':')) {
        port = NULL;
    }
    if (port) {
        *port++ = '\0';
    }
    if (!*address->host) {
        return options_wrong("-l takes addresses: there is none before \":%s\"", port ? port : "");
    }
    return port ? config_read_address_port(address, port) : CONFIG_RUN;
}

static enum config_status config_refuse_address(const char *text) {
    return options_wrong("-l %s is refused: addresses have no tags and no protocols of their own: "
                         "give them and their ports alone",
                         text);
}

/* What memcached takes in front of an address: its transport, which is cut off, … */
static enum config_status config_read_transport(const struct config *config,
                                                struct listen_address *address, char **text) {
    static const struct {
        const char *prefix;
        enum transport transport;
    } prefixes[] = {{"notls:", TRANSPORT_PLAIN},
                    {"btls:", TRANSPORT_TLS_SERVER},
                    {"mtls:", TRANSPORT_TLS_MUTUAL}};
    address->transport = config->tls.enabled ? TRANSPORT_TLS : TRANSPORT_PLAIN;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        size_t length = strlen(prefixes[i].prefix);
        if (strncmp(*text, prefixes[i].prefix, length) != 0) {
            continue;
        }
        if (!config->tls.enabled) {
            return options_wrong("-l %s is refused: there is no TLS without -Z: leave %s out, or "
                                 "give -Z",
                                 *text, prefixes[i].prefix);
        }
        address->transport = prefixes[i].transport;
        *text += length;
        return CONFIG_RUN;
    }
    return CONFIG_RUN;
}

/* … and what is refused. */
static bool config_has_prefix(const char *text) {
    static const char *const prefixes[] = {"proto[", "tag[", "tag_"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static enum config_status config_split_addresses(struct config *config) {
    if (!config->address_text) {
        return CONFIG_RUN;
    }
    config->address_parts = strdup(config->address_text);
    if (!config->address_parts) {
        return options_wrong("no memory for the command line");
    }
    char *rest = config->address_parts;
    for (char *text; (text = strsep(&rest, ",;"));) {
        if (!*text) {
            continue;
        }
        if (config_has_prefix(text)) {
            return config_refuse_address(text);
        }
        if (config->address_count == CONFIG_ADDRESSES_MAX) {
            return options_wrong("-l takes at most %d addresses", CONFIG_ADDRESSES_MAX);
        }
        struct listen_address *address = &config->addresses[config->address_count++];
        enum config_status status = config_read_transport(config, address, &text);
        if (status == CONFIG_RUN) {
            status = config_read_address(address, text);
        }
        if (status != CONFIG_RUN) {
            return status;
        }
    }
    if (config->address_count == 0) {
        return options_wrong("-l takes an address");
    }
    if (config->port == 0 && config->udp_port == 0) {
        config->address_count = 0;
    }
    return CONFIG_RUN;
}

/* There is one file for all logins: that of -Y, else with -S that of memcached's variable. Without
 * one the system's SASL is asked, which has no word in the text protocol, as in memcached. */
static enum config_status config_choose_users(struct config *config) {
    if (!config->sasl || config->users_file) {
        return CONFIG_RUN;
    }
    config->users_file = getenv("MEMCACHED_SASL_PWDB");
    config->system_sasl = !config->users_file;
    if (!config->system_sasl) {
        return CONFIG_RUN;
    }
    if (config->binding_given && config->binding != BINDING_BINARY) {
        return options_wrong("-S beside -B ascii or auto is refused: text has no SASL: leave -B "
                             "out, or give a file of user:password lines with -Y");
    }
    config->binding = BINDING_BINARY;
    return CONFIG_RUN;
}

/* The largest item may take a quarter of a core's memory: the store's own limit. */
#define ITEM_MEMORY_FACTOR 4

/* The least memory of each core. */
static uint64_t config_shard_bytes_min(const struct config *config) {
    uint64_t item = config->item_bytes_max * ITEM_MEMORY_FACTOR;
    return item > SHARD_MEMORY_BYTES_MIN ? item : SHARD_MEMORY_BYTES_MIN;
}

/* The most cores that there is memory for. */
static uint32_t config_cores_max(const struct config *config) {
    uint64_t cores = config->memory_bytes / config_shard_bytes_min(config);
    return cores < CONFIG_CORES_MAX ? (uint32_t)cores : CONFIG_CORES_MAX;
}

uint64_t config_memory_min(const struct config *config) {
    return config->cores * config_shard_bytes_min(config);
}

void config_fit_shards(struct config *config) {
    uint64_t item_max = config->memory_bytes / ITEM_MEMORY_FACTOR;
    if (config->item_bytes_max > item_max) {
        config->item_bytes_max = item_max;
    }
    uint32_t cores_max = config_cores_max(config);
    if (config->cores > cores_max) {
        config->cores = cores_max;
    }
}

static uint32_t config_default_cores(const struct config *config) {
    uint32_t cores = resources_default_cores(config->memory_bytes);
    uint32_t cores_max = config_cores_max(config);
    return cores < cores_max ? cores : cores_max;
}

/* Of all cores together. memcached refuses an item of more than half of it too. */
static enum config_status config_fit_item(struct config *config) {
    uint64_t item_max = config->memory_bytes / ITEM_MEMORY_FACTOR;
    uint64_t given = config->item_bytes_max;
    unsigned long long memory_mib = (given * ITEM_MEMORY_FACTOR + MIB - 1) / MIB;
    if (given > 2 * item_max) {
        return options_wrong("-I is more than half of -m: give -m %llu or more", memory_mib);
    }
    if (given > item_max) {
        config->item_bytes_max = item_max;
        fprintf(stderr, "simplecache: -I lowered to %llu, a quarter of -m: -m %llu allows %llu\n",
                (unsigned long long)item_max, memory_mib, (unsigned long long)given);
    }
    return CONFIG_RUN;
}

/* More cores were given than there is memory for: little more memory where each has its least, but
 * fewer cores where each would need it for large items. */
static void config_fit_cores(struct config *config) {
    uint32_t cores_max = config_cores_max(config);
    unsigned long long memory_mib = (config_memory_min(config) + MIB - 1) / MIB;
    if (config->cores <= cores_max) {
        return;
    }
    if (config_shard_bytes_min(config) == SHARD_MEMORY_BYTES_MIN) {
        fprintf(
            stderr,
            "simplecache: -m raised to %llu MB, the least for %u cores: -t %u keeps it at %llu\n",
            memory_mib, config->cores, cores_max, (unsigned long long)(config->memory_bytes / MIB));
        config->memory_bytes = config_memory_min(config);
    } else {
        fprintf(stderr,
                "simplecache: -t lowered to %u, as -I may be a quarter of a core's memory: -m %llu "
                "allows %u\n",
                cores_max, memory_mib, config->cores);
        config->cores = cores_max;
    }
}

/* As in memcached: a connection logs in, and a datagram has none. */
static enum config_status config_check_udp(const struct config *config) {
    if (!config->udp_port || !(config->users_file || config->system_sasl)) {
        return CONFIG_RUN;
    }
    return options_wrong("-U beside -Y or -S is refused: nobody can log in over UDP, so it would "
                         "let everybody in: leave one of them out");
}

static enum config_status config_check_tls(const struct config *config) {
    if (!config->tls.enabled || config->port != 0) {
        return CONFIG_RUN;
    }
    return options_wrong("-Z is refused: unix sockets and UDP are without TLS, and there is no TCP "
                         "port: give -p too, or leave -Z out");
}

static enum config_status config_fill_in(struct config *config) {
    if (config->memory_bytes < SHARD_MEMORY_BYTES_MIN) {
        fprintf(stderr, "simplecache: -m raised to %llu MB, the least for a core\n",
                (unsigned long long)(SHARD_MEMORY_BYTES_MIN / MIB));
        config->memory_bytes = SHARD_MEMORY_BYTES_MIN;
    }
    enum config_status status = config_fit_item(config);
    if (config->cores == 0) {
        config->cores = config_default_cores(config);
    } else if (status == CONFIG_RUN) {
        config_fit_cores(config);
    }
    if (!config->spin_given && config->cores > resources_cpus()) {
        config->spin_us = 0;
    }
    return status;
}

enum config_status config_parse(struct config *config, int argc, char **argv) {
    *config = (struct config){
        .port = PORT_NOT_GIVEN,
        .socket_mode = 0700,
        .backlog = 1024,
        .item_bytes_max = MIB,
        .memory_bytes = MEMORY_MIB_DEFAULT * MIB,
        .connections_max = 1024,
        .turn_requests = PIPELINE_TURN_DEFAULT,
        .ring_capacity = MESH_CAPACITY_DEFAULT,
        .spin_us = 20,
        .prefix_delimiter = ':',
        .sasl_timeout_s = 10,
        .cluster = {.ttl_s = 10},
        .crawler_sleep_us = CRAWLER_SLEEP_US,
        .watcher_buffer_kib = 256,
        .watch_lines_kib = 64,
        .tls = {.key_format = TLS_KEY_PEM,
                .min_version = TLS_VERSION_1_2,
                .write_buffer_kib = 16,
                .handshake_timeout_s = 10},
    };
    struct command_line line = {.config = config};
    enum config_status status = config_read_all(&line, argc, argv);
    if (status == CONFIG_RUN) {
        status = config_choose_users(config);
    }
    if (status == CONFIG_RUN) {
        status = config_check_udp(config);
    }
    if (status == CONFIG_RUN) {
        status = options_check_metrics(config);
    }
    if (status != CONFIG_RUN) {
        return status;
    }
    config_choose_ports(config);
    status = config_check_tls(config);
    if (status == CONFIG_RUN) {
        status = config_check_cluster(config);
    }
    if (status == CONFIG_RUN) {
        status = config_split_addresses(config);
    }
    if (status != CONFIG_RUN) {
        return status;
    }
    config_warn_of_ignored(&line);
    return config_fill_in(config);
}

void config_finish(struct config *config) {
    free(config->address_text);
    free(config->address_parts);
    config->address_text = config->address_parts = NULL;
}
