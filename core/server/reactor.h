/* reactor: one thread, one io_uring, one shard, its connections.
 *
 * A turn takes the kernel's completions, the replies and requests of other reactors, runs what its
 * connections have sent, sends what they are owed, and enters the kernel once. See the design
 * section of the README.
 */
#ifndef CORE_SERVER_REACTOR_H
#define CORE_SERVER_REACTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/io/uring.h"
#include "core/mesh/ring.h"
#include "core/net/connection.h"
#include "core/shard/shard.h"

struct server;
struct acceptor;
struct udp;

/* What a completion is about: the low bits of its user data; the others are a pointer. */
enum completion_kind {
    COMPLETION_WAKE, /* a wake from another reactor, or one to another that failed */
    COMPLETION_RECEIVE,
    COMPLETION_SEND,
    COMPLETION_ACCEPT,
    COMPLETION_ACCEPT_RETRY,
    COMPLETION_SIGNAL,
    COMPLETION_DATAGRAM,
};

#define COMPLETION_KIND_MASK ((uint64_t)7)

struct reactor {
    struct shard shard;
    struct uring uring;
    struct server *server;
    struct acceptor *acceptor; /* reactor 0's, else NULL */
    struct udp *udp;           /* likewise, and NULL without -U */

    struct connection_list connections;
    uint64_t next_serial;             /* of a connection */
    uint32_t wrong_logins;            /* that the log hasn't told */
    uint32_t wrong_login_s;           /* when it told of one last, on the store's scale */
    struct connection_queue ready;    /* have input to run */
    struct connection_queue waiting;  /* for credit at another shard */
    struct connection_queue settling; /* something happened to them this turn */
    struct connection_queue begging;  /* wait for memory of a store that others hold */
    struct connection_queue flying;   /* have large values to send */
    struct batch batch;

    uint64_t idle_check_ns;  /* when to look for idle connections next */
    uint64_t stall_check_ns; /* and for those that hold up others */
    uint64_t beg_ns;         /* when to ask for leases again */

    bool stopping;
    bool drained; /* its connections are gone, and the server knows */
    uint64_t stop_deadline_ns;

    pthread_t thread;
    int start_error;           /* of reactor_init(), -errno */
    const char *start_failure; /* the same in words, with what to do */

    /* Connections that have ended. Written by this reactor, read by the acceptor, which counts
     * those it has given out: relaxed, as a number that is a moment old does no harm. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t connections_ended;
};

/* Prepares ring and shard, on the reactor's own thread. Returns 0, or -errno with start_failure
 * set. */
int reactor_init(struct reactor *reactor, struct server *server, uint32_t id);

/* Runs until the server stops. */
void reactor_run(struct reactor *reactor);

/* Follows the order to stop, once a turn; true when all reactors are through. */
bool reactor_is_stopped(struct reactor *reactor);

/* Closes its ring. Only after all reactors have ended: others' wakes go there. */
void reactor_close(struct reactor *reactor);

/* Frees everything. Only after all have been closed: their sends may be of values in its store. */
void reactor_finish(struct reactor *reactor);

/* Marks a submission entry with what its completion will be about. */
void reactor_mark(struct io_uring_sqe *entry, enum completion_kind kind, void *subject);

/* Puts a connection on a list of the reactor, unless it is there: to run requests, unless it waits;
 * to wait for replies that set credit or messages free, unless it is ready; to be settled at the
 * end of the turn; to ask for memory of a store again; to send of its large values. */
void reactor_ready(struct reactor *reactor, struct connection *connection);
void reactor_wait(struct reactor *reactor, struct connection *connection);
void reactor_settle(struct reactor *reactor, struct connection *connection);
void reactor_beg(struct reactor *reactor, struct connection *connection);
void reactor_fly(struct reactor *reactor, struct connection *connection);

/* Takes a connection off every list. */
void reactor_forget(struct reactor *reactor, struct connection *connection);

/* Wakes a sleeping reactor by a message from this one's ring to its. */
void reactor_wake(struct reactor *reactor, uint32_t other);

#endif
