#include "core/net/acceptor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/base/log.h"
#include "core/net/connection.h"
#include "core/net/net.h"

/* Pause before the next accept, after one that failed for want of descriptors or memory. */
#define ACCEPT_RETRY_NS 20000000

static bool acceptor_is_logged(const struct net *net) {
    return net->shard.settings.verbosity >= LOG_CONNECTIONS;
}

static void acceptor_hand_over(struct acceptor *acceptor, struct net *net, int descriptor,
                               enum transport transport) {
    uint32_t chosen = placement_take(&acceptor->placement, net);
    if (chosen == net->shard.id) {
        connection_open(net, descriptor, transport);
        return;
    }
    struct message *message = message_take(&net->shard.messages);
    message->kind = MESSAGE_CONNECTION;
    message->complete = shard_give_message;
    message->descriptor = descriptor;
    message->transport = (uint8_t)transport;
    mesh_send_request(net->shard.port, chosen, message);
}

/* As memcached does: the client gets one line, which no TLS client would understand, and its
 * connection is closed. */
static void acceptor_refuse(struct net *net, int descriptor, enum transport transport) {
    static const char text[] = "ERROR Too many open connections\r\n";
    io_refuse(net->io, descriptor, text, transport == TRANSPORT_PLAIN ? sizeof(text) - 1 : 0);
    net->shard.counters.rejected_connections++;
    if (acceptor_is_logged(net)) {
        log_add(&net->shard.log, descriptor, "refused: %u connections are open (-c)",
                net->shard.facts->config->connections_max);
    }
}

static void acceptor_take(struct acceptor *acceptor, struct net *net, int descriptor,
                          enum transport transport) {
    uint64_t open = placement_open(&acceptor->placement, net);
    if (acceptor->stopped) {
        io_close_socket(net->io, descriptor);
    } else if (open >= net->shard.facts->config->connections_max) {
        acceptor_refuse(net, descriptor, transport);
    } else {
        acceptor_hand_over(acceptor, net, descriptor, transport);
    }
}

static void acceptor_pause(struct acceptor *acceptor, struct net *net, struct listener *listener,
                           int error) {
    net->shard.counters.listen_disabled_num++;
    acceptor->paused_ns = net->shard.now_ns;
    net->shard.counters.accepting_conns = 0;
    if (acceptor_is_logged(net)) {
        log_add(&net->shard.log, LOG_NO_CONNECTION, "can't accept on %s: %s; trying again",
                listener->name, strerror(-error));
    }
    timer_set(&net->timers, &listener->retry, net->shard.now_ns + ACCEPT_RETRY_NS);
}

static void acceptor_retry(void *owner, struct timer *timer) {
    struct net *net = owner;
    struct acceptor *acceptor = net->acceptor;
    struct listener *listener = container_of(timer, struct listener, retry);
    net->shard.counters.accepting_conns = 1;
    net->shard.counters.time_in_listen_disabled_us +=
        (net->shard.now_ns - acceptor->paused_ns) / 1000;
    if (!acceptor->stopped) {
        io_accept(net->io, listener->descriptor, &listener->event);
    }
}

static void acceptor_accepted(void *owner, struct completion *completion, int result,
                              unsigned flags) {
    struct net *net = owner;
    struct acceptor *acceptor = net->acceptor;
    struct listener *listener = container_of(completion, struct listener, event);
    if (result >= 0) {
        acceptor_take(acceptor, net, result, listener->transport);
    }
    if (acceptor->stopped || (flags & IO_MORE)) {
        return;
    }
    bool client_gone = result == -ECONNABORTED || result == -EINTR || result == -EPROTO;
    if (result >= 0 || client_gone) {
        io_accept(net->io, listener->descriptor, completion);
    } else {
        acceptor_pause(acceptor, net, listener, result);
    }
}

void acceptor_init(struct acceptor *acceptor, struct listeners *listeners) {
    *acceptor = (struct acceptor){.listeners = listeners};
}

void acceptor_start(struct acceptor *acceptor, struct net *net) {
    assert(net->acceptor == acceptor);
    net->shard.counters.accepting_conns = 1;
    for (uint32_t i = 0; i < acceptor->listeners->count; i++) {
        struct listener *listener = &acceptor->listeners->all[i];
        listener->event.done = acceptor_accepted;
        listener->retry.expired = acceptor_retry;
        io_accept(net->io, listener->descriptor, &listener->event);
    }
}

/* A pending accept would take the next client of a socket that goes on listening after us, and of a
 * closed one would use its number, which may be another thread's descriptor by then. */
void acceptor_stop(struct acceptor *acceptor, struct net *net) {
    struct listeners *listeners = acceptor->listeners;
    acceptor->stopped = true;
    for (uint32_t i = 0; i < listeners->count; i++) {
        io_cancel_accept(net->io, &listeners->all[i].event);
    }
    listeners_close(listeners);
}
