/* facts: what is the same for all shards, and known once the server listens: the command line, and
 * what only running tells. Written before the reactors run; from then on every thread may read it.
 */
#ifndef CORE_BASE_FACTS_H
#define CORE_BASE_FACTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"

/* What a reload changes; relaxed, as each number is told by itself. */
struct tls_facts {
    /* How often they were read. */
    _Atomic uint32_t loads;
    /* When the files were read last: the tick on the store's scale. */
    _Atomic uint32_t loaded_at;
    /* When the first of the certificates expires. */
    _Atomic int64_t expires_unix_s;
};

/* The list of servers, and how it is with etcd; written by the thread that talks to etcd, or with
 * -o nodes by reactor 0. Relaxed, as each number is told by itself. */
struct cluster_facts {
    /* Of the list: its version (0: none is known), and how many servers it has. */
    _Atomic uint64_t version;
    _Atomic uint64_t nodes;
    /* enum cluster_state. */
    _Atomic uint32_t state;
    /* Of the lease that keeps this server in the list; 0: it has none. */
    _Atomic uint64_t lease;
    /* etcd's: when it last answered (monotonic time, 0: never), at which revision, and who it is.
     */
    _Atomic uint64_t heard_ns;
    _Atomic uint64_t revision;
    _Atomic uint64_t cluster_id;
    /* Requests, those that failed, registrations, and lists that this server wrote. */
    _Atomic uint64_t requests;
    _Atomic uint64_t failures;
    _Atomic uint64_t registrations;
    _Atomic uint64_t lists_written;
};

enum cluster_state {
    CLUSTER_CONNECTING, /* etcd has not answered yet, or not for a while */
    CLUSTER_REGISTERED,
    CLUSTER_LEAVING, /* about to end: it has taken itself out of the list, or tries to */
};

/* Items of the file of -e that move to other settings: how many have, had no room, and are left.
 * Written by the main thread; relaxed, as each number is told by itself. */
struct memory_file_progress {
    _Atomic uint64_t moved;
    _Atomic uint64_t lost;
    _Atomic uint64_t left;
};

struct server_facts {
    const struct config *config;
    /* NULL without -Z. */
    const struct tls_facts *tls;
    /* The mechanisms that the system's SASL lists, with spaces between; NULL: it isn't asked. */
    const char *mechanisms;
    /* NULL without -o cluster and -o nodes. */
    const struct cluster_facts *cluster;
    /* NULL without -e. */
    const struct memory_file_progress *file;
    const char *version;
    /* When it started, monotonic time; and when its ticks began, boot time: then, or with -e when
     * the first server did that used the file. Differences are right even if that was before this
     * boot. */
    uint64_t start_ns;
    uint64_t start_boot_ns;
    /* The first TCP and the first UDP port that is listened on; 0: none. */
    uint16_t tcp_port;
    uint16_t udp_port;
    /* The most memory that the process takes, see core/server/fit.h. */
    uint64_t process_bytes;
    /* systemd has passed the listening sockets, in place of those of config. */
    bool activated;
};

#endif
