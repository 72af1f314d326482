/* config: the command line, checked, with defaults filled in. */
#ifndef CORE_BASE_CONFIG_H
#define CORE_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_ADDRESSES_MAX 16
#define CONFIG_CORES_MAX 256

/* One -l: where to listen. */
struct listen_address {
    const char *host; /* part of config.address_parts; "*" for every address */
    int32_t port;     /* of TCP and UDP, 1 to 65535 or CONFIG_PORT_FREE; 0: -p's and -U's */
};

/* -B: which protocols are spoken. */
enum binding_protocol {
    BINDING_AUTO,
    BINDING_TEXT,
    BINDING_BINARY,
};

#define CONFIG_PORT_FREE (-1) /* -p -1: any free one */

struct config {
    uint32_t cores;
    int32_t port;     /* 0: no TCP; CONFIG_PORT_FREE */
    int32_t udp_port; /* -U; likewise */
    struct listen_address addresses[CONFIG_ADDRESSES_MAX];
    uint32_t address_count; /* 0: the loopback addresses; always 0 where both ports are 0 */
    bool listeners_given;   /* -p, -l or -s */
    char *address_text;     /* owned: the -l arguments with commas between */
    char *address_parts;    /* owned: the same, cut up */
    const char
        *socket_path;     /* -s: listen on a unix socket, and not on TCP unless -p or -l is given */
    uint32_t socket_mode; /* -a: its permissions; 0700 */
    uint32_t backlog;     /* -b */
    uint64_t memory_bytes;
    uint64_t item_bytes_max; /* -I: an item with its key */
    uint32_t connections_max;
    uint32_t turn_requests;  /* -R: of a connection, before whoever else has come is served */
    uint32_t idle_timeout_s; /* -o idle_timeout=: 0, connections may idle for ever */
    enum binding_protocol binding;
    const char *user;           /* NULL: stay who we are */
    const char *users_file;     /* user:password lines; NULL: nobody has to log in */
    const char *pid_file;       /* -P */
    bool daemonize;             /* -d */
    bool core_dumps;            /* -r: as large a core file as may be */
    bool lock_memory;           /* -k: nothing of ours is swapped out */
    char prefix_delimiter;      /* of keys, for `stats detail` */
    uint32_t crawler_sleep_us;  /* between its slices */
    uint32_t crawler_items_max; /* of a walk; 0: all */
    bool no_crawler;
    bool no_eviction; /* -M */
    bool sasl;
    bool detail_enabled;
    bool shutdown_enabled;
    bool no_flush;
    bool no_dump;
    bool no_cas;
    uint32_t verbosity;
    uint32_t ring_capacity;
    uint32_t spin_us;
    bool spin_given;
};

enum config_status {
    CONFIG_RUN,   /* start the server */
    CONFIG_DONE,  /* help or version was printed: exit with 0 */
    CONFIG_WRONG, /* one line on stderr has said what is wrong: exit with EXIT_USAGE */
};

/* Exit status after a wrong command line, as sysexits.h has it. */
#define EXIT_USAGE 64

/* Reads the command line. argv must outlive config; config_finish() ends it in any case. */
enum config_status config_parse(struct config *config, int argc, char **argv);
void config_finish(struct config *config);

#endif
