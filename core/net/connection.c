#include "core/net/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/net/connection_log.h"
#include "core/net/connection_move.h"
#include "core/net/connection_tls.h"
#include "core/net/connection_watch.h"
#include "core/net/sasl_logins.h"
#include "core/pipeline/timing.h"

/* Larger output is sent at once, whatever replies are due behind it, see connection_is_held(). */
#define HELD_OUTPUT_BYTES_MAX ((size_t)16 * 1024)

/* Longer output is held while it is sent, and told of when it has been. */
#define ONCE_BYTES_MAX ((size_t)4 * 1024)

static completion_done connection_received, connection_sent;

void connection_init(struct net *net, struct connection *connection, int descriptor) {
    *connection = (struct connection){
        .descriptor = descriptor,
        .received.done = connection_received,
        .sent.done = connection_sent,
        .receive_buffer = -1,
    };
    pipeline_init(&connection->pipeline, &net->shard);
    connection->pipeline.number = descriptor;
    connection->last_command_s = net->shard.now_s;
}

/* False without memory. */
static bool connection_open_transport(struct net *net, struct connection *connection,
                                      enum transport transport) {
    if (transport == TRANSPORT_PLAIN) {
        return true;
    }
    connection->tls = tls_session_create(net->tls, transport, connection, &net->shard.buffers);
    if (connection->tls) {
        connection_tls_start(net, connection);
    }
    return !!connection->tls;
}

static void connection_free(struct net *net, struct connection *connection) {
    if (connection->source) {
        io_close_source(net->io, connection->source);
    }
    free(connection->parts);
    free(connection);
}

/* NULL without memory. */
static struct connection *connection_create(struct net *net, int descriptor,
                                            enum transport transport) {
    struct connection *connection = malloc(sizeof(*connection));
    if (!connection) {
        return NULL;
    }
    connection_init(net, connection, descriptor);
    connection->source = io_open_source(net->io, descriptor, &connection->received);
    if (!connection->source || !connection_open_transport(net, connection, transport)) {
        connection_free(net, connection);
        return NULL;
    }
    return connection;
}

void connection_open(struct net *net, int descriptor, enum transport transport) {
    struct connection *connection = connection_create(net, descriptor, transport);
    if (!connection) {
        net->shard.counters.malloc_fails++;
        io_close_socket(net->io, descriptor);
        net_connection_ended(net);
        return;
    }
    connection->serial = net->next_serial++;
    LIST_INSERT_HEAD(&net->connections, connection, all_link);
    net->shard.counters.curr_connections++;
    memory_count(net);
    net->shard.counters.total_connections++;
    connection_log_opened(net, connection);
    connection_watch_opened(net, connection);
    if (net->stopping) {
        connection_drain(net, connection);
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

static void connection_destroy(struct net *net, struct connection *connection) {
    connection_log_closed(net, connection);
    connection_watch_closed(net, connection);
    LIST_REMOVE(connection, all_link);
    schedule_remove(&net->schedule, &connection->scheduled);
    pipeline_finish(&connection->pipeline, &net->shard);
    connection_tls_finish(net, connection);
    io_close_socket(net->io, connection->descriptor);
    connection_free(net, connection);
    net->shard.counters.curr_connections--;
    memory_count(net);
    memory_look_later(net);
    net_connection_ended(net);
    schedule_wake_waiting(&net->schedule); /* it may have held messages that they wait for */
}

/* From here on operations and messages under way end, and none begins. */
static void connection_mark_broken(struct connection *connection, const char *reason) {
    if (connection->state < CONNECTION_BROKEN) {
        connection->state = CONNECTION_BROKEN;
    }
    connection->pipeline.closing = true;
    if (!connection->ending) {
        connection->ending = reason;
    }
}

/* Breaks a connection for whose input or output there was no memory. */
static void connection_starve(struct net *net, struct connection *connection) {
    net->shard.counters.malloc_fails += !connection_is_broken(connection);
    connection_mark_broken(connection, "there is no memory for it");
}

static void connection_fail(struct connection *connection, int error) {
    const char *reason = strerrordesc_np(-error);
    connection_mark_broken(connection, reason ? reason : "an unknown error");
}

void connection_break(struct net *net, struct connection *connection, const char *reason) {
    connection_mark_broken(connection, reason);
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

/* Receiving. */

static void connection_give_buffer(struct net *net, struct connection *connection) {
    if (connection->receive_buffer >= 0) {
        io_give_buffer(net->io, (unsigned)connection->receive_buffer);
    }
    connection->receive_buffer = -1;
}

static void connection_start_receive(struct net *net, struct connection *connection) {
    char *where = NULL;
    if (connection->tls && !connection_tls_may_receive(net, connection)) {
        return;
    }
    size_t window = connection->tls ? connection_tls_window(connection, &where)
                                    : pipeline_upload_window(&connection->pipeline, &where);
    if (window > 0) {
        connection->receive = RECEIVE_DIRECT;
        io_receive(net->io, connection->source, where, window);
    } else {
        connection->receive = RECEIVE_LENT;
        bool scarce = buffer_pool_is_scarce(&net->shard.buffers);
        io_receive_lent(net->io, connection->source,
                        scarce ? memory_receive_scarce_bytes(connection) : IO_BUFFER_BYTES);
    }
}

static bool connection_may_receive(const struct net *net, const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return connection->receive == RECEIVE_NONE && connection->state == CONNECTION_OPEN &&
           !pipeline->closing && pipeline->wants_more && !pipeline->stalled &&
           !pipeline_is_blocked(pipeline, &net->shard);
}

static void connection_take_lent(struct net *net, struct connection *connection, size_t length) {
    struct pipeline *pipeline = &connection->pipeline;
    char *bytes = io_buffer(net->io, (unsigned)connection->receive_buffer);
    bool taken = connection->tls ? connection_tls_take(net, connection, bytes, length, bytes)
                                 : pipeline_feed(pipeline, &net->shard, bytes, length);
    if (!taken) {
        connection_starve(net, connection);
    }
    if (pipeline->bytes != bytes) {
        connection_give_buffer(net, connection);
    }
    if (pipeline_can_run(pipeline)) {
        schedule_run(&net->schedule, &connection->scheduled);
    }
}

static void connection_take_bytes(struct net *net, struct connection *connection,
                                  enum connection_receive receive, size_t length) {
    net->shard.counters.bytes_read += length;
    timing_arrived(&connection->pipeline, &net->shard);
    connection->last_command_s = net->shard.now_s;
    pace_count(&connection->receive_pace, length, net->shard.now_s);
    if (receive == RECEIVE_LENT) {
        connection_take_lent(net, connection, length);
    } else if (!connection->tls) {
        pipeline_direct_feed(&connection->pipeline, &net->shard, length);
    } else if (!connection_tls_take_window(net, connection, length)) {
        connection_starve(net, connection);
    }
}

static bool connection_is_again(int result) {
    return result == -EINTR || result == -EAGAIN;
}

static void connection_received(void *owner, struct completion *completion, int result,
                                unsigned flags) {
    struct net *net = owner;
    struct connection *connection = container_of(completion, struct connection, received);
    enum connection_receive receive = connection->receive;
    assert(receive != RECEIVE_NONE);
    connection->receive = RECEIVE_NONE;
    if (flags & IO_LENT) {
        connection->receive_buffer = (int)io_lent_buffer(flags);
    }
    if (result > 0 && !connection_is_broken(connection)) {
        connection_take_bytes(net, connection, receive, (size_t)result);
    } else if (result == 0 && connection->state == CONNECTION_OPEN) {
        connection->state = CONNECTION_ENDED;
        pipeline_end_watch(&connection->pipeline, &net->shard);
    } else if (result < 0 && !connection_is_again(result)) {
        connection_fail(connection, result);
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

/* Sending. */

/* Bytes alone are sent as a whole; large values wait for the end of the turn. */
static void connection_start_send(struct net *net, struct connection *connection) {
    const struct outgoing *outgoing = &connection->outgoing;
    if (outgoing->leases.length > 0) {
        schedule_send(&net->schedule, &connection->scheduled);
        return;
    }
    size_t sent = outgoing->position.byte;
    if (connection->tls) {
        if (!connection_tls_send(net, connection, outgoing->output.bytes + sent,
                                 outgoing->output.length - sent)) {
            connection_break(net, connection, connection->tls->problem);
        }
        return;
    }
    io_send(net->io, connection->descriptor, outgoing->output.bytes + sent,
            outgoing->output.length - sent, &connection->sent);
    connection->sending = true;
}

/* Few bytes, behind which nothing is to be done: whatever comes next begins with an event. Not if
 * nothing is received before they are sent. */
static bool connection_sends_once(const struct net *net, const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return !connection->tls && connection->outgoing.leases.length == 0 &&
           connection->outgoing.output.length <= ONCE_BYTES_MAX &&
           connection->state == CONNECTION_OPEN && !pipeline->closing && !pipeline->stalled &&
           !pipeline_output_full(pipeline, &net->shard);
}

/* Takes the output of the pipeline to send it. */
static void connection_start_outgoing(struct net *net, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->leases.length > 0 && !connection->parts) {
        connection->parts = malloc(sizeof(*connection->parts));
    }
    if (pipeline->leases.length > 0 && !connection->parts) {
        connection_starve(net, connection);
        return;
    }
    pipeline_take_output(pipeline, &connection->outgoing);
    if (buffer_pool_is_scarce(&net->shard.buffers)) {
        buffer_shrink(&net->shard.buffers, &connection->outgoing.output);
    }
    connection->send_pace = (struct pace){.since_s = net->shard.now_s};
    if (connection_sends_once(net, connection)) {
        connection->sending = true;
        io_send_once(net->io, connection->descriptor, connection->outgoing.output.bytes,
                     connection->outgoing.output.length, &connection->sent);
    } else {
        connection_start_send(net, connection);
    }
}

/* Output is kept back until the replies that other shards owe at this time have come, since one
 * send costs less than two; replies to later requests are not waited for. Each reply that comes
 * leads to another end of a turn, and so to this function. Where requests wait for the output it is
 * not kept. */
static bool connection_is_held(const struct net *net, struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->outstanding == 0 || pipeline->output.length >= HELD_OUTPUT_BYTES_MAX ||
        pipeline_output_full(pipeline, &net->shard)) {
        return false;
    }
    if (!connection->held) {
        connection->held_until = pipeline->drained + pipeline->queued;
    }
    connection->held = true;
    return (int32_t)(pipeline->drained - connection->held_until) < 0;
}

static void connection_send_output(struct net *net, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (!outgoing_is_empty(&connection->outgoing) || pipeline->output.length == 0) {
        return;
    }
    if (connection_is_held(net, connection)) {
        return;
    }
    connection->held = false;
    connection_start_outgoing(net, connection);
}

/* All output has been sent, and some of its leases may be left to be given back. */
static bool connection_is_sent(const struct connection *connection) {
    return !outgoing_is_empty(&connection->outgoing) && outgoing_is_sent(&connection->outgoing);
}

/* Output whose leases can't be given back for now stays as it is. */
static void connection_release_outgoing(struct net *net, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (!pipeline_release_output(pipeline, &net->shard, &connection->outgoing)) {
        schedule_wait(&net->schedule, &connection->scheduled);
        return;
    }
    if (pipeline->stalled) {
        schedule_run(&net->schedule, &connection->scheduled);
    }
}

static void connection_note_sent(struct net *net, struct connection *connection, size_t plain) {
    net->shard.counters.bytes_written += plain;
    outgoing_advance(&connection->outgoing, &net->shard, plain);
}

/* A send has ended: the rest of the output comes next, or other output. */
static void connection_end_send(struct net *net, struct connection *connection) {
    bool is_broken = connection_is_broken(connection);
    if (!is_broken && !outgoing_is_sent(&connection->outgoing)) {
        connection_start_send(net, connection);
        return;
    }
    if (!is_broken) {
        connection_release_outgoing(net, connection);
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

/* Records go out as they are made. */
static void connection_send_encrypted(struct net *net, struct connection *connection,
                                      const struct iovec *parts, size_t bytes) {
    size_t sent;
    if (!connection_tls_send_large(net, connection, parts, bytes, &sent)) {
        connection_break(net, connection, connection->tls->problem);
        return;
    }
    if (sent > 0) {
        pace_count(&connection->send_pace, sent, net->shard.now_s);
        connection_note_sent(net, connection, sent);
    }
    if (sent > 0 && !connection->sending) {
        connection_end_send(net, connection);
    }
}

size_t connection_send_large(struct net *net, struct connection *connection) {
    struct outgoing_send *parts = connection->parts;
    size_t most = connection->tls ? TLS_SEND_BYTES_MAX : OUTGOING_SEND_BYTES_MAX;
    size_t bytes = 0;
    if (connection->sending) { /* what TLS itself has to say; the end of that leads here again */
        return 0;
    }
    int count = outgoing_gather(&connection->outgoing, &net->shard, most, parts->parts);
    for (int i = 0; i < count; i++) {
        bytes += parts->parts[i].iov_len;
    }
    if (connection->tls) {
        connection_send_encrypted(net, connection, parts->parts, bytes);
        return bytes;
    }
    parts->message = (struct msghdr){.msg_iov = parts->parts, .msg_iovlen = (size_t)count};
    io_send_vector(net->io, connection->descriptor, &parts->message, &connection->sent);
    connection->sending = true;
    return bytes;
}

static void connection_sent(void *owner, struct completion *completion, int result,
                            unsigned flags) {
    struct net *net = owner;
    struct connection *connection = container_of(completion, struct connection, sent);
    (void)flags;
    assert(connection->sending);
    connection->sending = false;
    if (result < 0 && !connection_is_again(result)) {
        connection_fail(connection, result);
    }
    if (result > 0) {
        size_t sent = (size_t)result;
        pace_count(&connection->send_pace, sent, net->shard.now_s);
        sent = connection->tls ? tls_session_sent(connection->tls, sent) : sent;
        connection_note_sent(net, connection, sent);
    }
    if (!connection->tls || !connection_tls_send_rest(net, connection)) {
        connection_end_send(net, connection);
    }
}

void connection_progressed(struct net *net, struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline_can_run(pipeline) ||
        (pipeline->stalled && !pipeline_is_blocked(pipeline, &net->shard))) {
        schedule_run(&net->schedule, &connection->scheduled);
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

void connection_ran(struct net *net, struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->logins_failed > 0) {
        connection_log_failed_logins(net, connection);
    }
    if (pipeline_can_run(pipeline) || pipeline->scan_yields) {
        schedule_run(&net->schedule, &connection->scheduled);
    } else if (pipeline->stalled && !pipeline_is_blocked(pipeline, &net->shard)) {
        schedule_wait(&net->schedule, &connection->scheduled);
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

/* The end of a turn. */

static bool connection_is_finished(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    bool input_used_up = connection->state != CONNECTION_OPEN && !pipeline->stalled &&
                         connection->scheduled.place != SCHEDULE_READY;
    return (pipeline->closing || input_used_up) && !pipeline->first &&
           pipeline->output.length == 0 && outgoing_is_empty(&connection->outgoing);
}

/* What it holds of the stores is given back before it is gone; the engine's operations on it have
 * to end first. */
static void connection_end_broken(struct net *net, struct connection *connection) {
    if (connection->state != CONNECTION_SHUT) {
        io_shut_down(net->io, connection->descriptor, SHUT_RDWR);
        io_close_source(net->io, connection->source);
        connection->source = NULL;
        connection->receive = RECEIVE_NONE;
    }
    connection->state = CONNECTION_SHUT;
    if (connection->sending) {
        return;
    }
    if (connection->login) {
        sasl_logins_leave(net, connection);
    }
    bool released =
        pipeline_release_output(&connection->pipeline, &net->shard, &connection->outgoing);
    if (pipeline_abort(&connection->pipeline, &net->shard) && released) {
        connection_destroy(net, connection);
    } else {
        schedule_wait(&net->schedule, &connection->scheduled);
    }
}

void connection_end_turn(struct net *net, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (!pipeline_pause(pipeline, &net->shard) || pipeline->out_of_memory) {
        connection_starve(net, connection);
    }
    connection_give_buffer(net, connection);
    if (!connection_is_broken(connection) && connection_is_sent(connection)) {
        connection_release_outgoing(net, connection);
    }
    if (net->shard.count > 1 && connection_leaves(net, connection)) {
        return;
    }
    if (!connection_is_broken(connection)) {
        connection_send_output(net, connection);
        timing_end_turn(pipeline, &net->shard, connection->held || connection->scheduled.sending);
    }
    bool finished = connection_is_finished(connection);
    if (connection->tls && !connection_is_broken(connection)) {
        finished = connection_tls_end_turn(net, connection, finished);
    }
    if (finished) {
        connection_watch_finished(net, connection);
        connection_mark_broken(connection, connection_log_reason(net, connection)); /* in order */
    }
    if (connection_is_broken(connection)) {
        connection_end_broken(net, connection);
        return;
    }
    if (connection_may_receive(net, connection)) {
        connection_start_receive(net, connection);
    }
    if (pipeline_polls(pipeline, &net->shard)) {
        schedule_retry(&net->schedule, &connection->scheduled);
    }
}
