/* reactor: one thread, one engine of I/O, one shard, its connections.
 *
 * A turn takes what the engine has completed, the replies and requests of other reactors, runs what
 * its connections have sent, sends what they are owed, and enters the engine once. While it is in
 * the engine others may serve its shard. See core/README.md. All it knows of the rest of the server
 * is in struct reactor_config; all that it waits in is io_enter(), so that a simulation may run
 * several reactors in one thread.
 */
#ifndef CORE_SERVER_REACTOR_H
#define CORE_SERVER_REACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/io/io.h"
#include "core/io/timer.h"
#include "core/net/connection.h"
#include "core/net/net.h"
#include "core/shard/shard.h"

struct acceptor;
struct mesh;
struct metrics_gather;
struct sasl_logins;
struct tls;
struct udp;

/* From the order to stop to the breaking off of clients that don't take their replies. */
#define REACTOR_DRAIN_NS_MAX ((uint64_t)1000000000)

/* What all reactors of a server share. Zeroed memory, but for `peers` and `count`, is ready. */
struct reactor_group {
    uint32_t count;
    struct net_peer *peers; /* of each, zeroed; by their numbers */
    struct moving_group moving;

    /* The order to stop, see reactor_order_stop(). Sequentially consistent, together with the
     * sleeping flags of the mesh: a reactor that goes to sleep sees the order or is woken for it.
     */
    _Atomic bool stopping;
    /* Reactors without connections or messages that are out, each counted by itself; all end when
     * it reaches their number. Sequentially consistent by default; not on any hot path. */
    _Atomic uint32_t drained;
};

/* Everything here outlives the reactor. */
struct reactor_config {
    uint32_t id;
    struct reactor_group *group;
    const struct server_facts *facts; /* with the configuration */
    uint64_t seed;                    /* of the key hash */
    uint64_t memory_bytes_max;        /* of all reactors, that cache_memlimit may raise -m to */
    struct store *store; /* that is in a file, and the reactor's from then on; NULL: it makes one */
    const struct logins *logins; /* copied; NULL: nobody has to log in */
    struct mesh *mesh;
    struct shard *const *shards; /* of all reactors, by their numbers; only read when they run */

    const struct clock *clock;
    const struct io_engine *engine;
    void *engine_context; /* for its open() */

    struct acceptor *acceptor; /* of reactor 0, with its listeners; NULL: of the others */
    struct udp *udp;           /* likewise; NULL without -U */
    struct tls *tls;           /* this reactor's; NULL without -Z */
    struct sasl_logins *sasl;  /* this reactor's; NULL unless the system's SASL decides on logins */
    struct metrics_gather *metrics; /* of reactor 0; NULL: of the others, or without --metrics */

    int signals; /* a descriptor; -1: none */
    /* Called with the reactor's struct net when it can be read, and to wait for that again. */
    struct completion *signalled;

    /* A client has asked for the end of the server (-A). */
    void (*stop_asked)(void *context, bool at_once);
    void *context;
};

struct reactor {
    struct net net;
    struct reactor_group *group;
    struct mesh *mesh;
    struct batch batch;
    struct metrics_gather *metrics;

    int signals;
    struct completion *signalled;
    void (*stop_asked)(void *context, bool at_once);
    void *context;

    /* How long it may sleep on its keys' account, as of this turn. */
    uint64_t keys_wait_ns;

    struct timer watch; /* when lines are due at clients that watch */
    struct timer retry; /* of connections that were refused memory of a store */

    /* Its connections are gone, its messages are back, and it counts in group->drained. */
    bool drained;
    uint64_t stop_deadline_ns;

    const char *start_failure; /* of reactor_init() in words, with what to do */
};

/* Prepares engine and shard, on the reactor's own thread. The memory is zeroed before. Returns 0,
 * or -errno with start_failure set; then nothing is left to be closed or finished. */
int reactor_init(struct reactor *reactor, const struct reactor_config *config);

/* Runs until all reactors of the group stop. */
void reactor_run(struct reactor *reactor);

/* The end of a turn: submits what it has asked of the engine, and waits for up to wait_ns when
 * there is nothing to do. Others may serve its shard meanwhile. */
void reactor_enter(struct reactor *reactor, uint64_t wait_ns);

/* Orders all reactors of the group to stop and wakes them; on the thread of reactor 0, which stops
 * accepting at once. */
void reactor_order_stop(struct reactor *reactor);

/* Follows the order to stop, once a turn; true when all reactors are through. */
bool reactor_stops(struct reactor *reactor);
static inline bool reactor_is_stopped(struct reactor *reactor) {
    return (reactor->net.stopping || atomic_load(&reactor->group->stopping)) &&
           reactor_stops(reactor);
}

/* Once a turn, after the messages of others are served and before the replies are published. */
void reactor_note_late_connection(struct reactor *reactor);

/* Closes its engine. Only after all reactors have ended: others' wakes go there. */
void reactor_close(struct reactor *reactor);

/* Frees everything. Only after all have been closed: their sends may be of values in its store. */
void reactor_finish(struct reactor *reactor);

/* Asserts what holds between two turns, for all of its connections. For tests: it takes its time.
 */
void reactor_check(const struct reactor *reactor);

#endif
