/* sasl_logins: the logins of one reactor's connections on which the system's SASL decides.
 *
 * A connection whose login is asked for waits (core/pipeline/login.h), and nobody else does. Where
 * no answer comes in time it is refused, and the login left to the thread, which gives it back
 * unasked. So is one whose connection ends. A login whose next step the client owes has the same
 * time; then it is forgotten, and the step will be refused.
 *
 * Thread: the reactor's, but for sasl_logins_init() and sasl_logins_finish().
 */
#ifndef CORE_NET_SASL_LOGINS_H
#define CORE_NET_SASL_LOGINS_H

#include "core/io/io.h"
#include "core/io/timer.h"
#include "core/net/sasl_queue.h"

struct net;
struct pipeline;

struct sasl_logins {
    struct sasl_queue queue;
    struct completion answered;
    struct timer timer;
    uint64_t timeout_ns;
    /* Those that wait for SASL or their client: the one whose time is over first in front. */
    struct sasl_login_queue timed;
    /* Those of which SASL holds something and nobody wants to know more, and that the queue had no
     * room for. */
    struct sasl_login_queue ended;
};

/* Returns 0 or -errno. thread_wake as in struct sasl_queue. Zeroed memory, on its cache lines. */
int sasl_logins_init(struct sasl_logins *logins, int thread_wake, uint64_t timeout_ns);

/* Frees all, after reactor and thread have ended; `end` gives back what SASL holds of a login. */
void sasl_logins_finish(struct sasl_logins *logins, void (*end)(struct sasl_login *login));

/* Begins to wait for answers. */
void sasl_logins_start(struct net *net);

/* As shard_hooks.begin_login. */
bool sasl_logins_begin(struct net *net, struct pipeline *pipeline, const struct request *request);

/* The connection ends, and has a login. */
struct connection;
void sasl_logins_leave(struct net *net, struct connection *connection);

#endif
