#include "scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "core/base/clock.h"
#include "engine.h"
#include "server.h"
#include "sockets.h"

/* Nobody may wait for longer than this for anything but time; and for time not longer than that. */
#define STEPS_WITHOUT_PROGRESS_MAX 30000000
#define IDLE_NS_MAX ((uint64_t)400 * 1000000000)

/* Steps in which nothing could be done, before all are asked in turn. */
#define TRIES_MAX 24

/* Of time that passes at once while nobody can do anything. */
#define LEAP_NS_MAX ((uint64_t)10 * 1000000000)

/* Of a suspend. */
#define SUSPEND_NS_MAX ((uint64_t)8 * 1000000000)

/* Rounds in a row in which nobody could do anything, and no time is set when anyone could. */
#define LOST_ROUNDS_MAX 200

__attribute__((noreturn)) static void fail_waiting(const struct world *world) {
    for (uint32_t i = 0; i < world->choices.clients; i++) {
        char text[400];
        client_describe(world->clients[i], text, sizeof(text));
        printf("# %s\n", text);
    }
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        const struct engine *engine = world->engines[i];
        printf("# reactor %u: %s, %u operations, woken %d, wakes %u\n", i,
               engine->waiting ? "sleeps" : "runs", engine->operation_count, engine->woken,
               engine->wakes_coming);
    }
    sockets_print(world);
    world_fail(world, "somebody waits for ever: nothing has gone ahead since step %llu",
               (unsigned long long)world->progress_step);
}

static bool step_reactor(struct world *world) {
    uint32_t reactor = random_below(&world->random, world->choices.reactors);
    struct engine *engine = world->engines[reactor];
    if (world->step < engine->stands_until && !world->settled) {
        return false;
    }
    if (world_fault(world, world->choices.faults.reactor_stands)) {
        engine->stands_until = world->step + random_size(&world->random, 5000);
        return false;
    }
    return server_run(world, reactor);
}

static bool step_engine(struct world *world) {
    return engine_step(world->engines[random_below(&world->random, world->choices.reactors)]);
}

static bool step_client(struct world *world) {
    return client_step(world->clients[random_below(&world->random, world->choices.clients)]);
}

static bool step_some(struct world *world) {
    switch (random_below(&world->random, 8)) {
    case 0:
    case 1:
        return step_reactor(world);
    case 2:
    case 3:
    case 4:
        return step_engine(world);
    default:
        return step_client(world);
    }
}

/* Whatever can be done. A client that could do something is asked some times, since it picks what
 * it tries. */
static bool step_any(struct world *world) {
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        if (engine_step_any(world->engines[i]) || server_run(world, i)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < 12 * world->choices.clients; i++) {
        if (client_step(world->clients[i % world->choices.clients])) {
            return true;
        }
    }
    return false;
}

/* Ends of pauses that are counted in steps. */
static bool has_pause(const struct world *world) {
    for (uint32_t i = 0; i < world->choices.clients; i++) {
        const struct client *client = world->clients[i];
        if (client->state == CLIENT_TALKS && client->stalls_until > world->step) {
            return true;
        }
    }
    return false;
}

/* Nothing can be done now. */
static void leap(struct world *world) {
    uint64_t next_ns = server_deadline_ns(world);
    for (uint32_t i = 0; i < world->choices.clients; i++) {
        uint64_t client_ns = client_deadline_ns(world->clients[i]);
        next_ns = client_ns < next_ns ? client_ns : next_ns;
    }
    uint64_t told_ns = sockets_deadline_ns(world);
    next_ns = told_ns < next_ns ? told_ns : next_ns;
    if (next_ns == UINT64_MAX && !has_pause(world)) {
        if (++world->lost_rounds > LOST_ROUNDS_MAX) {
            fail_waiting(world);
        }
        return;
    }
    if (has_pause(world)) {
        world->step += 1000;
        next_ns = next_ns < world->now_ns + 1000000 ? next_ns : world->now_ns + 1000000;
    }
    if (next_ns > world->now_ns + LEAP_NS_MAX) {
        next_ns = world->now_ns + LEAP_NS_MAX;
    }
    if (next_ns > world->now_ns) {
        world->idle_ns += next_ns - world->now_ns;
        world->now_ns = next_ns;
    }
    world_note(world, "leaps", world->now_ns, 0, 0);
    if (world->idle_ns > IDLE_NS_MAX) {
        fail_waiting(world);
    }
}

/* The system is suspended: boot time alone goes on. */
static void suspend(struct world *world) {
    if (world->now_ns >= world->suspended_at_ns + CLOCK_TICK_NS) {
        world->suspended_before_ns = world->suspended_ns;
    }
    world->suspended_at_ns = world->now_ns;
    world->suspended_ns += random_next(&world->random) % SUSPEND_NS_MAX;
    world_note(world, "suspended", world->suspended_ns, 0, 0);
}

static void pass_time(struct world *world) {
    const struct choices *choices = &world->choices;
    world->now_ns += choices->step_ns;
    if (random_one_in(&world->random, 8192) && world_fault(world, choices->faults.time_leaps)) {
        suspend(world);
    }
    if (random_one_in(&world->random, 256) && world_fault(world, choices->faults.time_leaps)) {
        world->now_ns += random_next(&world->random) % (choices->leap_ns_max + 1);
        world->wall_s += (int64_t)random_below(&world->random, 2001) - 1000;
    }
}

static void scheduler_step(struct world *world) {
    for (uint32_t i = 0; i < TRIES_MAX; i++) {
        world->step++;
        pass_time(world);
        if (world->choices.renews_logins && random_one_in(&world->random, 500)) {
            server_renew_logins(world);
        }
        if (step_some(world)) {
            server_check_awake(world);
            return;
        }
    }
    if (!step_any(world)) {
        leap(world);
    }
    server_check_awake(world);
    if (world->step - world->progress_step > STEPS_WITHOUT_PROGRESS_MAX) {
        fail_waiting(world);
    }
}

static bool clients_are_done(const struct world *world) {
    for (uint32_t i = 0; i < world->choices.clients; i++) {
        if (world->clients[i]->state != CLIENT_DONE) {
            return false;
        }
    }
    return true;
}

static void run_clients(struct world *world) {
    uint64_t stop_step =
        world->choices.stops_early ? random_size(&world->random, 20000) : UINT64_MAX;
    while (!clients_are_done(world) && world->step < stop_step) {
        scheduler_step(world);
    }
}

/* All goes well from here on, so that whatever is left comes to its end. */
static void settle(struct world *world) {
    if (clients_are_done(world) && !world->stopping) {
        world->settled = true;
        world_progress(world);
        while (!server_is_idle(world)) {
            scheduler_step(world);
        }
        server_check_idle(world);
    }
    world_progress(world);
    server_stop(world);
    while (!server_has_ended(world)) {
        scheduler_step(world);
    }
}

void scheduler_run(struct world *world) {
    sockets_create(world);
    server_start(world);
    for (uint32_t i = 0; i < world->choices.clients; i++) {
        world->clients[i] = client_create(world, i);
    }
    run_clients(world);
    settle(world);
    server_finish(world);
    for (uint32_t i = 0; i < world->choices.clients; i++) {
        client_destroy(world->clients[i]);
    }
    sockets_destroy(world);
}
