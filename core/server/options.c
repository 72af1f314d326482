#include "core/server/options.h"

#include <string.h>

#include "core/mesh/mesh.h"
#include "core/server/options_metrics.h"
#include "core/server/options_values.h"

#define FIELD(name) offsetof(struct config, name)
#define SWITCH(name) options_set_switch, .field = FIELD(name)
#define CLEAR(name) options_clear_switch, .field = FIELD(name)
#define TEXT(name) options_set_text, .field = FIELD(name)
#define PORT(name)                                                                                 \
    options_set_port, .field = FIELD(name), .min = CONFIG_PORT_FREE, .max = UINT16_MAX
#define NUMBER(name, least, most)                                                                  \
    options_set_number, .field = FIELD(name), .min = (least), .max = (most)

#define DONE(name_, letter_, argument_, help_, ...)                                                \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .kind = OPTION_DONE, .argument = (argument_),        \
        .help = (help_), .parse = __VA_ARGS__                                                      \
    }
#define IGNORED(name_, letter_, argument_)                                                         \
    { .name = (name_), .letter = (letter_), .kind = OPTION_IGNORED, .argument = (argument_) }
#define REFUSED(name_, letter_, argument_, reason_)                                                \
    {                                                                                              \
        .name = (name_), .letter = (letter_), .kind = OPTION_REFUSED, .argument = (argument_),     \
        .help = (reason_)                                                                          \
    }

#define WORD '\0'

#define NO_STORAGE "items are kept in memory only: give more -m instead"
#define NO_PROXY "this is a cache and no proxy: run memcached or another proxy for that"

/* In the order of -h: where it listens, what it keeps, who may do what, how it runs. */
/* clang-format off */
const struct command_option option_table[] = {
    DONE("port", 'p', "N",
         "TCP port (default -U's, else 11211; 0: no TCP; -1: any free one)",
         PORT(port)),
    DONE("udp-port", 'U', "N",
         "UDP port (default 0: no UDP; -1: any free one); an answer above 64 KB is an error there",
         PORT(udp_port)),
    DONE("unix-socket", 's', "FILE",
         "listen on a unix socket, and not on TCP unless -p or -l is given",
         TEXT(socket_path)),
    DONE("unix-mask", 'a', "MODE",
         "permissions of the unix socket, in octal (default 700)",
         options_set_mode),
    DONE("listen", 'l', "ADDR[:PORT][,...]",
         "addresses to listen on; [ADDR]:PORT for IPv6; may be given again (default: loopback "
         "only, 127.0.0.1 and ::1; 0.0.0.0 opens the cache to everyone); with -Z and notls:, btls: "
         "or mtls: before it: without TLS, without and with certificates of the clients",
         options_add_addresses),
    DONE("listen-backlog", 'b', "N",
         "connections that may wait to be accepted (default 1024)",
         NUMBER(backlog, 1, INT32_MAX)),
    DONE("protocol", 'B', "NAME",
         "speak only ascii or only binary (default auto: as each client begins)",
         options_set_binding),
    DONE("conn-limit", 'c', "N",
         "simultaneous connections; one more is told so and closed (default 1024)",
         NUMBER(connections_max, 1, INT32_MAX)),
    DONE("enable-ssl", 'Z', NULL,
         "TLS on every TCP address that -l doesn't give notls: before; -o ssl_chain_cert and "
         "ssl_key are needed",
         options_enable_tls),

    DONE("metrics", 'H', "[ADDR:]PORT",
         "HTTP: a live page, /metrics for Prometheus, /healthz, /readyz and /stats.json (default: "
         "none; loopback only without an address); may be given again",
         options_add_metrics),

    DONE("memory-limit", 'm', "MB",
         "memory for items, their index included (default 64)",
         options_set_memory, .min = 1, .max = 1 << 30),
    DONE("max-item-size", 'I', "SIZE",
         "the largest item, with its key: bytes, or with k or m behind the number (default 1m; "
         "1k to 1024m, and at most a quarter of a core's share of -m)",
         options_set_item_bytes),
    DONE("disable-evictions", 'M', NULL,
         "refuse what memory has no room for, instead of dropping what is asked for least",
         SWITCH(no_eviction)),
    DONE("memory-file", 'e', "FILE",
         "keep the items in this file, best on a tmpfs such as /dev/shm, where the next server "
         "with -e finds them, however this one ends",
         TEXT(memory_file)),
    IGNORED("slab-growth-factor", 'f', "N"),
    IGNORED("slab-min-size", 'n', "BYTES"),
    IGNORED("enable-largepages", 'L', NULL),
    DONE("disable-cas", 'C', NULL,
         "all items have the CAS 0 (it saves no memory)",
         SWITCH(no_cas)),

    DONE("user", 'u', "NAME",
         "switch to this user when started as root",
         TEXT(user)),
    DONE("auth-file", 'Y', "FILE",
         "who may come in: a user:password on each line; read again on SIGHUP. Text clients log in "
         "by a first set, binary ones by SASL",
         TEXT(users_file)),
    DONE("enable-sasl", 'S', NULL,
         "binary clients log in by SASL: the system's (libsasl2), unless there is a file of "
         "user:password lines: that of -Y, or the one that MEMCACHED_SASL_PWDB names",
         SWITCH(sasl)),
    DONE("disable-flush-all", 'F', NULL,
         "refuse flush_all and flush_prefix",
         SWITCH(no_flush)),
    DONE("disable-dumping", 'X', NULL,
         "refuse what tells keys: lru_crawler metadump, mgdump, stats cachedump, detail, hotkeys",
         SWITCH(no_dump)),
    DONE("disable-watch", 'W', NULL,
         "refuse watch, by which clients are told what others do",
         SWITCH(no_watch)),
    DONE("enable-shutdown", 'A', NULL,
         "let clients end the server by the command shutdown",
         SWITCH(shutdown_enabled)),

    DONE("cores", 't', "N",
         "reactors, each with its own part of the keys (default: as many as this process may use "
         "CPUs, with 16 MB of memory each)",
         NUMBER(cores, 1, CONFIG_CORES_MAX)),
    DONE("threads", 't', "N", NULL, NUMBER(cores, 1, CONFIG_CORES_MAX)),
    DONE("max-reqs-per-event", 'R', "N",
         "requests of one connection before others are served; each key of a get is one "
         "(default 128)",
         NUMBER(turn_requests, 1, INT32_MAX)),
    IGNORED("napi-ids", 'N', "N"),
    DONE("daemon", 'd', NULL,
         "go on in the background once the server listens",
         SWITCH(daemonize)),
    DONE("pidfile", 'P', "FILE",
         "write the process id to this file",
         TEXT(pid_file)),
    DONE("enable-coredumps", 'r', NULL,
         "allow as large a core file as may be",
         SWITCH(core_dumps)),
    DONE("lock-memory", 'k', NULL,
         "keep all memory from being swapped out",
         SWITCH(lock_memory)),
    DONE(NULL, 'D', "CHAR",
         "count by key prefix, up to that character (stats detail; default :)",
         options_set_delimiter),
    DONE("verbose", 'v', "[N]", /* for --verbose=N; as in memcached it is not looked at */
         "log connections and errors to stderr; -vv: each command too, but no value and no login",
         options_count_verbose),
    DONE("ring", 'G', "NODE[,...]",
         "print on which of these servers clients put the keys that follow, or without any how "
         "even the shares are, and what moves with a server more or less; then exit. A NODE is "
         "HOST[:PORT[:WEIGHT]]",
         TEXT(ring)),
    DONE("version", 'V', NULL,
         "print the version and exit",
         options_show_version),
    DONE("license", 'i', NULL,
         "print the license and exit",
         options_show_license),
    DONE("help", 'h', NULL,
         "print this help and exit",
         NULL),
    DONE("extended", 'o', "WORD[=N][,...]",
         "more settings, with commas between them; may be given again:",
         NULL), /* its words are rows of their own */

    DONE("ring_capacity", WORD, "N",
         "messages under way from one reactor to another, a power of two (default 256)",
         options_set_ring_capacity, .min = 1, .max = MESH_CAPACITY_MAX),
    DONE("io", WORD, "NAME",
         "how the kernel is asked for I/O: uring, epoll (default auto: io_uring where it is to be "
         "had)",
         options_set_io),
    DONE("spin", WORD, "N",
         "microseconds to poll for other reactors' replies before sleeping (default 20; 0 with "
         "more reactors than CPUs)",
         options_set_spin, .min = 0, .max = 1000000),
    DONE("no_conn_moves", WORD, NULL,
         "leave each connection at the reactor that it was given to",
         SWITCH(no_conn_moves)),
    DONE("no_sandbox", WORD, NULL,
         "let threads do what they don't need: all system calls, files and operations of io_uring",
         SWITCH(no_sandbox)),
    DONE("drop_privileges", WORD, NULL,
         "the sandbox, which is always there where it can be had; says what can't",
         options_ask_sandbox),
    DONE("no_drop_privileges", WORD, NULL,
         "as no_sandbox",
         SWITCH(no_sandbox)),
    DONE("hot_keys", WORD, "off",
         "keep no copies of other reactors' items; by default keys that a reactor asks for often "
         "are copied (on)",
         options_set_hot_keys),
    DONE("idle_timeout", WORD, "N",
         "close a connection that has been idle for so many seconds (default 0: never)",
         NUMBER(idle_timeout_s, 0, INT32_MAX)),
    DONE("maxconns_fast", WORD, NULL,
         "close connections beyond the limit at once, which is always done",
         options_accept),
    REFUSED("no_maxconns_fast", WORD, NULL,
            "connections beyond the limit are always closed at once: give a larger -c"),
    DONE("lru_crawler", WORD, NULL,
         "free the memory of what has expired, as by default",
         CLEAR(no_crawler)),
    DONE("no_lru_crawler", WORD, NULL,
         "leave that until a client enables it",
         SWITCH(no_crawler)),
    DONE("modern", WORD, NULL,
         "as lru_crawler",
         CLEAR(no_crawler)),
    DONE("no_modern", WORD, NULL,
         "as no_lru_crawler, of what it stands for in memcached",
         SWITCH(no_crawler)),
    DONE("lru_crawler_sleep", WORD, "N",
         "microseconds between its slices (default 100)",
         NUMBER(crawler_sleep_us, 0, 1000000)),
    DONE("lru_crawler_tocrawl", WORD, "N",
         "items of one walk (default 0: all)",
         NUMBER(crawler_items_max, 0, UINT32_MAX)),
    DONE("hits", WORD, "NAME",
         "what evictions are to save: objects, requests that miss, or bytes of what is missed "
         "(default objects)",
         options_set_hits),
    DONE("track_sizes", WORD, NULL,
         "answer stats sizes, which is always done",
         options_accept),

    DONE("watcher_logbuf_size", WORD, "N",
         "KB of lines that may wait for a client that watches; more are lost (default 256)",
         NUMBER(watcher_buffer_kib, 1, 1048576)),
    DONE("worker_logbuf_size", WORD, "N",
         "KB of lines that may wait at each reactor to be sent to such clients (default 64)",
         NUMBER(watch_lines_kib, 1, 1048576)),

    DONE("ssl_chain_cert", WORD, "FILE",
         "with -Z: the server's certificate, and behind it those up to the root's, in PEM",
         TEXT(tls.chain_file)),
    DONE("ssl_key", WORD, "FILE",
         "with -Z: the private key of the first of them",
         TEXT(tls.key_file)),
    DONE("ssl_keyformat", WORD, "N",
         "form of that file: 1 PEM, 2 DER (default 1)",
         NUMBER(tls.key_format, TLS_KEY_PEM, TLS_KEY_DER)),
    DONE("ssl_ca_cert", WORD, "FILE",
         "who may sign clients' certificates, in PEM",
         TEXT(tls.ca_file)),
    DONE("ssl_crl", WORD, "FILE",
         "lists of revoked clients' certificates, one of each signer's, in PEM",
         TEXT(tls.crl_file)),
    DONE("ssl_verify_mode", WORD, "N",
         "a client's certificate is 0 not asked for, 1 checked if there is one, 2 and 3 required "
         "(default 0)",
         NUMBER(tls.verify_mode, TLS_VERIFY_NONE, TLS_VERIFY_REQUIRED_ONCE)),
    DONE("ssl_min_version", WORD, "N",
         "the least version: 0 to 3 for TLS 1.0 to 1.3 (default 2)",
         NUMBER(tls.min_version, TLS_VERSION_1_0, TLS_VERSION_1_3)),
    DONE("ssl_ciphers", WORD, "LIST",
         "ciphers of TLS 1.2 and below, as openssl ciphers takes them",
         TEXT(tls.ciphers)),
    DONE("ssl_ticket_keys", WORD, "FILE",
         "32 random bytes or more, from which the keys of tickets come: clients resume over "
         "restarts, and at every server that has the same file (default: new at each start)",
         TEXT(tls.ticket_key_file)),
    DONE("ssl_handshake_timeout", WORD, "N",
         "seconds that a client has for its handshake (default 10)",
         NUMBER(tls.handshake_timeout_s, 1, 3600)),
    DONE("sasl_timeout", WORD, "N",
         "seconds that the system's SASL has to answer a login, and a client for its next step "
         "(default 10)",
         NUMBER(sasl_timeout_s, 1, 3600)),
    DONE("nodes", WORD, "FILE",
         "what clients are told that ask for the servers there are (config get cluster): "
         "ADDRESS:PORT or HOST|ADDRESS|PORT for each; read again on SIGHUP",
         TEXT(nodes_file)),
    DONE("cluster", WORD, "NAME",
         "find the other servers of that name by etcd, and be found; clients that ask are told all "
         "that there are (config get cluster)",
         options_set_cluster),
    DONE("etcd", WORD, "URL",
         "http:// or https:// of an etcd; may be given again for others of the same etcd",
         options_add_etcd),
    DONE("advertise", WORD, "HOST:PORT",
         "where clients reach this server; HOST|ADDRESS|PORT where the name's address is not what "
         "this machine knows",
         TEXT(cluster.advertise)),
    DONE("cluster_ttl", WORD, "N",
         "seconds without a word after which this server counts as dead (default 10)",
         NUMBER(cluster.ttl_s, 1, 3600)),
    DONE("etcd_ca", WORD, "FILE",
         "who has signed etcd's certificate, in PEM (default: whom the system trusts)",
         TEXT(cluster.ca_file)),
    DONE("etcd_cert", WORD, "FILE",
         "this server's certificate for etcd, in PEM",
         TEXT(cluster.certificate_file)),
    DONE("etcd_key", WORD, "FILE",
         "the private key of it",
         TEXT(cluster.key_file)),
    DONE("etcd_auth", WORD, "FILE",
         "a line user:password for etcd",
         TEXT(cluster.auth_file)),
    DONE("drain", WORD, "N",
         "seconds to serve on after SIGTERM, SIGUSR1 and shutdown graceful, out of the cluster "
         "already (default 5 with cluster, else 0)",
         options_set_drain, .field = FIELD(drain_s), .min = 0, .max = 3600),
    DONE("ssl_session_cache", WORD, NULL,
         "let clients without tickets resume, too, where they come to the same reactor again",
         SWITCH(tls.session_cache)),
    DONE("ssl_wbuf_size", WORD, "N",
         "taken and told by stats settings; output takes what it needs",
         NUMBER(tls.write_buffer_kib, 1, 1048576)),
    DONE("ssl_kernel_tls", WORD, NULL,
         "likewise: records are made in user space",
         SWITCH(tls.kernel_tls)),

    DONE("metrics", WORD, "[ADDR:]PORT",
         "as --metrics",
         options_add_metrics),
    DONE("metrics_auth", WORD, "FILE",
         "who may ask over HTTP, by basic authentication: a user:password on each line; read again "
         "on SIGHUP",
         TEXT(metrics.users_file)),
    DONE("metrics_tls", WORD, NULL,
         "with -Z: HTTPS, with the same certificate",
         SWITCH(metrics.tls)),

    IGNORED("hashpower", WORD, "N"),
    IGNORED("no_hashexpand", WORD, NULL),
    IGNORED("hash_algorithm", WORD, "NAME"),
    IGNORED("tail_repair_time", WORD, "N"),
    IGNORED("slab_reassign", WORD, NULL),
    IGNORED("no_slab_reassign", WORD, NULL),
    IGNORED("slab_automove", WORD, "[N]"),
    IGNORED("no_slab_automove", WORD, NULL),
    IGNORED("slab_automove_ratio", WORD, "N"),
    IGNORED("slab_automove_window", WORD, "N"),
    IGNORED("slab_automove_freeratio", WORD, "N"),
    IGNORED("slab_sizes", WORD, "LIST"),
    IGNORED("slab_chunk_max", WORD, "N"),
    IGNORED("no_chunked_items", WORD, NULL),
    IGNORED("lru_maintainer", WORD, NULL),
    IGNORED("no_lru_maintainer", WORD, NULL),
    IGNORED("hot_lru_pct", WORD, "N"),
    IGNORED("warm_lru_pct", WORD, "N"),
    IGNORED("hot_max_factor", WORD, "N"),
    IGNORED("warm_max_factor", WORD, "N"),
    IGNORED("temporary_ttl", WORD, "N"),
    IGNORED("read_buf_mem_limit", WORD, "N"),
    IGNORED("resp_obj_mem_limit", WORD, NULL),
    IGNORED("inline_ascii_resp", WORD, NULL),
    IGNORED("no_inline_ascii_resp", WORD, NULL),
    IGNORED("relaxed_privileges", WORD, NULL),
    REFUSED("sock_cookie_id", WORD, "N",
            "Linux has no such mark of sockets: leave it out"),
    REFUSED("ext_*", WORD, "VALUE", NO_STORAGE),
    REFUSED("proxy_*", WORD, "VALUE", NO_PROXY),
};
/* clang-format on */

const size_t option_count = sizeof(option_table) / sizeof(*option_table);
_Static_assert(sizeof(option_table) / sizeof(*option_table) <= OPTIONS_MAX, "more than the limit");

const struct command_option *options_find_letter(int letter) {
    for (size_t i = 0; i < option_count; i++) {
        if (letter != WORD && option_table[i].letter == letter) {
            return &option_table[i];
        }
    }
    return NULL;
}

static bool options_is_word(const struct command_option *option, const char *word) {
    size_t length = strlen(option->name);
    if (option->name[length - 1] == '*') {
        return strncmp(option->name, word, length - 1) == 0;
    }
    return strcmp(option->name, word) == 0;
}

const struct command_option *options_find_word(const char *word) {
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].letter == WORD && options_is_word(&option_table[i], word)) {
            return &option_table[i];
        }
    }
    return NULL;
}
