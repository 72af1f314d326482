#include "server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/base/facts.h"
#include "core/mesh/mesh.h"
#include "core/net/acceptor.h"
#include "core/net/tls.h"
#include "core/pipeline/check.h"
#include "core/server/reactor.h"
#include "engine.h"
#include "kernel.h"
#include "secure.h"
#include "sockets.h"
#include "store/check.h"

#define LISTENERS_SIMULATED 2

struct simulated_server {
    struct config config;
    struct server_facts facts;
    struct reactor_group group;
    struct net_peer peers[WORLD_REACTORS_MAX];
    struct reactor *reactors;
    struct shard *shards[WORLD_REACTORS_MAX];
    struct reactor_config reactor_configs[WORLD_REACTORS_MAX];
    struct engine_place places[WORLD_REACTORS_MAX];
    struct fiber fibers[WORLD_REACTORS_MAX];
    uint32_t turns_to_check[WORLD_REACTORS_MAX]; /* before all of a store is looked at */
    struct mesh *mesh;
    struct tls_shared *tls;
    struct logins *logins;
    struct listeners listeners;
    struct acceptor acceptor;
    struct completion signalled;
    bool signal;
};

/* Starting. */

static struct config server_config(const struct choices *choices) {
    return (struct config){
        .cores = choices->reactors,
        .port = 11211,
        .listeners_given = true,
        .backlog = 1024,
        .connections_max = choices->connections_max,
        .binding = (enum binding_protocol)choices->binding,
        .memory_bytes = choices->memory_bytes * choices->reactors,
        .item_bytes_max = choices->item_bytes_max,
        .no_eviction = choices->no_eviction,
        .no_cas = choices->no_cas,
        .no_flush = choices->no_flush,
        .no_dump = choices->no_dump,
        .shutdown_enabled = choices->shutdown_enabled,
        .sasl = choices->logins,
        .verbosity = choices->verbosity,
        .turn_requests = choices->turn_requests,
        .idle_timeout_s = choices->idle_timeout_s,
        .prefix_delimiter = '.',
        .crawler_sleep_us = 100,
        .watcher_buffer_kib = 256,
        .watch_lines_kib = 64,
        .ring_capacity = choices->ring_capacity,
        .spin_us = choices->spin_us,
    };
}

/* The users are in a file that only has a descriptor. */
static struct logins *server_read_logins(const struct world *world) {
    static const char users[] = "anna:secret\nbert:other\n";
    char path[64], problem[400];
    int descriptor = memfd_create("users", MFD_CLOEXEC);
    WORLD_CHECK(world, write(descriptor, users, sizeof(users) - 1) == sizeof(users) - 1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    struct logins *logins = logins_read(path, NULL, problem, sizeof(problem));
    close(descriptor);
    WORLD_CHECK(world, logins);
    return logins;
}

/* What the product allocates is counted, and may fail. */
static bool server_enter_product(struct world *world, bool in_product) {
    bool before = world->in_reactor;
    world->in_reactor = in_product;
    return before;
}

static void server_signalled(void *owner, struct completion *completion, int result,
                             unsigned flags) {
    struct net *net = owner;
    struct reactor *reactor = container_of(net, struct reactor, net);
    (void)completion;
    (void)flags;
    assert(result >= 0);
    reactor_order_stop(reactor);
}

/* The command shutdown. */
static void server_stop_asked(void *context, bool at_once) {
    (void)at_once;
    struct world *world = context;
    WORLD_CHECK(world, world->choices.shutdown_enabled);
    world->server->signal = true;
}

static void server_open_listeners(struct world *world, struct simulated_server *server) {
    server->listeners.count = LISTENERS_SIMULATED;
    for (uint32_t i = 0; i < LISTENERS_SIMULATED; i++) {
        struct listener *listener = &server->listeners.all[i];
        listener->descriptor = sockets_listen(world);
        listener->port = 11211;
        listener->transport = world->tls ? TRANSPORT_TLS : TRANSPORT_PLAIN;
        strcpy(listener->name, "simulated");
    }
    acceptor_init(&server->acceptor, &server->listeners);
}

static void server_prepare_reactor(struct world *world, uint32_t id) {
    struct simulated_server *server = world->server;
    server->places[id] = (struct engine_place){.world = world, .reactor = id};
    server->reactor_configs[id] = (struct reactor_config){
        .id = id,
        .group = &server->group,
        .facts = &server->facts,
        .seed = world->seed,
        .memory_bytes_max = server->config.memory_bytes * 2,
        .logins = server->logins,
        .mesh = server->mesh,
        .shards = server->shards,
        .clock = &clock_system,
        .engine = world->epoll ? &kernel_engine : &simulated_engine,
        .engine_context = &server->places[id],
        .acceptor = id == 0 ? &server->acceptor : NULL,
        .tls = tls_of_reactor(server->tls, id),
        .signals = id == 0 ? SIGNALS_DESCRIPTOR : -1,
        .signalled = &server->signalled,
        .stop_asked = server_stop_asked,
        .context = world,
    };
    bool before = server_enter_product(world, true);
    int error = reactor_init(&server->reactors[id], &server->reactor_configs[id]);
    server_enter_product(world, before);
    if (error) {
        world_fail(world, "reactor %u does not start: %s", id, server->reactors[id].start_failure);
    }
}

static void server_start_tls(struct world *world) {
    struct simulated_server *server = world->server;
    char problem[TLS_PROBLEM_BYTES] = "";
    secure_seed(world);
    server->config.tls = (struct tls_config){.enabled = true,
                                             .key_format = TLS_KEY_PEM,
                                             .min_version = TLS_VERSION_1_2,
                                             .handshake_timeout_s = 10};
    secure_files_init(world, &server->config.tls);
    bool before = server_enter_product(world, true);
    server->tls = tls_shared_create(&server->config.tls, &clock_system, world->start_ns,
                                    world->choices.reactors, problem);
    server_enter_product(world, before);
    if (!server->tls) {
        world_fail(world, "TLS does not start: %s", problem);
    }
    server->facts.tls = tls_shared_facts(server->tls);
}

static void server_run_reactor(void *argument) {
    reactor_run(argument);
}

void server_start(struct world *world) {
    struct simulated_server *server = calloc(1, sizeof(*server));
    uint32_t reactors = world->choices.reactors;
    size_t bytes = reactors * sizeof(*server->reactors);
    world->server = server;
    world->settled = true; /* no faults before it runs */
    server->config = server_config(&world->choices);
    server->facts = (struct server_facts){.config = &server->config,
                                          .version = "simulated",
                                          .start_ns = world->start_ns,
                                          .start_boot_ns = world->start_ns};
    server->logins = world->choices.logins ? server_read_logins(world) : NULL;
    if (world->tls) {
        server_start_tls(world);
    }
    server->signalled.done = server_signalled;
    server->group.count = reactors;
    server->group.peers = server->peers;
    WORLD_CHECK(world, posix_memalign((void **)&server->reactors, CACHE_LINE_BYTES, bytes) == 0);
    memset(server->reactors, 0, bytes);
    WORLD_CHECK(world, mesh_create(&server->mesh, reactors, world->choices.ring_capacity) == 0);
    server_open_listeners(world, server);
    for (uint32_t i = 0; i < reactors; i++) {
        server->shards[i] = &server->reactors[i].net.shard;
    }
    for (uint32_t i = 0; i < reactors; i++) {
        server_prepare_reactor(world, i);
        WORLD_CHECK(world,
                    fiber_init(&server->fibers[i], server_run_reactor, &server->reactors[i]));
        world->engines[i]->fiber = &server->fibers[i];
        world->holders[i] = i;
    }
    world->settled = false;
}

/* Running. */

bool server_run(struct world *world, uint32_t reactor) {
    struct simulated_server *server = world->server;
    struct engine *engine = world->engines[reactor];
    if (server->fibers[reactor].finished || !engine_is_runnable(engine)) {
        return false;
    }
    world->turns++;
    world->running = reactor;
    world_note(world, "runs", reactor, engine->arrived_count, engine->in_turn);
    server_enter_product(world, true);
    fiber_resume(&server->fibers[reactor]);
    server_enter_product(world, false);
    return true;
}

uint64_t server_deadline_ns(const struct world *world) {
    uint64_t deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        const struct engine *engine = world->engines[i];
        if (engine->waiting && engine->deadline_ns < deadline_ns &&
            !world->server->fibers[i].finished) {
            deadline_ns = engine->deadline_ns;
        }
    }
    return deadline_ns;
}

void server_stop(struct world *world) {
    world_note(world, "stops", 0, 0, 0);
    world->stopping = true;
    world->server->signal = true;
}

void server_renew_logins(struct world *world) {
    bool before = server_enter_product(world, true);
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        struct logins *copy = logins_copy(world->server->logins);
        if (copy) {
            shard_renew_logins(world->server->shards[i], copy);
        }
    }
    server_enter_product(world, before);
}

bool server_is_readable(const struct world *world, int descriptor) {
    return descriptor == SIGNALS_DESCRIPTOR && server_has_signal(world);
}

bool server_has_signal(const struct world *world) {
    return world->server->signal;
}

bool server_has_ended(const struct world *world) {
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        if (!world->server->fibers[i].finished) {
            return false;
        }
    }
    return true;
}

uint32_t server_oldest_tick(const struct world *world) {
    uint64_t oldest_ns = world->now_ns;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        const struct engine *engine = world->engines[i];
        if (engine->in_turn && engine->turn_ns < oldest_ns) {
            oldest_ns = engine->turn_ns;
        }
    }
    bool is_old = oldest_ns < world->suspended_at_ns + CLOCK_TICK_NS;
    uint64_t suspended_ns = is_old ? world->suspended_before_ns : world->suspended_ns;
    return clock_tick((int64_t)(oldest_ns + suspended_ns - world->start_ns));
}

/* Checks. */

void server_check_turn(struct world *world, uint32_t id) {
    struct simulated_server *server = world->server;
    const struct reactor *reactor = &server->reactors[id];
    const struct shard *shard = &reactor->net.shard;
    const struct connection *connection;
    reactor_check(reactor);
    shard_check(shard);
    for (uint32_t i = 0; i < world->choices.reactors && world->choices.reactors > 1; i++) {
        WORLD_CHECK(world, world->holders[i] != id); /* not across an enter */
    }
    LIST_FOREACH(connection, &reactor->net.connections, all_link) {
        pipeline_check(&connection->pipeline, shard, &connection->outgoing);
    }
    if (server->turns_to_check[id]-- == 0) {
        server->turns_to_check[id] = random_size(&world->random, world->choices.check_every);
        store_check(shard->keys.store);
    }
}

void server_check_awake(const struct world *world) {
    const struct simulated_server *server = world->server;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        if (world->engines[i]->in_turn) {
            return;
        }
    }
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        if (!server->fibers[i].finished) {
            const struct shard *shard = server->shards[i];
            const struct keyspace *keys = &shard->keys;
            bool must_plan = keys->maintaining || crawler_is_late(keys, &shard->settings);
            WORLD_CHECK(world, world->choices.reactors == 1 ||
                                   !lending_is_lent(mesh_lending(shard->port)));
            engine_check_awake(world->engines[i], mesh_has_work(shard->port) ||
                                                      (must_plan && world->choices.reactors > 1));
        }
    }
}

bool server_is_idle(const struct world *world) {
    const struct simulated_server *server = world->server;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        const struct net *net = &server->reactors[i].net;
        if (!LIST_EMPTY(&net->connections) || mesh_outstanding(net->shard.port) > 0 ||
            world->engines[i]->in_turn) {
            return false;
        }
    }
    return sockets_open(world) == 0;
}

uint32_t server_find_port(const struct world *world, const struct mesh_port *port) {
    uint32_t i = 0;
    while (mesh_port(world->server->mesh, i) != port) {
        i++;
        WORLD_CHECK(world, i < world->choices.reactors);
    }
    return i;
}

uint32_t server_find_lending(const struct world *world, const struct lending *lending) {
    uint32_t i = 0;
    while (mesh_lending(mesh_port(world->server->mesh, i)) != lending) {
        i++;
        WORLD_CHECK(world, i < world->choices.reactors);
    }
    return i;
}

uint32_t server_find_store(const struct world *world, const struct store *store) {
    uint32_t i = 0;
    while (world->server->shards[i]->keys.store != store) {
        i++;
        WORLD_CHECK(world, i < world->choices.reactors);
    }
    return i;
}

/* By our own count, too. */
static void check_messages(const struct world *world, const struct shard *shard, uint32_t id) {
    WORLD_CHECK(world, shard->messages.out == 0 && shard->messages.wides_free == world->wides);
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        WORLD_CHECK(world, credit_used(&world->credits[id][i]) == 0);
    }
}

static void check_nothing_held(struct world *world, uint32_t id) {
    const struct shard *shard = &world->server->reactors[id].net.shard;
    struct store_stats stats;
    store_stats(shard->keys.store, &stats);
    WORLD_CHECK(world, stats.uploads == 0);
    WORLD_CHECK(world, stats.upload_reserved_bytes == 0);
    WORLD_CHECK(world, stats.leases == 0);
    WORLD_CHECK(world, stats.leased_bytes == 0);
    WORLD_CHECK(world, stats.pinned_bytes == 0);
    check_messages(world, shard, id);
    WORLD_CHECK(world, shard->uploads == 0);
    WORLD_CHECK(world, shard->leases == 0);
    WORLD_CHECK(world, shard->buffers.bytes == shard->buffers.free_count * BUFFER_STANDARD_BYTES);
    WORLD_CHECK(world, shard->counters.curr_connections == 0);
    WORLD_CHECK(world, engine_lent(world->engines[id]) == 0);
    store_check(shard->keys.store);
}

void server_check_idle(struct world *world) {
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        check_nothing_held(world, i);
    }
}

/* Ending. */

void server_finish(struct world *world) {
    struct simulated_server *server = world->server;
    uint32_t reactors = world->choices.reactors;
    if (!world->was_reset) {
        world->evictions = server_evictions(world);
        world->refusals = server_refusals(world);
        world->kicks = server_kicks(world);
        world->moves = server_moves(world);
    }
    server_enter_product(world, true);
    world->ended = true;
    for (uint32_t i = 0; i < reactors; i++) {
        reactor_close(&server->reactors[i]);
    }
    for (uint32_t i = 0; i < reactors; i++) {
        reactor_finish(&server->reactors[i]);
    }
    tls_shared_destroy(server->tls);
    server_enter_product(world, false);
    if (world->tls) {
        secure_files_finish(&server->config.tls);
    }
    if (wrap_blocks() != 0) {
        world_fail(world, "%lld blocks of memory are not freed", (long long)wrap_blocks());
    }
    WORLD_CHECK(world, sockets_open(world) == 0);
    for (uint32_t i = 0; i < reactors; i++) {
        fiber_finish(&server->fibers[i]);
    }
    logins_free(server->logins);
    mesh_destroy(server->mesh);
    free(server->reactors);
    free(server);
    world->server = NULL;
}

/* Sums. */

/* Once statistics have been reset anything may have been counted before. */
uint64_t server_evictions(const struct world *world) {
    uint64_t sum = world->was_reset ? world->step : 0;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        struct store_stats stats;
        store_stats(world->server->shards[i]->keys.store, &stats);
        sum += stats.evictions;
    }
    return sum;
}

uint64_t server_refusals(const struct world *world) {
    uint64_t sum = world->was_reset ? world->step : 0;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        const struct shard *shard = world->server->shards[i];
        struct store_stats stats;
        store_stats(shard->keys.store, &stats);
        sum += shard->keys.counters.store_no_memory + shard->counters.store_no_memory +
               stats.out_of_memory;
    }
    return sum;
}

uint64_t server_kicks(const struct world *world) {
    uint64_t sum = world->was_reset ? UINT32_MAX : 0;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        const struct counters *counters = &world->server->shards[i]->counters;
        sum += counters->idle_kicks + counters->stall_kicks + counters->ssl_handshake_timeouts;
    }
    return sum;
}

uint64_t server_malloc_fails(const struct world *world) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        sum += world->server->shards[i]->counters.malloc_fails;
    }
    return sum;
}

bool server_has_refused_leases(const struct world *world) {
    bool has = false;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        has = has || atomic_load(&world->server->shards[i]->keys.refused_ns) > 0;
    }
    return has;
}

uint32_t server_value_length_max(const struct world *world, uint32_t key_length) {
    return store_value_length_max(world->server->shards[0]->keys.store, key_length);
}

uint64_t server_moves(const struct world *world) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        sum += world->server->shards[i]->counters.conn_moves;
    }
    return sum;
}
