#include "core/net/connection_watch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>

#include "core/net/connection_log.h"
#include "core/net/connection_tls.h"

static bool connection_watch_is_on(const struct net *net) {
    return net->shard.watching && (net->shard.watch.streams & STREAM_CONNEVENTS);
}

/* As an address and a port; the text of a unix socket's is constant, since its clients have none.
 */
static unsigned connection_watch_place(const struct sockaddr_storage *peer,
                                       char text[INET6_ADDRSTRLEN]) {
    const struct sockaddr_in *ip4 = (const void *)peer;
    const struct sockaddr_in6 *ip6 = (const void *)peer;
    if (peer->ss_family == AF_INET) {
        inet_ntop(AF_INET, &ip4->sin_addr, text, INET6_ADDRSTRLEN);
        return ntohs(ip4->sin_port);
    }
    if (peer->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &ip6->sin6_addr, text, INET6_ADDRSTRLEN);
        return ntohs(ip6->sin6_port);
    }
    snprintf(text, INET6_ADDRSTRLEN, peer->ss_family == AF_UNIX ? "unix" : "unknown");
    return 0;
}

/* Writes the front of a line, up to the transport. Returns its end; NULL when there is no line. */
static char *connection_watch_begin(struct net *net, const struct connection *connection,
                                    const char *type) {
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    char text[INET6_ADDRSTRLEN];
    char *line = watch_begin(&net->shard, STREAM_CONNEVENTS);
    if (!line) {
        return NULL;
    }
    connection_log_peer(connection->descriptor, &peer);
    unsigned port = connection_watch_place(&peer, text);
    return line + snprintf(line, WATCH_LINE_BYTES_MAX, "type=%s rip=%s rport=%u transport=%s", type,
                           text, port, peer.ss_family == AF_UNIX ? "local" : "tcp");
}

void connection_watch_opened(struct net *net, const struct connection *connection) {
    if (!connection_watch_is_on(net)) {
        return;
    }
    char *line = connection_watch_begin(net, connection, "conn_new");
    if (line) {
        watch_end(&net->shard, line + sprintf(line, " cfd=%d\n", connection->descriptor));
    }
}

void connection_watch_finished(const struct net *net, struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    bool in_order =
        !pipeline->protocol_error && !pipeline->watching && !connection_tls_is_refused(connection);
    if (in_order && !connection_is_broken(connection)) {
        connection->end = net->stopping ? CONNECTION_END_SHUTDOWN : CONNECTION_END_NORMAL;
    }
}

static const char *connection_watch_reason(const struct connection *connection) {
    switch ((enum connection_end)connection->end) {
    case CONNECTION_END_ERROR:
        return "error";
    case CONNECTION_END_NORMAL:
        return "normal";
    case CONNECTION_END_IDLE:
        return "idle_timeout";
    case CONNECTION_END_SHUTDOWN:
        return "shutdown";
    }
    assert(!"an end without a name");
    return "";
}

void connection_watch_closed(struct net *net, const struct connection *connection) {
    if (!connection_watch_is_on(net)) {
        return;
    }
    char *line = connection_watch_begin(net, connection, "conn_close");
    if (line) {
        watch_end(&net->shard,
                  line + sprintf(line, " reason=%s cfd=%d\n", connection_watch_reason(connection),
                                 connection->descriptor));
    }
}

void connection_watch_tls_failed(struct net *net, const struct connection *connection) {
    char *line = connection_watch_is_on(net) ? watch_begin(&net->shard, STREAM_CONNEVENTS) : NULL;
    if (line) {
        watch_end(&net->shard, line + sprintf(line, "type=conntlserr fd=%d msg=%.512s\n",
                                              connection->descriptor, connection->tls->problem));
    }
}
