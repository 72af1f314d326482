#include "core/idle.h"

#include "core/reactor.h"

#define SECOND_NS ((uint64_t)1000000000)

/* One that has yet to take its replies is not idle, as in memcached. */
static bool is_owed(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return pipeline->first || pipeline->walk || pipeline->output.length > 0 || connection->sending;
}

/* Seconds to wait before the connection is due; 0: it was due and is closed. */
static uint32_t close_if_due(struct reactor *reactor, struct connection *connection,
                             uint32_t timeout_s) {
    uint32_t idle_s = reactor->shard.now - connection->last_command_s;
    if (idle_s <= timeout_s)
        return timeout_s - idle_s + 1;
    if (connection->broken || is_owed(connection))
        return 1;
    reactor->shard.counters.idle_kicks++;
    connection_break(reactor, connection, "it was idle");
    return 0;
}

void idle_step(struct reactor *reactor) {
    uint32_t timeout_s = reactor->shard.facts->idle_timeout_s;
    if (timeout_s == 0 || reactor->now_ns < reactor->idle_check_ns)
        return;
    uint32_t next_s = timeout_s; /* a connection that comes meanwhile is due later than that */
    struct connection *connection;
    LIST_FOREACH(connection, &reactor->connections, all_link) {
        uint32_t left_s = close_if_due(reactor, connection, timeout_s);
        if (left_s > 0 && left_s < next_s)
            next_s = left_s;
    }
    reactor->idle_check_ns = reactor->now_ns + next_s * SECOND_NS;
}

uint64_t idle_wait_ns(const struct reactor *reactor) {
    if (reactor->shard.facts->idle_timeout_s == 0)
        return UINT64_MAX;
    return reactor->idle_check_ns > reactor->now_ns ? reactor->idle_check_ns - reactor->now_ns : 0;
}
