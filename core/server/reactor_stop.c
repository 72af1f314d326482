/* The end of a reactor: what is in flight is answered, up to a time, and all reactors wait for the
 * last of them, since each may still owe others replies. */
#include "core/net/connection.h"
#include "core/net/udp.h"
#include "core/server/reactor.h"
#include "core/server/server.h"

static void begin_stop(struct reactor *reactor) {
    struct connection *connection;
    reactor->stopping = true;
    reactor->stop_deadline_ns = reactor->shard.now_ns + SERVER_DRAIN_NS_MAX;
    LIST_FOREACH(connection, &reactor->connections, all_link) {
        connection_drain(connection);
    }
    if (reactor->udp) {
        udp_stop(reactor->udp);
    }
}

static void break_all(struct reactor *reactor) {
    struct connection *connection;
    LIST_FOREACH(connection, &reactor->connections, all_link) {
        connection_break(reactor, connection, "the server stops");
    }
    if (reactor->udp) {
        udp_break(reactor->udp);
    }
}

bool reactor_is_stopped(struct reactor *reactor) {
    struct server *server = reactor->server;
    if (!reactor->stopping && atomic_load(&server->stopping)) {
        begin_stop(reactor);
    }
    if (!reactor->stopping) {
        return false;
    }
    if (reactor->shard.now_ns > reactor->stop_deadline_ns) {
        break_all(reactor);
    }
    if (!reactor->drained && LIST_EMPTY(&reactor->connections) && udp_is_stopped(reactor->udp)) {
        reactor->drained = true;
        atomic_fetch_add(&server->drained, 1);
    }
    return atomic_load(&server->drained) == server->config->cores;
}
