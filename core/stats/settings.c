/* stats settings: what is in force. */
#include <assert.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/stats/writer.h"

static void put_octal(struct stats_writer *writer, const char *name, uint32_t number) {
    char value[16];
    snprintf(value, sizeof(value), "%o", number);
    stats_put(writer, name, value);
}

static void put_character(struct stats_writer *writer, const char *name, char character) {
    const char value[] = {character, '\0'};
    stats_put(writer, name, value);
}

static void put_text(struct stats_writer *writer, const char *name, const char *text,
                     const char *none) {
    stats_put(writer, name, text ? text : none);
}

static const char *binding_name(enum binding_protocol binding) {
    switch (binding) {
    case BINDING_AUTO:
        return "auto-negotiate";
    case BINDING_TEXT:
        return "ascii";
    case BINDING_BINARY:
        return "binary";
    }
    assert(!"a binding of unknown kind");
    return "";
}

/* Sockets from systemd are in place of those that the command line names. */
static void put_listeners(struct stats_writer *writer, const struct server_facts *facts) {
    const struct config *config = facts->config;
    bool own = !facts->activated;
    stats_put_number(writer, "tcpport", facts->tcp_port);
    stats_put_number(writer, "udpport", facts->udp_port);
    put_text(writer, "inter", own ? config->address_text : NULL, "NULL");
    put_text(writer, "domain_socket", own ? config->socket_path : NULL, "NULL");
    put_octal(writer, "umask", config->socket_mode);
    stats_put_number(writer, "tcp_backlog", config->backlog);
}

static void put_network(struct stats_writer *writer, const struct server_facts *facts) {
    const struct config *config = facts->config;
    stats_put_number(writer, "maxconns", config->connections_max);
    put_listeners(writer, facts);
    stats_put(writer, "binding_protocol", binding_name(config->binding));
    stats_put_number(writer, "num_threads", config->cores);
    stats_put_number(writer, "reqs_per_event", config->turn_requests);
    stats_put_number(writer, "idle_timeout", config->idle_timeout_s);
    stats_put_switch(writer, "maxconns_fast", true); /* one too many is told so and closed */
}

static void put_permissions(struct stats_writer *writer, const struct config *config) {
    stats_put_switch(writer, "auth_enabled_sasl", config->sasl);
    put_text(writer, "auth_enabled_ascii", config->users_file, "no");
    stats_put_switch(writer, "shutdown_command", config->shutdown_enabled);
    stats_put_switch(writer, "flush_enabled", !config->no_flush);
    stats_put_switch(writer, "dump_enabled", !config->no_dump);
}

/* When what was stored before is gone, in seconds of the server's uptime. */
static uint64_t oldest_of(const struct server_settings *settings) {
    uint32_t at = settings->flushed_at;
    return at > CLOCK_FIRST_SECOND ? at - CLOCK_FIRST_SECOND : 0;
}

static void put_items(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct config *config = sources->facts->config;
    stats_put_number(writer, "oldest", oldest_of(sources->settings));
    stats_put(writer, "evictions", config->no_eviction ? "off" : "on");
    stats_put_number(writer, "item_size_max", config->item_bytes_max);
    stats_put_switch(writer, "cas_enabled", !config->no_cas);
    stats_put_number(writer, "client_flags_size", sizeof(uint32_t));
    stats_put(writer, "hash_algorithm", "xxh3");
    stats_put_switch(writer, "track_sizes", true); /* stats sizes tells them any time */
}

/* There are no slab classes: each item takes what it needs. */
static void put_slabs(struct stats_writer *writer) {
    stats_put_number(writer, "chunk_size", STATS_ITEM_BYTES_MIN);
    stats_put(writer, "growth_factor", "0.00");
    stats_put_switch(writer, "slab_reassign", false);
    stats_put_number(writer, "slab_automove", 0);
}

/* The rest of them says that there is one queue only, and so neither a hot nor a warm part. */
static void put_lru(struct stats_writer *writer, const struct server_settings *settings) {
    stats_put_switch(writer, "lru_crawler", settings->lru_crawler);
    stats_put_number(writer, "lru_crawler_sleep", settings->lru_crawler_sleep_us);
    stats_put_number(writer, "lru_crawler_tocrawl", settings->lru_crawler_tocrawl);
    stats_put_switch(writer, "lru_maintainer_thread", false);
    stats_put_switch(writer, "lru_segmented", false);
    stats_put_number(writer, "hot_lru_pct", 0);
    stats_put_number(writer, "warm_lru_pct", 0);
    stats_put(writer, "hot_max_factor", "0.00");
    stats_put(writer, "warm_max_factor", "0.00");
    stats_put_switch(writer, "temp_lru", false);
}

void stats_put_settings(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct config *config = sources->facts->config;
    const struct server_settings *settings = sources->settings;
    stats_put_number(writer, "maxbytes", settings->memory_bytes);
    put_network(writer, sources->facts);
    stats_put_number(writer, "verbosity", settings->verbosity);
    put_character(writer, "stat_key_prefix", config->prefix_delimiter);
    stats_put_switch(writer, "detail_enabled", settings->detail_enabled);
    put_permissions(writer, config);
    put_items(writer, sources);
    put_slabs(writer);
    put_lru(writer, settings);
}
