#include "core/net/timeouts.h"

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/base/log.h"
#include "core/net/connection.h"
#include "core/net/net.h"
#include "core/net/tls.h"
#include "core/net/tls_turn.h"
#include "core/pipeline/upload.h"

#define SECOND_NS ((uint64_t)1000000000)
#define DAY_NS (SECOND_NS * 24 * 3600)

/* A connection with replies that it has not taken is not idle, as in memcached. */
static bool timeouts_is_owed(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return pipeline->first || pipeline->scan || pipeline->output.length > 0 ||
           !outgoing_is_empty(&connection->outgoing);
}

/* Seconds to wait before the connection is due; 0: it was due and is closed. */
static uint32_t timeouts_close_if_due(struct net *net, struct connection *connection,
                                      uint32_t timeout_s) {
    uint32_t idle_s = net->shard.now_s - connection->last_command_s;
    if (connection->pipeline.watching) { /* nothing more is expected of it */
        return timeout_s;
    }
    if (idle_s <= timeout_s) {
        return timeout_s - idle_s + 1;
    }
    if (connection_is_broken(connection) || timeouts_is_owed(connection)) {
        return 1;
    }
    net->shard.counters.idle_kicks++;
    connection->end = CONNECTION_END_IDLE;
    connection_break(net, connection, "it was idle");
    return 0;
}

static void timeouts_close_idle(void *owner, struct timer *timer) {
    struct net *net = owner;
    uint32_t timeout_s = net->shard.facts->config->idle_timeout_s;
    uint32_t next_s = timeout_s; /* a connection that comes meanwhile is due later than that */
    struct connection *connection;
    LIST_FOREACH(connection, &net->connections, all_link) {
        uint32_t left_s = timeouts_close_if_due(net, connection, timeout_s);
        if (left_s > 0 && left_s < next_s) {
            next_s = left_s;
        }
    }
    timer_set(&net->timers, timer, net->shard.now_ns + next_s * SECOND_NS);
}

/* Connections that hold memory of a store while others are refused some. */

static bool timeouts_holds_upload(const struct shard *shard, const struct connection *connection) {
    const struct upload *upload = connection->pipeline.upload;
    uint32_t since = upload ? upload_held_since(upload) : 0;
    return since > 0 && shard->now_s - since > TIMEOUT_UPLOAD_S &&
           shard->now_s - connection->receive_pace.since_s > TIMEOUT_UPLOAD_S &&
           keyspace_has_refused(&shard->all[upload_owner(upload)]->keys, shard->now_ns);
}

/* Output behind what is being sent waits for it, and so do the leases in it. */
static bool timeouts_holds_lease(const struct shard *shard, const struct connection *connection) {
    const struct outgoing *outgoing = &connection->outgoing;
    const struct buffer *behind = &connection->pipeline.leases;
    if (outgoing_is_empty(outgoing) ||
        shard->now_s - connection->send_pace.since_s <= TIMEOUT_LEASE_S) {
        return false;
    }
    for (uint32_t i = 0; i < shard->count; i++) {
        if ((outgoing_has_lease_of(outgoing, i) || leases_have_owner(behind, i)) &&
            keyspace_has_refused(&shard->all[i]->keys, shard->now_ns)) {
            return true;
        }
    }
    return false;
}

static void timeouts_close_stalled(void *owner, struct timer *timer) {
    struct net *net = owner;
    const struct shard *shard = &net->shard;
    struct connection *connection;
    (void)timer;
    LIST_FOREACH(connection, &net->connections, all_link) {
        if (connection_is_broken(connection) || (!timeouts_holds_upload(shard, connection) &&
                                                 !timeouts_holds_lease(shard, connection))) {
            continue;
        }
        net->shard.counters.stall_kicks++;
        connection_break(net, connection, "it stalled with memory that others wait for");
    }
}

/* As long as there are any, since a silent client brings no turn about. */
static void timeouts_close_late(void *owner, struct timer *timer) {
    struct net *net = owner;
    tls_turn_close_late(net);
    if (!TAILQ_EMPTY(&net->tls->timed)) {
        timer_set(&net->timers, timer, net->shard.now_ns + SECOND_NS);
    }
}

/* A reload has told it before; each day it is told again. */
static void timeouts_tell_expiry(void *owner, struct timer *timer) {
    struct net *net = owner;
    char problem[TLS_PROBLEM_BYTES];
    if (tls_expires_soon(net->tls, problem)) {
        log_add(&net->shard.log, LOG_NO_CONNECTION, "%s", problem);
    }
    timer_set(&net->timers, timer, net->shard.now_ns + DAY_NS);
}

/* Whether there may be memory to be given back. */
static bool timeouts_has_memory(const struct shard *shard) {
    return shard->buffers.bytes > BUFFER_POOL_FREE_MIN * BUFFER_STANDARD_BYTES ||
           shard->messages.is_large;
}

__attribute__((noinline)) static void timeouts_look_later(struct net *net) {
    timer_set(&net->timers, &net->timeouts.stalled, net->shard.now_ns + SECOND_NS);
}

/* Both are rare: the step itself is a few instructions of each turn. */
void timeouts_step(struct net *net) {
    const struct timer *stalled = &net->timeouts.stalled;
    if (__builtin_expect(net->shard.uploads + net->shard.leases > 0 && !stalled->set, false)) {
        timeouts_look_later(net);
    }
    if (__builtin_expect(timeouts_has_memory(&net->shard), false)) {
        memory_look_later(net);
    }
}

void timeouts_init(struct net *net) {
    net->timeouts = (struct timeouts){
        .idle.expired = timeouts_close_idle,
        .stalled.expired = timeouts_close_stalled,
        .tls.expired = timeouts_close_late,
        .expiry.expired = timeouts_tell_expiry,
    };
    if (net->shard.facts->config->idle_timeout_s > 0) {
        timer_set(&net->timers, &net->timeouts.idle, 0);
    }
    if (net->tls && net->acceptor) {
        uint64_t start_ns = net->shard.facts->start_ns;
        timer_set(&net->timers, &net->timeouts.expiry, start_ns + DAY_NS);
    }
}
