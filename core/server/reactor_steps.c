#include "core/server/reactor_steps.h"

#include "core/base/config.h"
#include "core/base/facts.h"
#include "core/net/udp.h"
#include "core/pipeline/exchange.h"
#include "core/shard/scan.h"

/* Retry interval after a refused lease or upload, and how many connections are retried per pass. */
#define RETRY_NS 1000000u
#define RETRY_CONNECTIONS_MAX 64

void reactor_take_completions(struct reactor *reactor) {
    io_take(reactor->net.io, &reactor->net);
}

/* Messages. */

void reactor_exchange(struct reactor *reactor) {
    struct net *net = &reactor->net;
    if (exchange_collect_replies(&net->shard)) {
        schedule_wake_waiting(&net->schedule);
    }
    exchange_serve_peers(&net->shard);
}

static void reactor_wake_other(void *context, uint32_t other) {
    net_wake(context, other);
}

void reactor_publish(struct reactor *reactor) {
    mesh_publish(reactor->net.shard.port, reactor_wake_other, &reactor->net);
}

/* Requests. */

/* Takes the connections off a round that have, or have not, run a request in it. True when there
 * were any. */
static bool reactor_end_round(struct net *net, struct connection_queue *round, bool progressed) {
    struct connection *connection, *next;
    bool any = false;
    for (connection = TAILQ_FIRST(round); connection; connection = next) {
        next = TAILQ_NEXT(connection, scheduled.place_link);
        if (connection->pipeline.progressed != progressed) {
            continue;
        }
        schedule_leave_round(round, connection);
        connection_ran(net, connection);
        any = true;
    }
    return any;
}

/* Lets every ready connection run up to requests_max requests. False when another round would be of
 * no use: nothing has run, and scans have done all that they may in a turn. */
static bool reactor_run_round(struct reactor *reactor, uint32_t requests_max) {
    struct net *net = &reactor->net;
    struct shard *shard = &net->shard;
    struct batch *batch = &reactor->batch;
    struct connection_queue round;
    struct connection *connection;
    schedule_take_round(&net->schedule, &round);
    TAILQ_FOREACH(connection, &round, scheduled.place_link) {
        if (batch->count + PIPELINE_ROUND_MAX > BATCH_MAX) {
            batch_run(batch, shard);
        }
        /* Those that waited and would only stall again are not parsed again. */
        connection->pipeline.progressed = false;
        if (connection->pipeline.stalled && mesh_is_full(shard->port)) {
            continue;
        }
        pipeline_resume(&connection->pipeline);
        if (pipeline_can_run(&connection->pipeline)) {
            pipeline_collect(&connection->pipeline, shard, requests_max, batch);
        }
    }
    batch_run(batch, shard);
    /* Those that stalled before their first request come before those that had a share. */
    reactor_end_round(net, &round, false);
    return reactor_end_round(net, &round, true) || shard->scan_slices < SCAN_SLICES_PER_TURN;
}

/* It has sent more than it may have run in one turn, and the other clients are served first. */
static bool reactor_is_yielding(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return pipeline_can_run(pipeline) && pipeline->consumed < pipeline->length;
}

void reactor_run_requests(struct reactor *reactor) {
    struct net *net = &reactor->net;
    const struct connection *connection;
    uint32_t left = net->shard.facts->config->turn_requests;
    bool more = true;
    net->shard.scan_slices = 0;
    while (more && left > 0 && !TAILQ_EMPTY(&net->schedule.ready)) {
        uint32_t requests_max = left < PIPELINE_ROUND_MAX ? left : PIPELINE_ROUND_MAX;
        more = reactor_run_round(reactor, requests_max);
        left -= requests_max;
    }
    TAILQ_FOREACH(connection, &net->schedule.ready, scheduled.place_link) {
        net->shard.counters.conn_yields += reactor_is_yielding(connection);
    }
}

void reactor_pass_stop(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    if (shard->stop_asked) {
        reactor->stop_asked(reactor->context);
    }
    shard->stop_asked = false;
}

/* Connections that wait for a lease are not told when one ends: they ask again. What that sets free
 * may be what others wait for. */
void reactor_retry(void *owner, struct timer *timer) {
    struct net *net = owner;
    struct connection *connection;
    (void)timer;
    for (int i = 0; i < RETRY_CONNECTIONS_MAX; i++) {
        connection = schedule_take_retrying(&net->schedule);
        if (!connection) {
            break;
        }
        if (!connection_is_broken(connection)) {
            pipeline_retry(&connection->pipeline, &net->shard);
        }
        connection_progressed(net, connection);
    }
    schedule_wake_waiting(&net->schedule);
}

void reactor_end_turns(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct connection_queue ending;
    struct connection *connection;
    schedule_take_ending(&net->schedule, &ending);
    while ((connection = schedule_next_ending(&ending))) {
        if (connection->is_datagram) {
            udp_end_turn(net->udp, connection);
        } else {
            connection_end_turn(net, connection);
        }
    }
    if (!TAILQ_EMPTY(&net->schedule.retrying) && !reactor->retry.set) {
        timer_set(&net->timers, &reactor->retry, net->shard.keys.now_ns + RETRY_NS);
    }
}

/* Large values come last, behind all that is short. */
void reactor_send_large(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct connection *connection;
    size_t sent = 0;
    while (sent < OUTGOING_TURN_BYTES && (connection = schedule_take_sending(&net->schedule))) {
        if (!connection_is_broken(connection)) {
            sent += connection_send_large(net, connection);
        }
    }
}
