#include "core/net/timeouts.h"

#include "core/pipeline/upload.h"
#include "core/server/reactor.h"

#define SECOND_NS ((uint64_t)1000000000)

/* One that has yet to take its replies is not idle, as in memcached. */
static bool is_owed(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return pipeline->first || pipeline->scan || pipeline->output.length > 0 ||
           !outgoing_is_empty(&connection->outgoing);
}

/* Seconds to wait before the connection is due; 0: it was due and is closed. */
static uint32_t close_if_due(struct reactor *reactor, struct connection *connection,
                             uint32_t timeout_s) {
    uint32_t idle_s = reactor->shard.now - connection->last_command_s;
    if (idle_s <= timeout_s) {
        return timeout_s - idle_s + 1;
    }
    if (connection->broken || is_owed(connection)) {
        return 1;
    }
    reactor->shard.counters.idle_kicks++;
    connection_break(reactor, connection, "it was idle");
    return 0;
}

static void look_for_idle(struct reactor *reactor) {
    uint32_t timeout_s = reactor->shard.facts->config->idle_timeout_s;
    if (timeout_s == 0 || reactor->shard.now_ns < reactor->idle_check_ns) {
        return;
    }
    uint32_t next_s = timeout_s; /* a connection that comes meanwhile is due later than that */
    struct connection *connection;
    LIST_FOREACH(connection, &reactor->connections, all_link) {
        uint32_t left_s = close_if_due(reactor, connection, timeout_s);
        if (left_s > 0 && left_s < next_s) {
            next_s = left_s;
        }
    }
    reactor->idle_check_ns = reactor->shard.now_ns + next_s * SECOND_NS;
}

/* Those that hold memory of a store while others are refused some. */

static bool holds_upload(const struct shard *shard, const struct connection *connection) {
    const struct upload *upload = connection->pipeline.upload;
    uint32_t since = upload ? upload_held_since(upload) : 0;
    return since > 0 && shard->now - since > IDLE_UPLOAD_S &&
           shard->now - connection->received.since_s > IDLE_UPLOAD_S &&
           shard_has_refused(shard->all[upload_owner(upload)], shard->now);
}

/* Output behind what is being sent waits for it, whatever that carries itself. */
static bool holds_lease(const struct shard *shard, const struct connection *connection) {
    const struct outgoing *outgoing = &connection->outgoing;
    const struct buffer *behind = &connection->pipeline.leases;
    if (outgoing_is_empty(outgoing) || shard->now - connection->sent.since_s <= IDLE_LEASE_S) {
        return false;
    }
    for (uint32_t i = 0; i < shard->count; i++) {
        if ((outgoing_has_lease_of(outgoing, i) || leases_have_owner(behind, i)) &&
            shard_has_refused(shard->all[i], shard->now)) {
            return true;
        }
    }
    return false;
}

static void look_for_stalled(struct reactor *reactor) {
    const struct shard *shard = &reactor->shard;
    struct connection *connection;
    if (shard->uploads + shard->leases == 0 || reactor->shard.now_ns < reactor->stall_check_ns) {
        return;
    }
    reactor->stall_check_ns = reactor->shard.now_ns + SECOND_NS;
    LIST_FOREACH(connection, &reactor->connections, all_link) {
        if (connection->broken ||
            (!holds_upload(shard, connection) && !holds_lease(shard, connection))) {
            continue;
        }
        reactor->shard.counters.stall_kicks++;
        connection_break(reactor, connection, "it stalled with memory that others wait for");
    }
}

void idle_step(struct reactor *reactor) {
    look_for_idle(reactor);
    look_for_stalled(reactor);
}

static uint64_t until(const struct reactor *reactor, uint64_t then_ns) {
    return then_ns > reactor->shard.now_ns ? then_ns - reactor->shard.now_ns : 0;
}

uint64_t idle_wait_ns(const struct reactor *reactor) {
    const struct shard *shard = &reactor->shard;
    uint64_t idle_ns =
        shard->facts->config->idle_timeout_s ? until(reactor, reactor->idle_check_ns) : UINT64_MAX;
    uint64_t stall_ns =
        shard->uploads + shard->leases > 0 ? until(reactor, reactor->stall_check_ns) : UINT64_MAX;
    return idle_ns < stall_ns ? idle_ns : stall_ns;
}
