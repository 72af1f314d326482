/* The sleep of a reactor between two turns. */
#include "core/base/config.h"
#include "core/base/facts.h"
#include "core/net/tls_turn.h"
#include "core/server/reactor.h"

/* Tells the processor that this is a waiting loop, where it has a word for that. */
static void reactor_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Polls for what other reactors owe, replies or its own keys, for as long as a sleep and a wake
 * would cost. True when something has come, or a shard that requests wait for has come free. */
static bool reactor_spin(struct reactor *reactor) {
    struct net *net = &reactor->net;
    const struct clock *clock = net->shard.keys.clock;
    uint64_t spin_ns = (uint64_t)net->shard.facts->config->spin_us * 1000;
    uint64_t end_ns = clock_monotonic_ns(clock) + spin_ns;
    do {
        if (io_has_events(net->io) || mesh_has_work(net->shard.port) ||
            mesh_may_borrow(net->shard.port)) {
            return true;
        }
        reactor_relax();
    } while (clock_monotonic_ns(clock) < end_ns);
    return false;
}

/* The order to stop is given like a message: written first, then the sleepers are woken; so it is
 * looked at after the sleep was announced. */
static bool reactor_may_sleep(struct reactor *reactor) {
    struct mesh_port *port = reactor->net.shard.port;
    if (!mesh_may_sleep(port)) {
        return false;
    }
    if (reactor->net.stopping || !atomic_load(&reactor->group->stopping)) {
        return true;
    }
    mesh_awake(port);
    return false;
}

static void reactor_sleep(struct reactor *reactor, uint64_t wait_ns) {
    struct net *net = &reactor->net;
    if (!reactor_may_sleep(reactor)) {
        io_enter(net->io, 0);
        return;
    }
    net->shard.counters.reactor_sleeps++;
    io_enter(net->io, wait_ns);
    mesh_awake(net->shard.port);
}

/* Whether other reactors owe it replies, or its keys. */
static bool reactor_is_owed(const struct reactor *reactor) {
    struct mesh_port *port = reactor->net.shard.port;
    return reactor->net.shard.count > 1 &&
           (mesh_outstanding(port) > 0 || lending_is_wanted(mesh_lending(port)));
}

void reactor_enter(struct reactor *reactor, uint64_t wait_ns) {
    struct net *net = &reactor->net;
    struct shard *shard = &net->shard;
    answered_end_turn(&shard->answered, &shard->latency, shard->now_ns,
                      clock_monotonic_ns(shard->keys.clock));
    /* Last, since a handshake takes as long as hundreds of requests; others may execute those for
     * this reactor's keys meanwhile. */
    if (net->tls && tls_turn_end(net)) {
        wait_ns = 0;
    }
    if (wait_ns == 0) {
        io_enter(net->io, 0);
        return;
    }
    if (reactor_is_owed(reactor) && net->shard.facts->config->spin_us > 0) {
        io_enter(net->io, 0);
        if (reactor_spin(reactor)) {
            return;
        }
    }
    reactor_sleep(reactor, wait_ns);
}
