#include "core/net/connection_list.h"

#include <string.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/net/acceptor.h"
#include "core/net/connection.h"
#include "core/net/connection_log.h"
#include "core/net/net.h"
#include "core/net/tls_session.h"
#include "core/net/udp.h"
#include "core/stats/connection.h"

/* The cursor: below CONNECTION_SERIAL_FIRST the number of the next socket that listens; else the
 * connections with lower serials are still to come, newest first. */
#define CURSOR_NEWEST UINT64_MAX

static void connection_list_put(struct chunk *chunk, const struct request *request,
                                struct stats_connection *shown) {
    struct sockaddr_storage peer = {0}, local = {0};
    shown->peer = &peer;
    shown->local = &local;
    shown->peer_length = connection_log_peer(shown->descriptor, &peer);
    shown->local_length = sizeof(local);
    if (getsockname(shown->descriptor, (struct sockaddr *)&local, &shown->local_length) != 0) {
        shown->local_length = 0;
    }
    chunk->length += stats_connection_write(chunk->bytes + chunk->length, request, shown);
}

static enum stats_connection_state connection_list_state(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    if (pipeline->closing) {
        return STATS_CONNECTION_CLOSING;
    }
    if (pipeline->watching) {
        return STATS_CONNECTION_WATCH;
    }
    if (pipeline_output_exceeds(pipeline, PIPELINE_OUTPUT_BYTES_MAX + 1)) {
        return STATS_CONNECTION_WRITE;
    }
    if (pipeline->stalled || connection->scheduled.place != SCHEDULE_NOWHERE) {
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
    return pipeline->upload || parser_has_header(&pipeline->parser, pipeline->input.bytes,
                                                 pipeline->input.length)
               ? STATS_CONNECTION_VALUE
               : STATS_CONNECTION_READ;
}

/* The listening sockets come first, and then those of UDP; NULL: there is no such number. */
static const struct listener *connection_list_socket(const struct net *net, uint64_t number,
                                                     bool *is_udp) {
    const struct listeners *streams = net->acceptor->listeners;
    *is_udp = number >= streams->count;
    if (!*is_udp) {
        return &streams->all[number];
    }
    number -= streams->count;
    return net->udp && number < udp_sockets(net->udp)->count ? &udp_sockets(net->udp)->all[number]
                                                             : NULL;
}

static struct stats_connection connection_list_show(const struct net *net,
                                                    const struct listener *socket, bool is_udp) {
    uint32_t since_s = is_udp ? udp_last_command_s(net->udp) : CLOCK_FIRST_SECOND;
    return (struct stats_connection){
        .descriptor = socket->descriptor,
        .udp = is_udp,
        .state = is_udp ? STATS_CONNECTION_READ : STATS_CONNECTION_LISTENING,
        .idle_s = net->shard.now_s - since_s,
    };
}

/* False when all have been listed. */
static bool connection_list_sockets(const struct net *net, const struct request *request,
                                    uint64_t *cursor, struct chunk *chunk) {
    const struct listener *socket;
    bool is_udp;
    while ((socket = connection_list_socket(net, *cursor, &is_udp))) {
        struct stats_connection shown = connection_list_show(net, socket, is_udp);
        if (!chunk_has_space(chunk, STATS_CONNECTION_MAX)) {
            return true;
        }
        connection_list_put(chunk, request, &shown);
        ++*cursor;
    }
    return false;
}

static void connection_list_add_tls(const struct connection *connection,
                                    struct stats_connection *shown,
                                    char subject[STATS_SUBJECT_MAX]) {
    const struct tls_session *session = connection->tls;
    if (!session || session->state != TLS_OPEN) {
        return;
    }
    shown->tls_version = tls_session_version(session);
    shown->tls_cipher = tls_session_cipher(session);
    shown->tls_subject = subject;
    tls_session_subject(session, subject);
}

bool connection_list(void *context, const struct request *request, uint64_t *cursor,
                     struct chunk *chunk) {
    const struct net *net = context;
    const struct connection *connection;
    if (*cursor < CONNECTION_SERIAL_FIRST) {
        if (net->acceptor && connection_list_sockets(net, request, cursor, chunk)) {
            return true;
        }
        *cursor = CURSOR_NEWEST;
    }
    LIST_FOREACH(connection, &net->connections, all_link) {
        if (connection->serial >= *cursor) {
            continue;
        }
        struct stats_connection shown = {
            .descriptor = connection->descriptor,
            .state = connection_list_state(connection),
            .idle_s = net->shard.now_s - connection->last_command_s,
        };
        char subject[STATS_SUBJECT_MAX];
        if (!chunk_has_space(chunk, STATS_CONNECTION_MAX)) {
            return true;
        }
        connection_list_add_tls(connection, &shown, subject);
        connection_list_put(chunk, request, &shown);
        *cursor = connection->serial;
    }
    return false;
}
