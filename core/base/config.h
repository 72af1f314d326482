/* config: what the command line asks for, checked and with the defaults filled in. It is written
 * once, by core/server/config.c, before any thread starts; from then on every thread may read it.
 */
#ifndef CORE_BASE_CONFIG_H
#define CORE_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/nodes.h"

#define CONFIG_ADDRESSES_MAX 16
#define CONFIG_CORES_MAX 256
#define CONFIG_CONNECTIONS_MAX 1000000

/* A port of -p, -U or -l: any free one (written as -1). */
#define CONFIG_PORT_FREE (-1)

/* How the bytes of a connection travel. */
enum transport {
    TRANSPORT_PLAIN,
    TRANSPORT_TLS,        /* -Z: of clients' certificates ssl_verify_mode says what is asked */
    TRANSPORT_TLS_SERVER, /* btls: no certificate of the client is asked for */
    TRANSPORT_TLS_MUTUAL, /* mtls: one is required */
};
#define TRANSPORTS 4

/* One address of -l. */
struct listen_address {
    enum transport transport;
    /* A part of config.address_parts; "*" stands for every address, "" for the loopback ones. */
    const char *host;
    /* Of TCP and of UDP: 1 to 65535, or CONFIG_PORT_FREE; 0 for the ports of -p and -U. */
    int32_t port;
};

/* What of the sandbox can be had: system calls are forbidden, and files. */
#define CONFIG_SANDBOX_CALLS 1u
#define CONFIG_SANDBOX_FILES 2u

/* -o io: the engine of I/O. The start makes IO_AUTO one of the others. */
enum io_choice {
    IO_AUTO,
    IO_URING,
    IO_EPOLL,
};

/* -B: which protocols are spoken. */
enum binding_protocol {
    BINDING_AUTO,
    BINDING_TEXT,
    BINDING_BINARY,
};

/* ssl_keyformat, ssl_verify_mode and ssl_min_version, by memcached's numbers. */
enum tls_key_format {
    TLS_KEY_PEM = 1,
    TLS_KEY_DER,
};
enum tls_verify {
    TLS_VERIFY_NONE,
    TLS_VERIFY_IF_GIVEN,
    TLS_VERIFY_REQUIRED,
    TLS_VERIFY_REQUIRED_ONCE, /* without renegotiation the same */
};
enum tls_version {
    TLS_VERSION_1_0,
    TLS_VERSION_1_1,
    TLS_VERSION_1_2,
    TLS_VERSION_1_3,
};

/* --metrics, and the words of -o that begin with metrics. */
#define CONFIG_METRICS_MAX 8
#define CONFIG_METRICS_HOST_BYTES 256
struct metrics_config {
    /* Where HTTP is listened on; `host` of each lies in hosts, "" for the loopback addresses. */
    struct listen_address addresses[CONFIG_METRICS_MAX];
    char hosts[CONFIG_METRICS_MAX][CONFIG_METRICS_HOST_BYTES];
    uint32_t count;
    bool tls;               /* metrics_tls */
    const char *users_file; /* metrics_auth: lines of user:password; NULL: everybody may ask */
};

/* -Z and the words of -o that begin with ssl_. Without -Z they mean nothing. Texts are NULL where
 * the word was not given. */
struct tls_config {
    bool enabled;
    const char *chain_file;
    const char *key_file;
    uint32_t key_format;
    const char *ca_file;
    const char *crl_file;
    uint32_t verify_mode;
    uint32_t min_version;
    const char *ciphers;
    const char *ticket_key_file;
    uint32_t write_buffer_kib; /* told by `stats settings`, and not used */
    uint32_t handshake_timeout_s;
    bool session_cache;
    bool kernel_tls; /* likewise */
};

/* Servers of -o etcd. */
#define CLUSTER_ETCDS_MAX 8

/* How the server finds the others (-o cluster), by etcd. Texts are NULL where the word was not
 * given. */
struct cluster_config {
    const char *name;
    const char *etcds[CLUSTER_ETCDS_MAX]; /* URLs */
    uint32_t etcd_count;
    /* As given; and as the list has it, HOST|ADDRESS|PORT, filled in once all is known. */
    const char *advertise;
    char node[NODE_BYTES];
    uint32_t ttl_s;
    /* PEM files for https: who may have signed etcd's certificate, and our own for etcd. */
    const char *ca_file;
    const char *certificate_file;
    const char *key_file;
    /* A line of user:password. */
    const char *auth_file;
};

struct config {
    /* -t: number of reactors, each with a shard of the keys. */
    uint32_t cores;

    /* -p and -U: 1 to 65535, CONFIG_PORT_FREE, or 0 for none. */
    int32_t port;
    int32_t udp_port;
    /* -l. Without any the loopback addresses are listened on. Empty where both ports are 0. */
    struct listen_address addresses[CONFIG_ADDRESSES_MAX];
    uint32_t address_count;
    /* -p, -l or -s was given. */
    bool listeners_given;
    /* Owned: the arguments of -l with commas between, as given and cut into parts. NULL without. */
    char *address_text;
    char *address_parts;
    /* -s: path of a unix socket to listen on, and -a: its permissions. NULL without. */
    const char *socket_path;
    uint32_t socket_mode;
    /* -b: connections that may wait to be accepted. */
    uint32_t backlog;
    /* -c: connections open at a time. */
    uint32_t connections_max;
    enum binding_protocol binding;
    bool binding_given;
    struct tls_config tls;
    struct metrics_config metrics;

    /* -m: of all stores together. */
    uint64_t memory_bytes;
    /* -I: the largest item, its key included. */
    uint64_t item_bytes_max;
    bool no_eviction;   /* -M */
    bool no_cas;        /* -C */
    bool hits_of_bytes; /* -o hits=bytes */

    /* -e: the file that keeps the items, or NULL. */
    const char *memory_file;

    /* -u: the user to switch to; NULL to stay the same. */
    const char *user;
    /* -Y, or with -S MEMCACHED_SASL_PWDB: lines of user:password. NULL: nobody has to log in. */
    const char *users_file;
    bool sasl; /* -S */
    /* -S without a file of users: the system's SASL decides, and has so many seconds for each
     * answer (-o sasl_timeout). */
    bool system_sasl;
    uint32_t sasl_timeout_s;
    bool no_flush;         /* -F */
    bool no_dump;          /* -X */
    bool no_watch;         /* -W */
    bool shutdown_enabled; /* -A */

    /* -P: the file for the process id, or NULL. */
    const char *pid_file;
    bool daemonize;   /* -d */
    bool core_dumps;  /* -r */
    bool lock_memory; /* -k */
    /* -v: 0 to 2, see enum log_level; more is as 2. */
    uint32_t verbosity;

    /* -o watcher_logbuf_size and worker_logbuf_size: the most that waits for a client that watches,
     * and the most of a reactor's lines that wait to be sent to such clients. */
    uint32_t watcher_buffer_kib;
    uint32_t watch_lines_kib;

    /* -R: requests of one connection before the other connections are served. */
    uint32_t turn_requests;
    /* -o idle_timeout: seconds after which an idle connection is closed; 0 for never. */
    uint32_t idle_timeout_s;
    /* -D: the character that ends a key's prefix in `stats detail`, and whether it counts from the
     * start. */
    char prefix_delimiter;
    bool detail_enabled;

    /* -o no_lru_crawler, lru_crawler_sleep (between two slices) and lru_crawler_tocrawl (items of
     * one scan; 0 for all). */
    bool no_crawler;
    uint32_t crawler_sleep_us;
    uint32_t crawler_items_max;

    /* --ring: nodes with commas between; NULL without. */
    const char *ring;
    /* -o nodes: the file of a list of servers that doesn't change by itself; NULL without. */
    const char *nodes_file;
    struct cluster_config cluster;
    /* -o drain: how long it serves on after the order to stop. */
    uint32_t drain_s;
    bool drain_given;

    enum io_choice io;
    /* Why io_uring was not taken though it would have been, and what would allow it; or NULL. */
    const char *io_reason;
    /* -o ring_capacity: messages under way from one reactor to another, a power of two. */
    uint32_t ring_capacity;
    /* The engine's rings are small, since little memory may be locked; see core/server/fit.h. */
    bool small_rings;
    /* -o spin: how long a reactor polls for replies before it sleeps. */
    uint32_t spin_us;
    bool spin_given;
    bool no_conn_moves; /* connections stay at the reactor that they came to */
    bool no_sandbox;    /* -o no_sandbox */
    bool sandbox_asked; /* -o drop_privileges: who asks is told where it can't be had */
    /* What of the sandbox can be had here, CONFIG_SANDBOX_ and so on; filled in at the start. */
    uint32_t sandbox_parts;
    bool no_hot_keys; /* -o hot_keys=off: a reactor keeps no copies of others' items */
};

#endif
