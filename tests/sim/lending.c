/* Who has each shard, by our own count, and not by the word that tells the reactors: no two have
 * one, none has one in the kernel, and what belongs to its keys is touched by nobody else. A
 * reactor that has one, or is about to, may stand still for many turns of the others, as one does
 * that is preempted. */
#include "core/mesh/lending.h"

#include "core/shard/commands.h"
#include "core/shard/execute.h"
#include "engine.h"
#include "lending.h"
#include "server.h"

bool __real_lending_take_or_want(struct lending *lending);
void __real_lending_free(struct lending *lending);
bool __real_lending_borrow(struct lending *lending);
bool __real_lending_is_wanted(const struct lending *lending);
bool __real_lending_return(struct lending *lending);
void __real_lending_return_wanted(struct lending *lending);
bool __real_mesh_claim_wake(struct mesh *mesh, uint32_t shard);
bool __real_mesh_may_sleep(struct mesh_port *port);
void __real_command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                        struct result *result);
bool __real_store_maintain(struct store *store, uint32_t now);
void __real_store_lease_end(struct store *store, uint64_t large);
void __real_store_upload_cancel(struct store *store, uint64_t upload);
uint32_t __real_store_upload_window(struct store *store, uint64_t upload, uint32_t now,
                                    char **bytes);
bool __wrap_lending_take_or_want(struct lending *lending);
void __wrap_lending_free(struct lending *lending);
bool __wrap_lending_borrow(struct lending *lending);
bool __wrap_lending_is_wanted(const struct lending *lending);
bool __wrap_lending_return(struct lending *lending);
void __wrap_lending_return_wanted(struct lending *lending);
bool __wrap_mesh_claim_wake(struct mesh *mesh, uint32_t shard);
bool __wrap_mesh_may_sleep(struct mesh_port *port);
void __wrap_command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                        struct result *result);
bool __wrap_store_maintain(struct store *store, uint32_t now);
void __wrap_store_lease_end(struct store *store, uint64_t large);
void __wrap_store_upload_cancel(struct store *store, uint64_t upload);
uint32_t __wrap_store_upload_window(struct store *store, uint64_t upload, uint32_t now,
                                    char **bytes);

void lending_pause(struct world *world) {
    struct engine *engine = world->engines[world->running];
    if (!world_fault(world, world->choices.faults.lending_stands)) {
        return;
    }
    if (random_one_in(&world->random, 2)) {
        engine->stands_until = world->step + random_size(&world->random, 5000);
    }
    engine_yield(engine);
}

/* Word. */

static void lending_has(struct world *world, const struct lending *lending, bool has) {
    uint32_t *holder = &world->holders[server_find_lending(world, lending)];
    WORLD_CHECK(world, *holder == (has ? WORLD_NO_HOLDER : world->running));
    *holder = has ? world->running : WORLD_NO_HOLDER;
}

bool __wrap_lending_take_or_want(struct lending *lending) {
    struct world *world = wrap_current();
    WORLD_CHECK(world, server_find_lending(world, lending) == world->running);
    lending_pause(world);
    bool taken = __real_lending_take_or_want(lending);
    if (taken) {
        lending_has(world, lending, true);
    }
    lending_pause(world);
    return taken;
}

void __wrap_lending_free(struct lending *lending) {
    struct world *world = wrap_current();
    WORLD_CHECK(world, server_find_lending(world, lending) == world->running);
    lending_pause(world);
    lending_has(world, lending, false);
    __real_lending_free(lending);
    lending_pause(world);
}

bool __wrap_lending_borrow(struct lending *lending) {
    struct world *world = wrap_current();
    WORLD_CHECK(world, server_find_lending(world, lending) != world->running);
    lending_pause(world);
    bool borrowed = __real_lending_borrow(lending);
    if (borrowed) {
        world->borrows++;
        lending_has(world, lending, true);
    }
    lending_pause(world);
    return borrowed;
}

bool __wrap_lending_is_wanted(const struct lending *lending) {
    lending_pause(wrap_current());
    return __real_lending_is_wanted(lending);
}

bool __wrap_lending_return(struct lending *lending) {
    struct world *world = wrap_current();
    lending_pause(world);
    lending_has(world, lending, false);
    bool wanted = __real_lending_return(lending);
    lending_pause(world);
    return wanted;
}

void __wrap_lending_return_wanted(struct lending *lending) {
    struct world *world = wrap_current();
    lending_pause(world);
    lending_has(world, lending, false);
    __real_lending_return_wanted(lending);
    lending_pause(world);
}

bool __wrap_mesh_claim_wake(struct mesh *mesh, uint32_t shard) {
    lending_pause(wrap_current());
    return __real_mesh_claim_wake(mesh, shard);
}

bool __wrap_mesh_may_sleep(struct mesh_port *port) {
    struct world *world = wrap_current();
    lending_pause(world);
    bool may_sleep = __real_mesh_may_sleep(port);
    lending_pause(world);
    return may_sleep;
}

/* Keys. A client's view of the store is taken by the simulation, outside of all reactors. */

static void lending_check_keys(const struct world *world, uint32_t shard) {
    WORLD_CHECK(world,
                !world->in_reactor || world->ended || world->holders[shard] == world->running);
}

static void lending_check_store(const struct store *store) {
    const struct world *world = wrap_current();
    if (world && world->in_reactor && !world->ended) {
        lending_check_keys(world, server_find_store(world, store));
    }
}

void __wrap_command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                        struct result *result) {
    lending_check_keys(wrap_current(), keys->id);
    __real_command_run(keys, request, hash, result);
}

bool __wrap_store_maintain(struct store *store, uint32_t now) {
    lending_check_store(store);
    return __real_store_maintain(store, now);
}

void __wrap_store_lease_end(struct store *store, uint64_t large) {
    lending_check_store(store);
    __real_store_lease_end(store, large);
}

void __wrap_store_upload_cancel(struct store *store, uint64_t upload) {
    lending_check_store(store);
    __real_store_upload_cancel(store, upload);
}

uint32_t __wrap_store_upload_window(struct store *store, uint64_t upload, uint32_t now,
                                    char **bytes) {
    lending_check_store(store);
    return __real_store_upload_window(store, upload, now, bytes);
}
