/* stats settings: the values that are in force, of the command line and of commands. */
#include <assert.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/stats/writer.h"

static void settings_put_octal(struct stats_writer *writer, const char *name, uint32_t number) {
    char value[16];
    snprintf(value, sizeof(value), "%o", number);
    stats_put(writer, name, value);
}

static void settings_put_character(struct stats_writer *writer, const char *name, char character) {
    const char value[] = {character, '\0'};
    stats_put(writer, name, value);
}

static void settings_put_text(struct stats_writer *writer, const char *name, const char *text,
                              const char *none) {
    stats_put(writer, name, text ? text : none);
}

static const char *settings_binding_name(enum binding_protocol binding) {
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

static const char *settings_engine_name(enum io_choice io) {
    switch (io) {
    case IO_AUTO:
        return "auto"; /* of tests, which have one of their own */
    case IO_URING:
        return "io_uring";
    case IO_EPOLL:
        return "epoll";
    }
    assert(!"an engine of unknown kind");
    return "";
}

/* What of it can be had: see core/server/sandbox.h. */
static const char *settings_sandbox_name(uint32_t parts) {
    static const char *const names[] = {"off", "calls", "files", "calls,files"};
    return names[parts];
}

/* Sockets from systemd are in place of those that the command line names. */
static void settings_put_listeners(struct stats_writer *writer, const struct server_facts *facts) {
    const struct config *config = facts->config;
    bool own = !facts->activated;
    stats_put_number(writer, "tcpport", facts->tcp_port);
    stats_put_number(writer, "udpport", facts->udp_port);
    settings_put_text(writer, "inter", own ? config->address_text : NULL, "NULL");
    settings_put_text(writer, "domain_socket", own ? config->socket_path : NULL, "NULL");
    settings_put_octal(writer, "umask", config->socket_mode);
    stats_put_number(writer, "tcp_backlog", config->backlog);
}

static void settings_put_network(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct server_facts *facts = sources->facts;
    const struct config *config = facts->config;
    stats_put_number(writer, "maxconns", config->connections_max);
    settings_put_listeners(writer, facts);
    stats_put(writer, "binding_protocol", settings_binding_name(config->binding));
    stats_put_number(writer, "num_threads", config->cores);
    stats_put(writer, "io_engine", settings_engine_name(config->io));
    stats_put_switch(writer, "drop_privileges", config->sandbox_parts);
    stats_put(writer, "sandbox", settings_sandbox_name(config->sandbox_parts));
    stats_put_switch(writer, "hot_keys", sources->copies);
    stats_put_number(writer, "reqs_per_event", config->turn_requests);
    stats_put_number(writer, "idle_timeout", config->idle_timeout_s);
    stats_put_switch(writer, "maxconns_fast",
                     true); /* a connection above the limit is closed at once */
}

static void settings_put_permissions(struct stats_writer *writer, const struct config *config) {
    stats_put_switch(writer, "auth_enabled_sasl", config->sasl);
    settings_put_text(writer, "auth_enabled_ascii", config->users_file, "no");
    stats_put_switch(writer, "shutdown_command", config->shutdown_enabled);
    stats_put_switch(writer, "flush_enabled", !config->no_flush);
    stats_put_switch(writer, "dump_enabled", !config->no_dump);
}

/* When the last flush_all takes effect, in seconds since the start: older items are gone then. */
static uint64_t settings_oldest_of(const struct server_settings *settings) {
    uint32_t at = settings->flushed_at;
    return at > CLOCK_FIRST_TICK ? clock_seconds_since(CLOCK_FIRST_TICK, at) : 0;
}

static void settings_put_items(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct config *config = sources->facts->config;
    stats_put_number(writer, "oldest", settings_oldest_of(sources->settings));
    stats_put(writer, "evictions", config->no_eviction ? "off" : "on");
    stats_put(writer, "hits", config->hits_of_bytes ? "bytes" : "objects");
    stats_put_number(writer, "item_size_max", config->item_bytes_max);
    stats_put_switch(writer, "cas_enabled", !config->no_cas);
    settings_put_text(writer, "memory_file", config->memory_file, "(null)");
    stats_put_number(writer, "client_flags_size", sizeof(uint32_t));
    stats_put(writer, "hash_algorithm", "xxh3");
    stats_put_switch(writer, "track_sizes", true); /* stats sizes always has an answer */
}

/* There are no slab classes: each item takes what it needs. */
static void settings_put_slabs(struct stats_writer *writer) {
    stats_put_number(writer, "chunk_size", STATS_ITEM_BYTES_MIN);
    stats_put(writer, "growth_factor", "0.00");
    stats_put_switch(writer, "slab_reassign", false);
    stats_put_number(writer, "slab_automove", 0);
}

/* Apart from the crawler these are the values of a memcached whose LRU is not segmented. */
static void settings_put_lru(struct stats_writer *writer, const struct server_settings *settings) {
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

/* memcached's option 0 to 3 as it tells it: the flags of OpenSSL. */
static uint64_t settings_verify_flags(const struct tls_config *tls) {
    return tls->verify_mode == TLS_VERIFY_NONE ? 0 : ((uint64_t)1 << tls->verify_mode) - 1;
}

static const char *settings_tls_version(const struct tls_config *tls) {
    static const char *const names[] = {"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"};
    return names[tls->min_version];
}

static void settings_put_tls(struct stats_writer *writer, const struct tls_config *tls) {
    stats_put_switch(writer, "ssl_enabled", tls->enabled);
    settings_put_text(writer, "ssl_chain_cert", tls->chain_file, "(null)");
    settings_put_text(writer, "ssl_key", tls->key_file, "(null)");
    stats_put_number(writer, "ssl_verify_mode", settings_verify_flags(tls));
    stats_put_number(writer, "ssl_keyformat", tls->key_format);
    settings_put_text(writer, "ssl_ciphers", tls->ciphers, "NULL");
    settings_put_text(writer, "ssl_ca_cert", tls->ca_file, "NULL");
    stats_put_number(writer, "ssl_wbuf_size", (uint64_t)tls->write_buffer_kib * 1024);
    stats_put_switch(writer, "ssl_session_cache", tls->session_cache);
    stats_put_switch(writer, "ssl_kernel_tls", tls->kernel_tls);
    stats_put(writer, "ssl_min_version", settings_tls_version(tls));
    settings_put_text(writer, "ssl_crl", tls->crl_file, "NULL");
    settings_put_text(writer, "ssl_ticket_keys", tls->ticket_key_file, "NULL");
    stats_put_number(writer, "ssl_handshake_timeout", tls->handshake_timeout_s);
}

static void settings_put_watch(struct stats_writer *writer, const struct config *config) {
    stats_put_number(writer, "watcher_logbuf_size", (uint64_t)config->watcher_buffer_kib * 1024);
    stats_put_number(writer, "worker_logbuf_size", (uint64_t)config->watch_lines_kib * 1024);
}

void stats_put_settings(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct config *config = sources->facts->config;
    const struct server_settings *settings = sources->settings;
    stats_put_number(writer, "maxbytes", settings->memory_bytes);
    settings_put_network(writer, sources);
    stats_put_number(writer, "verbosity", settings->verbosity);
    settings_put_character(writer, "stat_key_prefix", config->prefix_delimiter);
    stats_put_switch(writer, "detail_enabled", settings->detail_enabled);
    settings_put_permissions(writer, config);
    settings_put_items(writer, sources);
    settings_put_slabs(writer);
    settings_put_lru(writer, settings);
    settings_put_watch(writer, config);
    settings_put_tls(writer, &config->tls);
}
