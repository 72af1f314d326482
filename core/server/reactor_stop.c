/* The end of a reactor: what is in flight is answered, up to a time, and all reactors wait for the
 * last of them, since each may still owe others replies. */
#include "core/net/acceptor.h"
#include "core/net/connection.h"
#include "core/net/udp.h"
#include "core/server/reactor.h"

void reactor_order_stop(struct reactor *reactor) {
    struct reactor_group *group = reactor->group;
    struct net *net = &reactor->net;
    if (atomic_load(&group->stopping)) {
        return;
    }
    acceptor_stop(net->acceptor, net);
    atomic_store(&group->stopping, true);
    for (uint32_t i = 0; i < group->count; i++) {
        if (i != net->shard.id && mesh_claim_wake(reactor->mesh, i)) {
            net_wake(net, i);
        }
    }
}

static void reactor_begin_stop(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct connection *connection;
    net->stopping = true;
    reactor->stop_deadline_ns = net->shard.now_ns + REACTOR_DRAIN_NS_MAX;
    LIST_FOREACH(connection, &net->connections, all_link) {
        connection_drain(net, connection);
    }
    if (net->udp) {
        udp_stop(net->udp);
    }
}

static void reactor_break_all(struct reactor *reactor) {
    struct net *net = &reactor->net;
    struct connection *connection;
    LIST_FOREACH(connection, &net->connections, all_link) {
        connection_break(net, connection, "the server stops");
    }
    if (net->udp) {
        udp_break(net->udp);
    }
}

/* A connection accepted just before the order to stop may arrive by message after the reactor has
 * counted itself drained. The count is taken back before the reply to that message is published:
 * until then the sender is not drained, so the group does not end meanwhile. */
void reactor_note_late_connection(struct reactor *reactor) {
    if (reactor->drained && !LIST_EMPTY(&reactor->net.connections)) {
        reactor->drained = false;
        atomic_fetch_sub(&reactor->group->drained, 1);
    }
}

/* No connection is left here, and no message is out that may carry one to another reactor. */
static bool reactor_is_drained(const struct reactor *reactor) {
    const struct net *net = &reactor->net;
    return LIST_EMPTY(&net->connections) && udp_is_stopped(net->udp) &&
           mesh_outstanding(net->shard.port) == 0;
}

bool reactor_stops(struct reactor *reactor) {
    struct reactor_group *group = reactor->group;
    struct net *net = &reactor->net;
    /* One more turn at least: what had been accepted before the order may be among the completions
     * that the engine has and nobody has taken. */
    if (!net->stopping) {
        reactor_begin_stop(reactor);
        return false;
    }
    if (net->shard.now_ns > reactor->stop_deadline_ns) {
        reactor_break_all(reactor);
    }
    if (!reactor->drained && reactor_is_drained(reactor)) {
        reactor->drained = true;
        atomic_fetch_add(&group->drained, 1);
    }
    return atomic_load(&group->drained) == group->count;
}
