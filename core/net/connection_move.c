#include "core/net/connection_move.h"

#include <assert.h>

#include "core/mesh/mesh.h"
#include "core/pipeline/timing.h"

static bool connection_has_nothing_under_way(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return !connection->sending && connection->receive == RECEIVE_NONE &&
           outgoing_is_empty(&connection->outgoing) && !pipeline->first &&
           pipeline->leases.length == 0 && !pipeline->upload && !pipeline->gather &&
           !pipeline->scan && !connection->login;
}

static bool connection_may_leave(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    const struct scheduled *scheduled = &connection->scheduled;
    return connection->state == CONNECTION_OPEN && !pipeline->closing && !connection->tls &&
           !pipeline->watching && connection_has_nothing_under_way(connection) &&
           !pipeline->stalled && pipeline->logins_failed == 0 &&
           scheduled->place == SCHEDULE_NOWHERE && !scheduled->retrying && !scheduled->sending &&
           !pipeline->out_of_memory;
}

/* Takes it off all that is its reactor's. */
static void connection_detach(struct net *net, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    assert(pipeline->outstanding == 0);
    assert(!pipeline->bytes);
    assert(connection->receive_buffer < 0);
    schedule_remove(&net->schedule, &connection->scheduled);
    LIST_REMOVE(connection, all_link);
    io_leave_source(net->io, connection->source);
    connection->source = NULL;
    buffer_leave(&net->shard.buffers, &pipeline->input);
    buffer_leave(&net->shard.buffers, &pipeline->output);
    timing_end_turn(pipeline, &net->shard, true);
    buffer_leave(&net->shard.buffers, &pipeline->timing.kept);
    net->shard.counters.curr_connections--;
    memory_count(net);
    net->shard.counters.conn_moves++;
}

bool connection_leave(struct net *net, struct connection *connection) {
    struct moving *moving = &net->moving;
    struct shard *shard = &net->shard;
    assert(moving->left > 0);
    assert(moving->to != shard->id);
    if (net->stopping || !connection_may_leave(connection) ||
        !mesh_has_credit(shard->port, moving->to) || !shard_has_spare_message(shard)) {
        return false;
    }
    connection_detach(net, connection);
    struct message *message = message_take(&shard->messages);
    message->kind = MESSAGE_MOVED;
    message->complete = shard_give_message;
    message->connection = connection;
    mesh_send_request(shard->port, moving->to, message);
    moving->left--;
    net_connection_left(net);
    return true;
}

/* Without memory nothing of it is received any more; at the end of its turn it is gone. */
static void connection_end_here(struct net *net, struct connection *connection) {
    net->shard.counters.malloc_fails++;
    io_shut_down(net->io, connection->descriptor, SHUT_RDWR);
    connection->state = CONNECTION_SHUT;
    connection->pipeline.closing = true;
    connection->ending = "there is no memory for it";
}

/* Times of another reactor may be ahead of this one's. */
static uint32_t connection_not_after(uint32_t time_s, uint32_t now_s) {
    return time_s < now_s ? time_s : now_s;
}

void connection_arrive(struct net *net, struct connection *connection) {
    uint32_t now_s = net->shard.now_s;
    net_connection_came(net);
    connection->arrived = true;
    connection->serial = net->next_serial++;
    LIST_INSERT_HEAD(&net->connections, connection, all_link);
    net->shard.counters.curr_connections++;
    memory_count(net);
    buffer_come(&net->shard.buffers, &connection->pipeline.input);
    buffer_come(&net->shard.buffers, &connection->pipeline.output);
    buffer_come(&net->shard.buffers, &connection->pipeline.timing.kept);
    connection->last_command_s = connection_not_after(connection->last_command_s, now_s);
    connection->receive_pace.since_s =
        connection_not_after(connection->receive_pace.since_s, now_s);
    connection->send_pace.since_s = connection_not_after(connection->send_pace.since_s, now_s);
    connection->source = io_open_source(net->io, connection->descriptor, &connection->received);
    if (!connection->source) {
        connection_end_here(net, connection);
    } else if (net->stopping) {
        connection_drain(net, connection);
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}
