#include "core/net/acceptor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/server.h"

/* After running out of descriptors or memory, before the next try. */
#define RETRY_NS 20000000

static struct reactor *first_reactor(struct acceptor *acceptor) {
    return &acceptor->server->reactors[0];
}

static void start_accept(struct acceptor *acceptor, struct listener *listener) {
    struct io_uring_sqe *entry = uring_entry(&first_reactor(acceptor)->uring);
    io_uring_prep_multishot_accept(entry, listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
    reactor_mark(entry, COMPLETION_ACCEPT, listener);
}

void acceptor_start(struct acceptor *acceptor, struct server *server) {
    acceptor->server = server;
    first_reactor(acceptor)->shard.counters.accepting_conns = 1;
    for (uint32_t i = 0; i < server->listeners.count; i++) {
        start_accept(acceptor, &server->listeners.all[i]);
    }
}

/* What waits in the kernel for a socket that goes on listening would take who connects next. */
static void cancel_accept(struct acceptor *acceptor, struct listener *listener) {
    struct io_uring_sqe *entry = uring_entry(&first_reactor(acceptor)->uring);
    io_uring_prep_cancel64(entry, (uintptr_t)listener | COMPLETION_ACCEPT, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    reactor_mark(entry, COMPLETION_ACCEPT, listener);
}

void acceptor_stop(struct acceptor *acceptor) {
    struct listeners *listeners = &acceptor->server->listeners;
    acceptor->stopped = true;
    for (uint32_t i = 0; i < listeners->count; i++) {
        if (listeners->all[i].activated) {
            cancel_accept(acceptor, &listeners->all[i]);
        }
    }
    listeners_close(listeners);
}

static uint64_t open_connections(const struct acceptor *acceptor, uint32_t reactor) {
    const struct reactor *owner = &acceptor->server->reactors[reactor];
    return acceptor->given[reactor] -
           atomic_load_explicit(&owner->connections_ended, memory_order_relaxed);
}

static uint64_t all_open_connections(const struct acceptor *acceptor) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < acceptor->server->config->cores; i++) {
        sum += open_connections(acceptor, i);
    }
    return sum;
}

/* The reactor with the fewest connections among those that a message can be sent to; reactor 0
 * needs none. */
static uint32_t choose_reactor(const struct acceptor *acceptor) {
    const struct shard *shard = &acceptor->server->reactors[0].shard;
    uint32_t best = 0;
    if (!shard_has_spare_message(shard)) {
        return best;
    }
    for (uint32_t i = 1; i < acceptor->server->config->cores; i++) {
        if (open_connections(acceptor, i) < open_connections(acceptor, best) &&
            mesh_has_credit(shard->port, i)) {
            best = i;
        }
    }
    return best;
}

static void hand_over(struct acceptor *acceptor, int descriptor) {
    struct reactor *reactor = first_reactor(acceptor);
    uint32_t chosen = choose_reactor(acceptor);
    acceptor->given[chosen]++;
    if (chosen == 0) {
        connection_open(reactor, descriptor);
        return;
    }
    struct message *message = message_take(&reactor->shard.messages);
    message->kind = MESSAGE_CONNECTION;
    message->complete = shard_give_message;
    message->descriptor = descriptor;
    mesh_send_request(reactor->shard.port, chosen, message);
}

/* As memcached does: the client is told and let go. */
static void reject(struct acceptor *acceptor, int descriptor) {
    struct shard *shard = &first_reactor(acceptor)->shard;
    static const char text[] = "ERROR Too many open connections\r\n";
    send(descriptor, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(descriptor);
    shard->counters.rejected_connections++;
    if (shard->settings.verbosity >= LOG_CONNECTIONS) {
        log_add(&shard->log, descriptor, "refused: %u connections are open (-c)",
                acceptor->server->config->connections_max);
    }
}

static void pause_accept(struct acceptor *acceptor, struct listener *listener, int error) {
    /* The kernel reads it when the entry is submitted, at the end of this turn. */
    static const struct __kernel_timespec pause = {.tv_nsec = RETRY_NS};
    struct reactor *reactor = first_reactor(acceptor);
    reactor->shard.counters.listen_disabled_num++;
    acceptor->paused_ns = reactor->shard.now_ns;
    reactor->shard.counters.accepting_conns = 0;
    if (reactor->shard.settings.verbosity >= LOG_CONNECTIONS) {
        log_add(&reactor->shard.log, LOG_NO_CONNECTION, "can't accept on %s: %s; trying again",
                listener->name, strerror(-error));
    }
    struct io_uring_sqe *entry = uring_entry(&reactor->uring);
    io_uring_prep_timeout(entry, (struct __kernel_timespec *)&pause, 0, 0);
    reactor_mark(entry, COMPLETION_ACCEPT_RETRY, listener);
}

void acceptor_retry(struct acceptor *acceptor, struct listener *listener) {
    struct reactor *reactor = first_reactor(acceptor);
    reactor->shard.counters.accepting_conns = 1;
    reactor->shard.counters.time_in_listen_disabled_us +=
        (reactor->shard.now_ns - acceptor->paused_ns) / 1000;
    if (!acceptor->stopped) {
        start_accept(acceptor, listener);
    }
}

void acceptor_accepted(struct acceptor *acceptor, struct listener *listener, int result,
                       unsigned flags) {
    if (result >= 0) {
        if (acceptor->stopped) {
            close(result);
        } else if (all_open_connections(acceptor) >= acceptor->server->config->connections_max) {
            reject(acceptor, result);
        } else {
            hand_over(acceptor, result);
        }
    }
    if (acceptor->stopped || (flags & IORING_CQE_F_MORE)) {
        return;
    }
    bool client_gone = result == -ECONNABORTED || result == -EINTR || result == -EPROTO;
    if (result >= 0 || client_gone) {
        start_accept(acceptor, listener);
    } else {
        pause_accept(acceptor, listener, result);
    }
}
