#include "core/server/config_parse.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mesh/mesh.h"
#include "core/pipeline/pipeline.h"
#include "core/server/options.h"
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
    return options_wrong("-l %s is refused: all addresses are served alike, without TLS, tags and "
                         "protocols of their own: give addresses and ports alone",
                         text);
}

/* memcached takes these in front of an address. */
static bool config_has_prefix(const char *text) {
    static const char *const prefixes[] = {"notls:", "btls:", "mtls:", "proto[", "tag[", "tag_"};
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
        enum config_status status = config_read_address(address, text);
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

/* There is one file for all logins: that of -Y, else with -S that of memcached's variable. */
static enum config_status config_choose_users_file(struct config *config) {
    if (!config->sasl || config->users_file) {
        return CONFIG_RUN;
    }
    config->users_file = getenv("MEMCACHED_SASL_PWDB");
    if (config->users_file) {
        return CONFIG_RUN;
    }
    return options_wrong("-S needs users: give a file of user:password lines with -Y, or in the "
                         "environment variable MEMCACHED_SASL_PWDB");
}

/* The largest item may take a quarter of a core's memory: the store's own limit. */
#define ITEM_MEMORY_FACTOR 4

static bool config_item_fits(const struct config *config, uint32_t cores) {
    return config->item_bytes_max <= config->memory_bytes / cores / ITEM_MEMORY_FACTOR;
}

static uint32_t config_default_cores(const struct config *config) {
    uint32_t cores = resources_default_cores(config->memory_bytes);
    while (cores > 1 && !config_item_fits(config, cores)) {
        cores--;
    }
    return cores;
}

static enum config_status config_check_item(const struct config *config) {
    if (config_item_fits(config, config->cores)) {
        return CONFIG_RUN;
    }
    uint64_t bytes = config->item_bytes_max * ITEM_MEMORY_FACTOR * config->cores;
    return options_wrong(
        "-I is more than a quarter of the memory of a core: give -m %llu or more%s",
        (unsigned long long)((bytes + MIB - 1) / MIB),
        config->cores > 1 ? ", or fewer --cores" : "");
}

/* As in memcached: a connection logs in, and a datagram has none. */
static enum config_status config_check_udp(const struct config *config) {
    if (!config->udp_port || !config->users_file) {
        return CONFIG_RUN;
    }
    return options_wrong("-U beside -Y or -S is refused: nobody can log in over UDP, so it would "
                         "let everybody in: leave one of them out");
}

static void config_fill_in(struct config *config) {
    if (config->cores == 0) {
        config->cores = config_default_cores(config);
    }
    uint64_t memory_min = config->cores * SHARD_MEMORY_BYTES_MIN;
    if (config->memory_bytes < memory_min) {
        fprintf(stderr, "simplecache: -m raised to %llu MB, the least for %u core%s\n",
                (unsigned long long)(memory_min / MIB), config->cores,
                config->cores == 1 ? "" : "s");
        config->memory_bytes = memory_min;
    }
    if (!config->spin_given && config->cores > resources_cpus()) {
        config->spin_us = 0;
    }
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
        .crawler_sleep_us = CRAWLER_SLEEP_US,
    };
    struct command_line line = {.config = config};
    enum config_status status = config_read_all(&line, argc, argv);
    if (status == CONFIG_RUN) {
        status = config_choose_users_file(config);
    }
    if (status == CONFIG_RUN) {
        status = config_check_udp(config);
    }
    if (status != CONFIG_RUN) {
        return status;
    }
    config_choose_ports(config);
    status = config_split_addresses(config);
    if (status != CONFIG_RUN) {
        return status;
    }
    config_warn_of_ignored(&line);
    config_fill_in(config);
    return config_check_item(config);
}

void config_finish(struct config *config) {
    free(config->address_text);
    free(config->address_parts);
    config->address_text = config->address_parts = NULL;
}
