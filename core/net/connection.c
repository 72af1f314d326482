#include "core/net/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/reactor.h"
#include "core/server/server.h"
#include "core/stats/connection.h"

/* Larger output waits for no replies that are on their way, see is_held(). */
#define HELD_OUTPUT_BYTES_MAX ((size_t)16 * 1024)

static const char no_memory[] = "there is no memory for it";

static bool is_logged(const struct reactor *reactor) {
    return reactor->shard.settings.verbosity >= LOG_CONNECTIONS;
}

static void write_peer(const struct connection *connection, char address[STATS_ADDRESS_MAX]) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    if (getpeername(connection->descriptor, (struct sockaddr *)&peer, &length) != 0) {
        length = 0;
    }
    stats_address_write(address, &peer, length, false);
}

static void log_opened(struct reactor *reactor, const struct connection *connection) {
    char address[STATS_ADDRESS_MAX];
    write_peer(connection, address);
    log_add(&reactor->shard.log, connection->descriptor, "opened by %s on reactor %u", address,
            reactor->shard.id);
}

/* -B: what the first byte would tell is known. */
static enum protocol first_protocol(const struct config *config) {
    switch (config->binding) {
    case BINDING_AUTO:
        return PROTOCOL_UNKNOWN;
    case BINDING_TEXT:
        return PROTOCOL_TEXT;
    case BINDING_BINARY:
        return PROTOCOL_BINARY;
    }
    assert(!"a binding of unknown kind");
    return PROTOCOL_UNKNOWN;
}

void connection_init(struct reactor *reactor, struct connection *connection, int descriptor) {
    *connection = (struct connection){.descriptor = descriptor, .receive_buffer = -1};
    pipeline_init(&connection->pipeline, &reactor->shard);
    connection->pipeline.number = descriptor;
    connection->pipeline.parser.protocol = (uint8_t)first_protocol(reactor->server->config);
    connection->last_command_s = reactor->shard.now;
}

void connection_open(struct reactor *reactor, int descriptor) {
    struct connection *connection = malloc(sizeof(*connection));
    if (!connection) {
        reactor->shard.counters.malloc_fails++;
        close(descriptor);
        atomic_fetch_add_explicit(&reactor->connections_ended, 1, memory_order_relaxed);
        return;
    }
    connection_init(reactor, connection, descriptor);
    connection->serial = reactor->next_serial++;
    LIST_INSERT_HEAD(&reactor->connections, connection, all_link);
    reactor->shard.counters.curr_connections++;
    reactor->shard.counters.total_connections++;
    if (is_logged(reactor)) {
        log_opened(reactor, connection);
    }
    if (reactor->stopping) {
        connection_drain(connection);
    }
    reactor_settle(reactor, connection);
}

static void destroy(struct reactor *reactor, struct connection *connection) {
    if (is_logged(reactor)) {
        log_add(&reactor->shard.log, connection->descriptor, "closed: %s",
                connection->ending ? connection->ending : "the server stops");
    }
    reactor_forget(reactor, connection);
    pipeline_finish(&connection->pipeline, &reactor->shard);
    close(connection->descriptor);
    free(connection->send);
    free(connection);
    reactor->shard.counters.curr_connections--;
    atomic_fetch_add_explicit(&reactor->connections_ended, 1, memory_order_relaxed);
}

/* Both shut-downs make a receive or send that waits in the kernel complete, so nothing has to be
 * cancelled. */
void connection_drain(struct connection *connection) {
    shutdown(connection->descriptor, SHUT_RD);
}

/* From here on nothing happens but the way back of what is out. */
static void mark_broken(struct connection *connection, const char *reason) {
    connection->broken = true;
    connection->pipeline.closing = true;
    if (!connection->ending) {
        connection->ending = reason;
    }
}

/* There was no memory for what it has sent or is owed. */
static void starve(struct reactor *reactor, struct connection *connection) {
    reactor->shard.counters.malloc_fails += !connection->broken;
    mark_broken(connection, no_memory);
}

static void fail(struct connection *connection, int error) {
    const char *reason = strerrordesc_np(-error);
    mark_broken(connection, reason ? reason : "an unknown error");
}

void connection_break(struct reactor *reactor, struct connection *connection, const char *reason) {
    mark_broken(connection, reason);
    reactor_settle(reactor, connection);
}

void connection_abandon(struct reactor *reactor, struct connection *connection) {
    struct buffer_pool *buffers = &reactor->shard.buffers;
    pipeline_abandon(&connection->pipeline, &reactor->shard);
    buffer_release(buffers, &connection->outgoing.output);
    buffer_release(buffers, &connection->outgoing.leases);
    destroy(reactor, connection);
}

/* Receiving. */

static void give_buffer_back(struct reactor *reactor, struct connection *connection) {
    if (connection->receive_buffer >= 0) {
        uring_give_buffer(&reactor->uring, (unsigned)connection->receive_buffer);
    }
    connection->receive_buffer = -1;
}

static void start_receive(struct reactor *reactor, struct connection *connection) {
    char *where = NULL;
    size_t window = pipeline_upload_window(&connection->pipeline, &where);
    struct io_uring_sqe *entry = uring_entry(&reactor->uring);
    connection->receiving = true;
    connection->receiving_direct = window > 0;
    if (window > 0) {
        io_uring_prep_recv(entry, connection->descriptor, where, window, 0);
    } else {
        io_uring_prep_recv(entry, connection->descriptor, NULL, URING_BUFFER_BYTES, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = URING_BUFFER_GROUP;
    }
    /* The last receive has said whether it left something: if not, trying at once would be in vain.
     */
    if (!connection->socket_has_more) {
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
    reactor_mark(entry, COMPLETION_RECEIVE, connection);
}

static bool may_receive(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    return !connection->receiving && !connection->ended && !pipeline->closing &&
           pipeline->wants_more && !pipeline->stalled && !pipeline_is_blocked(pipeline);
}

static void take_bytes(struct reactor *reactor, struct connection *connection, size_t length) {
    struct pipeline *pipeline = &connection->pipeline;
    reactor->shard.counters.bytes_read += length;
    connection->last_command_s = reactor->shard.now;
    pace_count(&connection->received, length, reactor->shard.now);
    if (connection->receiving_direct) {
        pipeline_direct_feed(pipeline, &reactor->shard, length);
        return;
    }
    const char *bytes = uring_buffer(&reactor->uring, (unsigned)connection->receive_buffer);
    if (!pipeline_feed(pipeline, &reactor->shard, bytes, length)) {
        starve(reactor, connection);
    }
    if (pipeline->bytes != bytes) {
        give_buffer_back(reactor, connection);
    }
    if (pipeline_can_run(pipeline)) {
        reactor_ready(reactor, connection);
    }
}

void connection_received(struct reactor *reactor, struct connection *connection, int result,
                         unsigned flags) {
    connection->receiving = false;
    connection->socket_has_more = flags & IORING_CQE_F_SOCK_NONEMPTY;
    if (flags & IORING_CQE_F_BUFFER) {
        connection->receive_buffer = (int)(flags >> IORING_CQE_BUFFER_SHIFT);
    }
    if (result > 0 && !connection->broken) {
        take_bytes(reactor, connection, (size_t)result);
    } else if (result == 0) {
        connection->ended = true;
    } else if (result < 0 && result != -ENOBUFS && result != -EINTR && result != -EAGAIN) {
        fail(connection, result);
    }
    /* After ENOBUFS the receive is armed again when this turn has given its buffers back. */
    connection->socket_has_more |= result == -ENOBUFS;
    reactor_settle(reactor, connection);
}

/* Sending. */

static void mark_sending(struct connection *connection, struct io_uring_sqe *entry) {
    reactor_mark(entry, COMPLETION_SEND, connection);
    connection->sending = true;
}

/* Bytes alone are sent as a whole; large values wait for the end of the turn. */
static void start_send(struct reactor *reactor, struct connection *connection) {
    const struct outgoing *outgoing = &connection->outgoing;
    if (outgoing->leases.length > 0) {
        reactor_fly(reactor, connection);
        return;
    }
    struct io_uring_sqe *entry = uring_entry(&reactor->uring);
    size_t sent = outgoing->position.byte;
    io_uring_prep_send(entry, connection->descriptor, outgoing->output.bytes + sent,
                       outgoing->output.length - sent, MSG_NOSIGNAL | MSG_WAITALL);
    mark_sending(connection, entry);
}

size_t connection_fly(struct reactor *reactor, struct connection *connection) {
    struct outgoing_send *send = connection->send;
    int count = outgoing_gather(&connection->outgoing, &reactor->shard, OUTGOING_SEND_BYTES_MAX,
                                send->parts);
    send->message = (struct msghdr){.msg_iov = send->parts, .msg_iovlen = (size_t)count};
    struct io_uring_sqe *entry = uring_entry(&reactor->uring);
    io_uring_prep_sendmsg(entry, connection->descriptor, &send->message, MSG_NOSIGNAL);
    mark_sending(connection, entry);
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += send->parts[i].iov_len;
    }
    return bytes;
}

static void take_off(struct reactor *reactor, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->leases.length > 0 && !connection->send) {
        connection->send = malloc(sizeof(*connection->send));
    }
    if (pipeline->leases.length > 0 && !connection->send) {
        starve(reactor, connection);
        return;
    }
    pipeline_take_output(pipeline, &connection->outgoing);
    connection->sent = (struct pace){.since_s = reactor->shard.now};
    start_send(reactor, connection);
}

/* Output is kept back for the replies that are on their way behind it, not for those to later
 * requests: one send costs less than two. Each of them brings this about again. */
static bool is_held(struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->outstanding == 0 || pipeline->leases.length > 0 ||
        pipeline->output.length >= HELD_OUTPUT_BYTES_MAX) {
        return false;
    }
    if (!connection->held) {
        connection->held_until = pipeline->drained + pipeline->queued;
    }
    connection->held = true;
    return (int32_t)(pipeline->drained - connection->held_until) < 0;
}

static void send_output(struct reactor *reactor, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (!outgoing_is_empty(&connection->outgoing) || pipeline->output.length == 0) {
        return;
    }
    if (is_held(connection)) {
        return;
    }
    connection->held = false;
    take_off(reactor, connection);
}

/* All output has been sent, but perhaps not released. */
static bool has_arrived(const struct connection *connection) {
    return !outgoing_is_empty(&connection->outgoing) && outgoing_is_sent(&connection->outgoing);
}

/* Output whose leases can't be given back for now stays as it is. */
static void land(struct reactor *reactor, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (!pipeline_release_output(pipeline, &reactor->shard, &connection->outgoing)) {
        reactor_wait(reactor, connection);
        return;
    }
    if (pipeline->stalled) {
        reactor_ready(reactor, connection);
    }
}

void connection_sent(struct reactor *reactor, struct connection *connection, int result) {
    struct outgoing *outgoing = &connection->outgoing;
    bool again = result == -EINTR || result == -EAGAIN;
    connection->sending = false;
    if (result < 0 && !again) {
        fail(connection, result);
    }
    if (result > 0) {
        pace_count(&connection->sent, (size_t)result, reactor->shard.now);
        reactor->shard.counters.bytes_written += (size_t)result;
        outgoing_advance(outgoing, &reactor->shard, (size_t)result);
    }
    if (!connection->broken && !outgoing_is_sent(outgoing)) {
        start_send(reactor, connection);
        return;
    }
    if (!connection->broken) {
        land(reactor, connection);
    }
    reactor_settle(reactor, connection);
}

void connection_progressed(struct reactor *reactor, struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline_can_run(pipeline) || (pipeline->stalled && !pipeline_is_blocked(pipeline))) {
        reactor_ready(reactor, connection);
    }
    reactor_settle(reactor, connection);
}

/* Whatever the verbosity, since somebody may be trying passwords; but he shall not fill the disk:
 * without -v one line a second. */
static void log_failed_logins(struct reactor *reactor, struct connection *connection) {
    char address[STATS_ADDRESS_MAX];
    reactor->wrong_logins += connection->pipeline.logins_failed;
    connection->pipeline.logins_failed = 0;
    if (!is_logged(reactor) && reactor->wrong_login_s == reactor->shard.now) {
        return;
    }
    reactor->wrong_login_s = reactor->shard.now;
    write_peer(connection, address);
    log_add(&reactor->shard.log, connection->descriptor,
            "wrong login from %s, %u on this reactor since the last line", address,
            reactor->wrong_logins);
    reactor->wrong_logins = 0;
}

void connection_ran(struct reactor *reactor, struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->logins_failed > 0) {
        log_failed_logins(reactor, connection);
    }
    if (pipeline_can_run(pipeline) || pipeline->scan_yields) {
        reactor_ready(reactor, connection);
    } else if (pipeline->stalled && !pipeline_is_blocked(pipeline)) {
        reactor_wait(reactor, connection);
    }
    reactor_settle(reactor, connection);
}

/* The end of a turn. */

static bool is_finished(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    bool input_used_up = connection->ended && !pipeline->stalled && !connection->is_ready;
    return (pipeline->closing || input_used_up) && !pipeline->first &&
           pipeline->output.length == 0 && outgoing_is_empty(&connection->outgoing);
}

static const char *reason_to_finish(const struct reactor *reactor,
                                    const struct connection *connection) {
    if (connection->pipeline.protocol_error) {
        return "what came is beyond the protocol";
    }
    if (connection->pipeline.closing) {
        return "it said quit";
    }
    return reactor->stopping ? "the server stops" : "its client has closed";
}

/* What it holds of the stores is given back before it is gone; the kernel has to be through with it
 * first. */
static void settle_broken(struct reactor *reactor, struct connection *connection) {
    if (!connection->shut) {
        shutdown(connection->descriptor, SHUT_RDWR);
    }
    connection->shut = true;
    if (connection->receiving || connection->sending) {
        return;
    }
    bool landed = outgoing_release(&connection->outgoing, &reactor->shard);
    if (pipeline_abort(&connection->pipeline, &reactor->shard) && landed) {
        destroy(reactor, connection);
    } else {
        reactor_wait(reactor, connection);
    }
}

void connection_settle(struct reactor *reactor, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    if (!pipeline_pause(pipeline, &reactor->shard) || pipeline->out_of_memory) {
        starve(reactor, connection);
    }
    give_buffer_back(reactor, connection);
    if (!connection->broken && has_arrived(connection)) {
        land(reactor, connection);
    }
    if (!connection->broken) {
        send_output(reactor, connection);
    }
    if (is_finished(connection)) {
        mark_broken(connection, reason_to_finish(reactor, connection)); /* in order */
    }
    if (connection->broken) {
        settle_broken(reactor, connection);
        return;
    }
    if (may_receive(connection)) {
        start_receive(reactor, connection);
    }
    if (pipeline_wants_memory(pipeline)) {
        reactor_beg(reactor, connection);
    }
}
