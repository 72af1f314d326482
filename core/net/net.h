/* net: one reactor's connections and what they need: its shard, its engine of I/O, the lists of
 * connections with something to do, its timers.
 *
 * It is what connections, acceptor, udp and timeouts know of the reactor that they are on. The
 * reactor itself (core/server/reactor.h) has one of these and goes through its lists.
 *
 * Thread: the reactor's, but for struct net_peer.
 */
#ifndef CORE_NET_NET_H
#define CORE_NET_NET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/probes.h"
#include "core/io/io.h"
#include "core/io/timer.h"
#include "core/mesh/ring.h"
#include "core/net/memory.h"
#include "core/net/moving.h"
#include "core/net/schedule.h"
#include "core/net/timeouts.h"
#include "core/shard/shard.h"

struct acceptor;
struct sasl_logins;
struct tls;
struct udp;

LIST_HEAD(connection_list, connection);

/* Serials of connections begin here: lower numbers are those of listeners where both are listed. */
#define CONNECTION_SERIAL_FIRST ((uint64_t)1 << 16)

/* What the other reactors may see of one. */
struct net_peer {
    /* Its engine, to wake it; NULL before the reactor is prepared. */
    struct io *io;

    /* Connections that have ended. Written by its reactor, read by the acceptor, which counts those
     * it has given out: relaxed, as a number that is a moment old does no harm. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t connections_ended;

    /* And those that have gone on at another reactor, or come from one; likewise. */
    _Atomic uint64_t connections_left;
    _Atomic uint64_t connections_came;

    moving_load load;
};

struct net {
    struct shard shard;
    struct io *io;
    struct net_peer *peers; /* all reactors, this one too; by their numbers */

    struct acceptor *acceptor; /* reactor 0's, else NULL */
    struct udp *udp;           /* likewise, and NULL without -U */
    struct tls *tls;           /* NULL without -Z */
    struct sasl_logins *sasl;  /* NULL unless the system's SASL decides on logins */

    struct schedule schedule;
    struct timers timers;
    struct timeouts timeouts;
    struct memory memory;
    struct moving moving;
    struct connection_list connections;
    uint64_t next_serial; /* of a connection */

    uint32_t logins_failed;        /* that the log hasn't told */
    uint32_t login_failure_told_s; /* when it told of one last, on the store's scale */
    uint32_t login_problem_told_s; /* the same of what SASL says is wrong */

    bool stopping;
};

/* Empty, for a shard that is ready and an engine that is open. */
void net_init(struct net *net, struct net_peer *peers, struct moving_group *group);

/* A connection of this reactor has ended. */
static inline void net_connection_ended(struct net *net) {
    atomic_fetch_add_explicit(&net->peers[net->shard.id].connections_ended, 1,
                              memory_order_relaxed);
}

/* One has gone to another reactor; and one has come. */
static inline void net_connection_left(struct net *net) {
    atomic_fetch_add_explicit(&net->peers[net->shard.id].connections_left, 1, memory_order_relaxed);
}
static inline void net_connection_came(struct net *net) {
    atomic_fetch_add_explicit(&net->peers[net->shard.id].connections_came, 1, memory_order_relaxed);
}

/* Wakes a sleeping reactor. */
static inline void net_wake(struct net *net, uint32_t other) {
    PROBES_WAKE(net->shard.id, other);
    io_wake(net->io, net->peers[other].io);
    net->shard.counters.reactor_wakes_sent++;
}

#endif
