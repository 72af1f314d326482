#include "core/net/udp.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/container.h"
#include "core/base/log.h"
#include "core/net/connection.h"
#include "core/net/net.h"
#include "core/pipeline/timing.h"
#include "proto/reply.h"

/* Size of the receive buffer: more than any datagram holds. */
#define RECEIVE_BYTES 65536

#define PAYLOAD_BYTES_MAX (UDP_FRAME_BYTES_MAX - UDP_HEADER_BYTES)

/* A pipeline stops running requests when its output is full; with equal limits that means that the
 * answer is too long for UDP. */
/* NOLINTNEXTLINE(misc-redundant-expression): two macros, which are to stay equal */
_Static_assert(UDP_ANSWER_BYTES_MAX == PIPELINE_OUTPUT_BYTES_MAX,
               "full output is too long an answer");
_Static_assert(UDP_ANSWER_BYTES_MAX / PAYLOAD_BYTES_MAX < UINT16_MAX, "frames can be numbered");

struct datagram {
    struct connection connection; /* first, so that one is found from the other */
    unsigned char id[2];          /* of the request, as received */

    /* The address that it came from and the one that it was sent to; the answer swaps them. */
    struct msghdr route;
    struct sockaddr_storage peer;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp {
    struct net *net;
    struct listeners *sockets;
    bool polled[LISTENERS_MAX]; /* by socket: io_wait_readable() is under way */
    uint32_t last_command_s;
    struct connection_list working;
    struct connection_list free;
    struct datagram datagrams[UDP_DATAGRAMS_MAX];
    unsigned char received[RECEIVE_BYTES]; /* the datagram being received */
};

struct udp *udp_create(struct listeners *sockets) {
    struct udp *udp = calloc(1, sizeof(*udp));
    if (!udp) {
        return NULL;
    }
    udp->sockets = sockets;
    LIST_INIT(&udp->working);
    LIST_INIT(&udp->free);
    for (uint32_t i = 0; i < UDP_DATAGRAMS_MAX; i++) {
        LIST_INSERT_HEAD(&udp->free, &udp->datagrams[i].connection, all_link);
    }
    return udp;
}

void udp_destroy(struct udp *udp) {
    assert(!udp || LIST_EMPTY(&udp->working));
    free(udp);
}

const struct listeners *udp_sockets(const struct udp *udp) {
    return udp->sockets;
}

uint32_t udp_last_command_s(const struct udp *udp) {
    return udp->last_command_s;
}

/* Receiving. */

static completion_done udp_readable;

/* Waits for each socket to become readable, while there is a free datagram to receive into. */
static void udp_poll(struct udp *udp) {
    if (LIST_EMPTY(&udp->free) || udp->net->stopping) {
        return;
    }
    for (uint32_t i = 0; i < udp->sockets->count; i++) {
        if (udp->polled[i]) {
            continue;
        }
        struct listener *socket = &udp->sockets->all[i];
        io_wait_readable(udp->net->io, socket->descriptor, &socket->event);
        udp->polled[i] = true;
    }
}

void udp_start(struct udp *udp, struct net *net) {
    udp->net = net;
    udp->last_command_s = net->shard.now_s;
    for (uint32_t i = 0; i < udp->sockets->count; i++) {
        udp->sockets->all[i].event.done = udp_readable;
    }
    udp_poll(udp);
}

/* The answer must come from the address that was asked, but need not leave by the same interface.
 */
static void udp_forget_interface(struct msghdr *route) {
    struct cmsghdr *header = CMSG_FIRSTHDR(route);
    if (!header) {
        return;
    }
    if (header->cmsg_level == IPPROTO_IP) {
        ((struct in_pktinfo *)CMSG_DATA(header))->ipi_ifindex = 0;
    } else {
        ((struct in6_pktinfo *)CMSG_DATA(header))->ipi6_ifindex = 0;
    }
}

/* Takes a datagram out of the kernel's queue. Returns its length; negative when there is none. */
static ssize_t udp_take(struct udp *udp, const struct listener *socket, struct datagram *datagram) {
    struct iovec whole = {.iov_base = udp->received, .iov_len = sizeof(udp->received)};
    datagram->route = (struct msghdr){
        .msg_name = &datagram->peer,
        .msg_namelen = sizeof(datagram->peer),
        .msg_iov = &whole,
        .msg_iovlen = 1,
        .msg_control = datagram->control,
        .msg_controllen = sizeof(datagram->control),
    };
    ssize_t length = recvmsg(socket->descriptor, &datagram->route, MSG_DONTWAIT);
    if (length >= 0) {
        udp_forget_interface(&datagram->route);
    }
    return length;
}

/* An answer in one frame looks like a request, of which the answer begins like this. If it were
 * answered, two servers would go on for ever once a forged sender has brought them together. */
static bool udp_is_error(const unsigned char *bytes, size_t length) {
    static const char error[] = "ERROR";
    return length >= sizeof(error) - 1 && memcmp(bytes, error, sizeof(error) - 1) == 0;
}

/* As in memcached a request has to be whole in one datagram, anything else is dropped; sequence
 * number and reserved bytes are ignored. */
static bool udp_is_request(const unsigned char *bytes, size_t length) {
    return length > UDP_HEADER_BYTES && bytes[4] == 0 && bytes[5] == 1 &&
           !udp_is_error(bytes + UDP_HEADER_BYTES, length - UDP_HEADER_BYTES);
}

static void udp_begin(struct udp *udp, const struct listener *socket, struct datagram *datagram,
                      size_t length) {
    struct net *net = udp->net;
    struct connection *connection = &datagram->connection;
    const char *request = (const char *)udp->received + UDP_HEADER_BYTES;
    LIST_REMOVE(connection, all_link);
    connection_init(net, connection, socket->descriptor);
    connection->is_datagram = connection->pipeline.datagram = true;
    connection->pipeline.number = LOG_NO_CONNECTION;
    LIST_INSERT_HEAD(&udp->working, connection, all_link);
    memcpy(datagram->id, udp->received, sizeof(datagram->id));
    udp->last_command_s = net->shard.now_s;
    timing_arrived(&connection->pipeline, &net->shard);
    timing_may_be_late(&connection->pipeline); /* all replies go out together */
    if (pipeline_feed_copy(&connection->pipeline, &net->shard, request,
                           length - UDP_HEADER_BYTES)) {
        schedule_run(&net->schedule, &connection->scheduled);
    } else {
        connection->pipeline.out_of_memory = true;
    }
    schedule_end_turn(&net->schedule, &connection->scheduled);
}

/* False when the socket has no more for now. */
static bool udp_receive(struct udp *udp, const struct listener *socket) {
    _Static_assert(offsetof(struct datagram, connection) == 0, "one is the other's address");
    struct datagram *datagram = (struct datagram *)LIST_FIRST(&udp->free);
    ssize_t length = udp_take(udp, socket, datagram);
    if (length < 0) {
        return false;
    }
    udp->net->shard.counters.bytes_read += (uint64_t)length;
    if (udp_is_request(udp->received, (size_t)length)) {
        udp_begin(udp, socket, datagram, (size_t)length);
    }
    return true;
}

static void udp_readable(void *owner, struct completion *completion, int result, unsigned flags) {
    struct udp *udp = ((struct net *)owner)->udp;
    struct listener *socket = container_of(completion, struct listener, event);
    (void)result;
    (void)flags;
    udp->polled[socket - udp->sockets->all] = false;
    if (udp->net->stopping) {
        return;
    }
    for (uint32_t i = 0; i < UDP_DATAGRAMS_MAX && !LIST_EMPTY(&udp->free); i++) {
        if (!udp_receive(udp, socket)) {
            break;
        }
    }
    udp_poll(udp);
}

/* Answering. */

static void udp_put16(unsigned char *out, size_t number) {
    out[0] = (unsigned char)(number >> 8);
    out[1] = (unsigned char)number;
}

/* Sends the next part of an answer in a frame. False when it is lost, as the rest is then. */
static bool udp_send_frame(struct udp *udp, const struct datagram *datagram, size_t number,
                           size_t count) {
    const struct buffer *output = &datagram->connection.pipeline.output;
    size_t from = number * PAYLOAD_BYTES_MAX, left = output->length - from;
    unsigned char header[UDP_HEADER_BYTES] = {datagram->id[0], datagram->id[1]};
    udp_put16(header + 2, number);
    udp_put16(header + 4, count);
    struct iovec parts[] = {
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = output->bytes + from,
         .iov_len = left < PAYLOAD_BYTES_MAX ? left : PAYLOAD_BYTES_MAX},
    };
    struct msghdr frame = datagram->route;
    frame.msg_iov = parts;
    frame.msg_iovlen = sizeof(parts) / sizeof(*parts);
    ssize_t sent = sendmsg(datagram->connection.descriptor, &frame, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
        udp->net->shard.counters.bytes_written += (uint64_t)sent;
    }
    return sent > 0;
}

/* Without a reply (noreply, quiet commands) no datagram is sent. */
static void udp_answer(struct udp *udp, struct datagram *datagram) {
    struct pipeline *pipeline = &datagram->connection.pipeline;
    if (pipeline_output_exceeds(pipeline, PIPELINE_OUTPUT_BYTES_MAX + 1)) {
        pipeline->output.length =
            reply_replace_by_error(pipeline->output.bytes, pipeline->parser.protocol);
    }
    size_t count = (pipeline->output.length + PAYLOAD_BYTES_MAX - 1) / PAYLOAD_BYTES_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!udp_send_frame(udp, datagram, i, count)) {
            break;
        }
    }
}

/* Copies large values into the answer, at most one byte beyond its limit: that is enough to tell
 * that it is too long. False without memory. */
static bool udp_copy_leases(struct connection *connection, struct shard *shard) {
    struct outgoing *outgoing = &connection->outgoing;
    struct buffer *output = &connection->pipeline.output;
    size_t length = outgoing_bytes(outgoing);
    if (length > PIPELINE_OUTPUT_BYTES_MAX) {
        length = PIPELINE_OUTPUT_BYTES_MAX + 1;
    }
    if (!buffer_reserve(&shard->buffers, output, length)) {
        return false;
    }
    while (output->length < length) {
        struct iovec parts[OUTGOING_PARTS_MAX];
        int count = outgoing_gather(outgoing, shard, length - output->length, parts);
        size_t before = output->length;
        for (int i = 0; i < count; i++) {
            memcpy(output->bytes + output->length, parts[i].iov_base, parts[i].iov_len);
            output->length += parts[i].iov_len;
        }
        outgoing_advance(outgoing, shard, output->length - before);
    }
    return true;
}

/* Copies large values into the output and ends their leases. False while there is no credit for
 * that; output that has come meanwhile is left for the next call. */
static bool udp_copy_values(struct udp *udp, struct connection *connection) {
    struct shard *shard = &udp->net->shard;
    struct pipeline *pipeline = &connection->pipeline;
    struct outgoing *outgoing = &connection->outgoing;
    if (outgoing_is_empty(outgoing) && pipeline->leases.length == 0) {
        return true;
    }
    bool released = pipeline_release_output(pipeline, shard, outgoing);
    if (released && pipeline->leases.length > 0) {
        pipeline_take_output(pipeline, outgoing);
        if (!udp_copy_leases(connection, shard)) {
            pipeline->out_of_memory = true;
        }
        pipeline->sending = 0; /* all of it is output again */
        released = pipeline_release_output(pipeline, shard, outgoing);
    }
    if (released && pipeline->stalled &&
        !pipeline_output_exceeds(pipeline, PIPELINE_OUTPUT_BYTES_MAX + 1)) {
        schedule_run(&udp->net->schedule, &connection->scheduled);
    }
    return released;
}

/* True when no further request of the datagram will run. An incomplete command at its end stays
 * incomplete. */
static bool udp_is_through(const struct pipeline *pipeline) {
    return pipeline->wants_more || pipeline->closing || pipeline->out_of_memory ||
           pipeline_output_exceeds(pipeline, PIPELINE_OUTPUT_BYTES_MAX + 1);
}

static void udp_forget(struct udp *udp, struct connection *connection) {
    pipeline_finish(&connection->pipeline, &udp->net->shard);
    LIST_REMOVE(connection, all_link);
    schedule_remove(&udp->net->schedule, &connection->scheduled);
    LIST_INSERT_HEAD(&udp->free, connection, all_link);
    udp_poll(udp);
}

void udp_end_turn(struct udp *udp, struct connection *connection) {
    struct net *net = udp->net;
    struct pipeline *pipeline = &connection->pipeline;
    bool copied = udp_copy_values(udp, connection);
    if (!udp_is_through(pipeline) && !pipeline_pause(pipeline, &net->shard)) {
        pipeline->out_of_memory = true;
    }
    bool lost = connection_is_broken(connection) || pipeline->out_of_memory;
    if (copied && !lost && (!udp_is_through(pipeline) || pipeline->first)) {
        if (pipeline_polls(pipeline, &net->shard)) {
            schedule_retry(&net->schedule, &connection->scheduled);
        }
        return; /* replies or its turn will bring it here again */
    }
    if (copied && !lost && !pipeline->aborted) {
        timing_sent(pipeline, &net->shard);
        udp_answer(udp, (struct datagram *)connection);
    }
    if (copied && pipeline_abort(pipeline, &net->shard)) {
        udp_forget(udp, connection);
    } else {
        schedule_wait(&net->schedule, &connection->scheduled);
    }
}

/* The end. */

/* The shut-down makes a poll that waits in the kernel complete, though it says that the socket is
 * not connected; answers can still be sent. */
void udp_stop(struct udp *udp) {
    for (uint32_t i = 0; i < udp->sockets->count; i++) {
        io_shut_down(udp->net->io, udp->sockets->all[i].descriptor, SHUT_RD);
    }
}

bool udp_is_stopped(const struct udp *udp) {
    if (!udp) {
        return true;
    }
    for (uint32_t i = 0; i < udp->sockets->count; i++) {
        if (udp->polled[i]) {
            return false;
        }
    }
    return LIST_EMPTY(&udp->working);
}

void udp_break(struct udp *udp) {
    struct connection *connection;
    LIST_FOREACH(connection, &udp->working, all_link) {
        connection_break(udp->net, connection, "the server stops");
    }
}
