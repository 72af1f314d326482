#include "core/server/options_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/tls.h"
#include "core/server/cluster.h"
#include "core/server/version.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

#define ITEM_BYTES_MIN KIB
#define ITEM_BYTES_MAX (1024 * (uint64_t)MIB)

static void *options_field_of(struct config *config, const struct command_option *option) {
    return (char *)config + option->field;
}

/* Reads a decimal number between the limits of the row. */
static enum config_status options_read_number(const struct command_option *option,
                                              const char *value, int64_t *number) {
    char *end, name[OPTION_NAME_BYTES];
    errno = 0;
    long long read = strtoll(value, &end, 10);
    const char *digits = *value == '-' ? value + 1 : value;
    bool whole = *digits >= '0' && *digits <= '9' && *end == '\0' && !errno;
    if (!whole || read < option->min || read > option->max) {
        return options_wrong("%s takes a number from %lld to %lld, not \"%s\"",
                             options_name(option, name), (long long)option->min,
                             (long long)option->max, value);
    }
    *number = read;
    return CONFIG_RUN;
}

enum config_status options_accept(struct config *config, const struct command_option *option,
                                  const char *value) {
    (void)config, (void)option, (void)value;
    return CONFIG_RUN;
}

enum config_status options_set_switch(struct config *config, const struct command_option *option,
                                      const char *value) {
    (void)value;
    *(bool *)options_field_of(config, option) = true;
    return CONFIG_RUN;
}

enum config_status options_clear_switch(struct config *config, const struct command_option *option,
                                        const char *value) {
    (void)value;
    *(bool *)options_field_of(config, option) = false;
    return CONFIG_RUN;
}

enum config_status options_ask_sandbox(struct config *config, const struct command_option *option,
                                       const char *value) {
    (void)option, (void)value;
    config->no_sandbox = false;
    config->sandbox_asked = true;
    return CONFIG_RUN;
}

enum config_status options_enable_tls(struct config *config, const struct command_option *option,
                                      const char *value) {
    char name[OPTION_NAME_BYTES];
    (void)value;
    if (!tls_is_built()) {
        return options_wrong("%s is refused: this program was built without TLS: build it with "
                             "libssl (-Dtls=enabled)",
                             options_name(option, name));
    }
    config->tls.enabled = true;
    return CONFIG_RUN;
}

enum config_status options_set_text(struct config *config, const struct command_option *option,
                                    const char *value) {
    *(const char **)options_field_of(config, option) = value;
    return CONFIG_RUN;
}

enum config_status options_set_number(struct config *config, const struct command_option *option,
                                      const char *value) {
    int64_t number = 0;
    enum config_status status = options_read_number(option, value, &number);
    *(uint32_t *)options_field_of(config, option) = (uint32_t)number;
    return status;
}

enum config_status options_set_port(struct config *config, const struct command_option *option,
                                    const char *value) {
    int64_t number = 0;
    enum config_status status = options_read_number(option, value, &number);
    *(int32_t *)options_field_of(config, option) = (int32_t)number;
    return status;
}

enum config_status options_set_mode(struct config *config, const struct command_option *option,
                                    const char *value) {
    char *end, name[OPTION_NAME_BYTES];
    unsigned long mode = strtoul(value, &end, 8);
    if (*value < '0' || *value > '7' || *end || mode > 0777) {
        return options_wrong("%s takes permissions from 0 to 777 in octal, not \"%s\"",
                             options_name(option, name), value);
    }
    config->socket_mode = (uint32_t)mode;
    return CONFIG_RUN;
}

/* The arguments of all -l are joined to one text, which config owns; config_parse() splits it when
 * the ports are known. */
enum config_status options_add_addresses(struct config *config, const struct command_option *option,
                                         const char *value) {
    (void)option;
    char *text;
    const char *before = config->address_text;
    if (asprintf(&text, "%s%s%s", before ? before : "", before ? "," : "", value) < 0) {
        return options_wrong("no memory for the command line");
    }
    free(config->address_text);
    config->address_text = text;
    return CONFIG_RUN;
}

enum config_status options_set_memory(struct config *config, const struct command_option *option,
                                      const char *value) {
    int64_t number = 0;
    enum config_status status = options_read_number(option, value, &number);
    config->memory_bytes = (uint64_t)number * MIB;
    return status;
}

enum config_status options_set_item_bytes(struct config *config,
                                          const struct command_option *option, const char *value) {
    char *end, name[OPTION_NAME_BYTES];
    errno = 0;
    uint64_t bytes = strtoull(value, &end, 10), unit = 1;
    if (*end == 'k' || *end == 'K') {
        unit = KIB;
    } else if (*end == 'm' || *end == 'M') {
        unit = MIB;
    }
    bool whole = *value >= '0' && *value <= '9' && !errno && (unit == 1 ? end : end + 1)[0] == '\0';
    if (!whole || bytes * unit < ITEM_BYTES_MIN) {
        return options_wrong("%s takes a size from 1k to 1024m, not \"%s\"",
                             options_name(option, name), value);
    }
    if (bytes > ITEM_BYTES_MAX / unit) {
        return options_wrong(
            "%s %s is refused: no item may be larger than 1024m: give at most that",
            options_name(option, name), value);
    }
    config->item_bytes_max = bytes * unit;
    return CONFIG_RUN;
}

enum config_status options_set_binding(struct config *config, const struct command_option *option,
                                       const char *value) {
    static const char *const names[] = {
        [BINDING_AUTO] = "auto", [BINDING_TEXT] = "ascii", [BINDING_BINARY] = "binary"};
    char name[OPTION_NAME_BYTES];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(value, names[i]) == 0) {
            config->binding = (enum binding_protocol)i;
            config->binding_given = true;
            return CONFIG_RUN;
        }
    }
    return options_wrong("%s takes auto, ascii or binary, not \"%s\"", options_name(option, name),
                         value);
}

enum config_status options_set_io(struct config *config, const struct command_option *option,
                                  const char *value) {
    static const char *const names[] = {
        [IO_AUTO] = "auto", [IO_URING] = "uring", [IO_EPOLL] = "epoll"};
    (void)option;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(value, names[i]) == 0) {
            config->io = (enum io_choice)i;
            return CONFIG_RUN;
        }
    }
    return options_wrong("-o io takes auto, uring or epoll, not \"%s\"", value);
}

enum config_status options_set_hot_keys(struct config *config, const struct command_option *option,
                                        const char *value) {
    (void)option;
    config->no_hot_keys = strcmp(value, "off") == 0;
    return config->no_hot_keys || strcmp(value, "on") == 0
               ? CONFIG_RUN
               : options_wrong("-o hot_keys takes on or off, not \"%s\"", value);
}

enum config_status options_set_delimiter(struct config *config, const struct command_option *option,
                                         const char *value) {
    (void)option;
    config->prefix_delimiter = value[0];
    config->detail_enabled = true;
    return value[0] ? CONFIG_RUN : options_wrong("-D takes the character that ends a prefix");
}

enum config_status options_count_verbose(struct config *config, const struct command_option *option,
                                         const char *value) {
    (void)option, (void)value;
    config->verbosity++;
    return CONFIG_RUN;
}

enum config_status options_set_ring_capacity(struct config *config,
                                             const struct command_option *option,
                                             const char *value) {
    int64_t number = 0;
    enum config_status status = options_read_number(option, value, &number);
    if (status == CONFIG_RUN && (number & (number - 1))) {
        return options_wrong("-o ring_capacity takes a power of two, not %s", value);
    }
    config->ring_capacity = (uint32_t)number;
    return status;
}

enum config_status options_set_spin(struct config *config, const struct command_option *option,
                                    const char *value) {
    int64_t number = 0;
    enum config_status status = options_read_number(option, value, &number);
    config->spin_us = (uint32_t)number;
    config->spin_given = true;
    return status;
}

enum config_status options_set_cluster(struct config *config, const struct command_option *option,
                                       const char *value) {
    (void)option;
    if (!cluster_is_built()) {
        return options_wrong("-o cluster is refused: this program was built without it: build it "
                             "with libcurl and jansson (-Dcluster=enabled)");
    }
    config->cluster.name = value;
    return CONFIG_RUN;
}

enum config_status options_add_etcd(struct config *config, const struct command_option *option,
                                    const char *value) {
    struct cluster_config *cluster = &config->cluster;
    (void)option;
    if (cluster->etcd_count == CLUSTER_ETCDS_MAX) {
        return options_wrong("-o etcd may be given at most %d times", CLUSTER_ETCDS_MAX);
    }
    cluster->etcds[cluster->etcd_count++] = value;
    return CONFIG_RUN;
}

enum config_status options_set_drain(struct config *config, const struct command_option *option,
                                     const char *value) {
    config->drain_given = true;
    return options_set_number(config, option, value);
}

enum config_status options_set_hits(struct config *config, const struct command_option *option,
                                    const char *value) {
    (void)option;
    config->hits_of_bytes = strcmp(value, "bytes") == 0;
    if (!config->hits_of_bytes && strcmp(value, "objects") != 0) {
        return options_wrong("-o hits takes objects or bytes, not \"%s\"", value);
    }
    return CONFIG_RUN;
}

enum config_status options_show_version(struct config *config, const struct command_option *option,
                                        const char *value) {
    (void)config, (void)option, (void)value;
    puts(options_title());
    return CONFIG_DONE;
}

enum config_status options_show_license(struct config *config, const struct command_option *option,
                                        const char *value) {
    (void)config, (void)option, (void)value;
    puts("simplecache " SIMPLECACHE_VERSION "\n"
         "\n"
         "Copyright (c) 2026, the simplecache authors. BSD 3-Clause License: use, change and pass "
         "on freely,\nwith the copyright notice and the text of the file LICENSE; without any "
         "warranty.");
    return CONFIG_DONE;
}
