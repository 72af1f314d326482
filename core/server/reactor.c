#include "core/server/reactor.h"

#include <assert.h>
#include <errno.h>

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/net/acceptor.h"
#include "core/net/connection_list.h"
#include "core/net/udp.h"
#include "core/server/reactor_steps.h"

/* While stopping, reactors look at the state of their group this often. */
#define STOP_POLL_NS 10000000u

/* Preparing and freeing. */

static void reactor_open_connection(void *net, int descriptor) {
    connection_open(net, descriptor);
}

static void reactor_pipeline_progressed(void *net, struct pipeline *pipeline) {
    connection_progressed(net, container_of(pipeline, struct connection, pipeline));
}

static const struct shard_hooks reactor_hooks = {
    .progressed = reactor_pipeline_progressed,
    .open_connection = reactor_open_connection,
    .list_connections = connection_list,
};

static struct server_settings reactor_first_settings(const struct config *config) {
    return (struct server_settings){
        .memory_bytes = config->memory_bytes,
        .verbosity = config->verbosity,
        .lru_crawler = !config->no_crawler,
        .lru_crawler_sleep_us = config->crawler_sleep_us,
        .lru_crawler_tocrawl = config->crawler_items_max,
        .detail_enabled = config->detail_enabled,
    };
}

static int reactor_init_shard(struct reactor *reactor, const struct reactor_config *config,
                              struct logins *logins) {
    const struct config *options = config->facts->config;
    struct shard_config shard_config = {
        .id = config->id,
        .count = options->cores,
        .seed = config->seed,
        .memory_bytes = options->memory_bytes / options->cores,
        .memory_bytes_max = config->memory_bytes_max / options->cores,
        .settings = reactor_first_settings(options),
        .logins = logins,
        .item_bytes_max = options->item_bytes_max,
        .pipelines_max = options->connections_max + UDP_DATAGRAMS_MAX,
        .mesh = config->mesh,
        .all = config->shards,
        .facts = config->facts,
        .clock = config->clock,
    };
    int error = shard_init(&reactor->net.shard, &shard_config);
    if (error) {
        logins_free(logins);
        reactor->start_failure = "no memory for its part of -m and -c: give less, or raise the "
                                 "limit on addresses (ulimit -v, LimitAS=)";
        return error;
    }
    reactor->net.shard.hooks = &reactor_hooks;
    reactor->net.shard.reactor = &reactor->net;
    return 0;
}

static int reactor_open(struct reactor *reactor, const struct reactor_config *config) {
    struct logins *logins = config->logins ? logins_copy(config->logins) : NULL;
    if (config->logins && !logins) {
        reactor->start_failure = "no memory for the users";
        return -ENOMEM;
    }
    int error = reactor_init_shard(reactor, config, logins);
    if (error) {
        return error;
    }
    error = config->engine->open(&reactor->net.io, config->engine_context);
    if (error) {
        reactor->start_failure = config->engine->advice(error);
        shard_finish(&reactor->net.shard);
    }
    return error;
}

int reactor_init(struct reactor *reactor, const struct reactor_config *config) {
    assert(config->group->count == config->facts->config->cores);
    int error = reactor_open(reactor, config);
    if (error) {
        return error;
    }
    reactor->group = config->group;
    reactor->mesh = config->mesh;
    reactor->signals = config->signals;
    reactor->signalled = config->signalled;
    reactor->stop_asked = config->stop_asked;
    reactor->context = config->context;
    reactor->retry.expired = reactor_retry;
    reactor->net.acceptor = config->acceptor;
    reactor->net.udp = config->udp;
    net_init(&reactor->net, config->group->peers);
    config->group->peers[config->id].io = reactor->net.io;
    return 0;
}

void reactor_close(struct reactor *reactor) {
    struct io *io = reactor->net.io;
    io->engine->close(io);
}

void reactor_finish(struct reactor *reactor) {
    struct net *net = &reactor->net;
    while (!LIST_EMPTY(&net->connections)) {
        connection_abandon(net, LIST_FIRST(&net->connections));
    }
    shard_finish(&net->shard);
}

/* The steps of a turn that are one call. */

static void reactor_run_timers(struct reactor *reactor) {
    struct net *net = &reactor->net;
    timeouts_step(net);
    timers_run(&net->timers, net, net->shard.keys.now_ns);
}

static void reactor_crawl(struct reactor *reactor) {
    crawler_step(&reactor->net.shard.keys, &reactor->net.shard.settings,
                 reactor->net.shard.keys.now_ns);
}

static void reactor_flush_log(struct reactor *reactor) {
    log_flush(&reactor->net.shard.log);
}

static void reactor_maintain_store(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    shard->keys.maintaining = store_maintain(shard->keys.store, shard->keys.now);
}

/* How long each may wait; 0: it has more to do at once. */

static uint64_t reactor_requests_wait_ns(const struct reactor *reactor) {
    return TAILQ_EMPTY(&reactor->net.schedule.ready) ? UINT64_MAX : 0;
}

static uint64_t reactor_large_wait_ns(const struct reactor *reactor) {
    return TAILQ_EMPTY(&reactor->net.schedule.sending) ? UINT64_MAX : 0;
}

static uint64_t reactor_store_wait_ns(const struct reactor *reactor) {
    return reactor->net.shard.keys.maintaining ? 0 : UINT64_MAX;
}

static uint64_t reactor_timers_wait_ns(const struct reactor *reactor) {
    return timers_wait_ns(&reactor->net.timers, reactor->net.shard.keys.now_ns);
}

static uint64_t reactor_crawler_wait_ns(const struct reactor *reactor) {
    return crawler_wait_ns(&reactor->net.shard.keys, &reactor->net.shard.settings,
                           reactor->net.shard.keys.now_ns);
}

static uint64_t reactor_log_wait_ns(const struct reactor *reactor) {
    return log_wait_ns(&reactor->net.shard.log);
}

static uint64_t reactor_stop_wait_ns(const struct reactor *reactor) {
    return reactor->net.stopping ? STOP_POLL_NS : UINT64_MAX;
}

/* The turn. A step is done once in each turn; wait_ns tells how long the reactor may sleep on its
 * account, and is NULL where only the engine or another reactor can give it something to do. The
 * store comes last: what the turn has given back may be what it waits for. */
static const struct reactor_step {
    const char *name;
    void (*run)(struct reactor *reactor);
    uint64_t (*wait_ns)(const struct reactor *reactor);
} steps[] = {
    {"completions", reactor_take_completions, NULL},
    {"messages", reactor_exchange, NULL},
    {"requests", reactor_run_requests, reactor_requests_wait_ns},
    {"crawler", reactor_crawl, reactor_crawler_wait_ns},
    {"timers", reactor_run_timers, reactor_timers_wait_ns},
    {"stop", reactor_pass_stop, reactor_stop_wait_ns},
    {"ends of turns", reactor_end_turns, NULL},
    {"large values", reactor_send_large, reactor_large_wait_ns},
    {"publish", reactor_publish, NULL},
    {"log", reactor_flush_log, reactor_log_wait_ns},
    {"store", reactor_maintain_store, reactor_store_wait_ns},
};

#define STEPS (sizeof(steps) / sizeof(*steps))

static void reactor_run_steps(struct reactor *reactor) {
    reactor->net.shard.counters.reactor_turns++;
    for (size_t i = 0; i < STEPS; i++) {
        steps[i].run(reactor);
    }
}

static uint64_t reactor_wait_ns(const struct reactor *reactor) {
    uint64_t wait_ns = UINT64_MAX;
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t step_ns = steps[i].wait_ns ? steps[i].wait_ns(reactor) : UINT64_MAX;
        if (step_ns < wait_ns) {
            wait_ns = step_ns;
        }
    }
    return wait_ns;
}

/* Sleep. */

/* Tells the processor that this is a waiting loop, where it has a word for that. */
static void reactor_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Waits for the replies that are on their way for as long as a sleep and a wake would cost. True
 * when something has come. */
static bool reactor_spin(struct reactor *reactor) {
    struct net *net = &reactor->net;
    const struct clock *clock = net->shard.keys.clock;
    uint64_t spin_ns = (uint64_t)net->shard.facts->config->spin_us * 1000;
    uint64_t end_ns = clock_monotonic_ns(clock) + spin_ns;
    do {
        if (io_has_events(net->io) || mesh_has_arrivals(net->shard.port)) {
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

/* The end of a turn: submits what it has asked of the engine, and waits if there is nothing to do.
 */
static void reactor_enter(struct reactor *reactor) {
    struct net *net = &reactor->net;
    uint64_t wait_ns = reactor_wait_ns(reactor);
    if (wait_ns == 0) {
        io_enter(net->io, 0);
        return;
    }
    if (mesh_outstanding(net->shard.port) > 0 && net->shard.facts->config->spin_us > 0) {
        io_enter(net->io, 0);
        if (reactor_spin(reactor)) {
            return;
        }
    }
    reactor_sleep(reactor, wait_ns);
}

/* With debugtime the clock may be ahead or stand still, but it never runs backwards. */
static void reactor_read_clock(struct reactor *reactor) {
    struct shard *shard = &reactor->net.shard;
    shard->keys.now_ns = clock_monotonic_ns(shard->keys.clock);
    int64_t now = clock_store_seconds(shard->keys.now_ns, shard->facts->start_ns) +
                  shard->keys.debug_offset_s;
    if (!shard->keys.debug_paused && now > shard->keys.now) {
        shard->keys.now = (uint32_t)now;
    }
}

static void reactor_start(struct reactor *reactor) {
    struct net *net = &reactor->net;
    if (net->acceptor) {
        acceptor_start(net->acceptor, net);
    }
    if (reactor->signals >= 0) {
        io_wait_readable(net->io, reactor->signals, reactor->signalled);
    }
    if (net->udp) {
        udp_start(net->udp, net);
    }
}

void reactor_run(struct reactor *reactor) {
    reactor_read_clock(reactor);
    reactor_start(reactor);
    while (!reactor_is_stopped(reactor)) {
        reactor_run_steps(reactor);
        reactor_enter(reactor);
        reactor_read_clock(reactor);
    }
}

void reactor_check(const struct reactor *reactor) {
    const struct net *net = &reactor->net;
    const struct connection *connection;
    uint64_t connections = 0, outstanding = 0;
    schedule_check(&net->schedule);
    LIST_FOREACH(connection, &net->connections, all_link) {
        connection_check(connection);
        outstanding += connection->pipeline.outstanding;
        connections++;
    }
    assert(net->shard.counters.curr_connections == connections);
    assert(outstanding <= mesh_outstanding(net->shard.port));
}
