#include "core/net/connection_list.h"

#include <string.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/net/udp.h"
#include "core/server/server.h"
#include "core/stats/connection.h"

/* The cursor: below the number of listeners the next one's; above that the connections with lower
 * serials are still to come, newest first. */
#define CURSOR_NEWEST UINT64_MAX

/* Of a packet of the binary protocol. */
#define HEADER_BYTES 24

static void put(struct chunk *chunk, const struct request *request,
                struct stats_connection *shown) {
    struct sockaddr_storage peer = {0}, local = {0};
    shown->peer = &peer;
    shown->local = &local;
    shown->peer_length = shown->local_length = sizeof(peer);
    if (getpeername(shown->descriptor, (struct sockaddr *)&peer, &shown->peer_length) != 0) {
        shown->peer_length = 0;
    }
    if (getsockname(shown->descriptor, (struct sockaddr *)&local, &shown->local_length) != 0) {
        shown->local_length = 0;
    }
    chunk->length += stats_connection_write(chunk->bytes + chunk->length, request, shown);
}

/* Whether a command's line, or a packet's header, is there as a whole. */
static bool has_header(const struct pipeline *pipeline) {
    const struct buffer *input = &pipeline->input;
    if (pipeline->parser.protocol == PROTOCOL_BINARY) {
        return input->length >= HEADER_BYTES;
    }
    return input->length > 0 && memchr(input->bytes, '\n', input->length);
}

static enum stats_connection_state state_of(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->closing) {
        return STATS_CONNECTION_CLOSING;
    }
    if (pipeline_output_full(pipeline)) {
        return STATS_CONNECTION_WRITE;
    }
    if (pipeline->stalled || connection->is_ready || connection->is_waiting) {
        return STATS_CONNECTION_PARSE;
    }
    if (!outgoing_is_empty(&connection->outgoing)) {
        return STATS_CONNECTION_WRITE;
    }
    if (pipeline->parser.protocol == PROTOCOL_UNKNOWN) {
        return STATS_CONNECTION_NEW_COMMAND;
    }
    if (pipeline->parser.skip > 0) {
        return STATS_CONNECTION_SWALLOW;
    }
    return pipeline->upload || has_header(pipeline) ? STATS_CONNECTION_VALUE
                                                    : STATS_CONNECTION_READ;
}

static struct stats_connection show_listener(const struct reactor *reactor, uint64_t number) {
    const struct listeners *streams = &reactor->server->listeners;
    const struct listeners *datagrams = &reactor->server->udp_sockets;
    if (number < streams->count) {
        return (struct stats_connection){
            .descriptor = streams->all[number].descriptor,
            .state = STATS_CONNECTION_LISTENING,
            .idle_s = reactor->shard.now - CLOCK_FIRST_SECOND,
        };
    }
    return (struct stats_connection){
        .descriptor = datagrams->all[number - streams->count].descriptor,
        .udp = true,
        .state = STATS_CONNECTION_READ,
        .idle_s = reactor->shard.now - udp_last_command_s(reactor->udp),
    };
}

static bool list_listeners(const struct reactor *reactor, const struct request *request,
                           uint64_t *cursor, struct chunk *chunk) {
    const struct server *server = reactor->server;
    for (; *cursor < server->listeners.count + server->udp_sockets.count; ++*cursor) {
        struct stats_connection shown = show_listener(reactor, *cursor);
        if (!chunk_has_room(chunk, STATS_CONNECTION_MAX)) {
            return true;
        }
        put(chunk, request, &shown);
    }
    return false;
}

bool connection_list(void *context, const struct request *request, uint64_t *cursor,
                     struct chunk *chunk) {
    const struct reactor *reactor = context;
    const struct connection *connection;
    if (*cursor < CONNECTION_SERIAL_FIRST) {
        if (reactor->acceptor && list_listeners(reactor, request, cursor, chunk)) {
            return true;
        }
        *cursor = CURSOR_NEWEST;
    }
    LIST_FOREACH(connection, &reactor->connections, all_link) {
        if (connection->serial >= *cursor) {
            continue;
        }
        struct stats_connection shown = {
            .descriptor = connection->descriptor,
            .state = state_of(connection),
            .idle_s = reactor->shard.now - connection->last_command_s,
        };
        if (!chunk_has_room(chunk, STATS_CONNECTION_MAX)) {
            return true;
        }
        put(chunk, request, &shown);
        *cursor = connection->serial;
    }
    return false;
}
