#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/io/io.h"

/* Most seeds have this one at 0. */
static uint32_t pick_fault(struct random *random, uint32_t most) {
    return random_one_in(random, 3) ? random_size(random, most) : 0;
}

static void choose_faults(struct world *world) {
    struct random *random = &world->random;
    struct faults *faults = &world->choices.faults;
    if (random_one_in(random, 4)) {
        return; /* all goes well */
    }
    *faults = (struct faults){
        .receive_short = pick_fault(random, 1024),
        .receive_again = pick_fault(random, 256),
        .receive_broken = pick_fault(random, 8),
        .send_short = pick_fault(random, 1024),
        .send_again = pick_fault(random, 256),
        .send_broken = pick_fault(random, 8),
        .accept_refused = pick_fault(random, 512),
        .accept_ends = pick_fault(random, 512),
        .client_vanishes = pick_fault(random, 32),
        .client_stalls = pick_fault(random, 32),
        .reactor_stands = pick_fault(random, 64),
        .yields = pick_fault(random, 256),
        .lending_stands = pick_fault(random, 256),
        .time_leaps = pick_fault(random, 64),
    };
    faults->malloc_fails = random_one_in(random, 10) ? random_size(random, 512) : 0;
}

static void choose_memory(struct world *world) {
    struct random *random = &world->random;
    struct choices *choices = &world->choices;
    static const uint32_t items[] = {1u << 20, 1u << 20, 40u << 10, 200u << 10, 4u << 20};
    choices->ample = random_one_in(random, 2);
    choices->crowded = !choices->ample && random_one_in(random, 2);
    choices->item_bytes_max = items[random_below(random, 5)];
    choices->no_eviction = random_one_in(random, 5);
    choices->memory_bytes = (size_t)1 << 20;
    if (choices->ample) {
        choices->memory_bytes = (size_t)64 << 20;
    } else if (random_one_in(random, 2)) {
        choices->memory_bytes = (size_t)random_between(random, 1, 8) << 20;
    }
    /* Long values are few, so that seeds stay short. */
    static const uint32_t values[] = {100, 1000, 20000, 20000, 100000, 1500000};
    choices->value_bytes_max = values[random_below(random, 6)];
}

/* So much is stored that the memory is full. */
static void choose_crowd(struct random *random, struct choices *choices) {
    static const uint32_t values[] = {2000, 20000, 60000, 200000};
    choices->memory_bytes = (size_t)random_between(random, 1, 2) << 20;
    choices->reactors = random_between(random, 1, 3);
    choices->value_bytes_max = values[random_below(random, 4)];
    choices->operations = random_between(random, 40, 150);
    choices->connections = 1;
    choices->keys = random_between(random, 20, 100);
    choices->clients = random_between(random, 3, WORLD_CLIENTS_MAX);
    choices->stream_bytes = random_between(random, 16384, 1 << 18);
    choices->fragment_bytes = random_between(random, 4096, 1 << 16);
}

static void choose_clients(struct world *world) {
    struct random *random = &world->random;
    struct choices *choices = &world->choices;
    choices->clients = random_between(random, 1, WORLD_CLIENTS_MAX);
    choices->connections = random_between(random, 1, 3);
    choices->operations = random_size(random, 120);
    choices->stream_bytes = 64 + random_size(random, 1 << 17);
    choices->fragment_bytes = random_size(random, 1 << 16);
    if (choices->value_bytes_max > 1000) {
        choices->stream_bytes += 4096;
        choices->fragment_bytes += 1024;
    }
    if (choices->value_bytes_max > 20000) {
        choices->stream_bytes += 16384;
        choices->fragment_bytes += 4096;
        choices->operations = choices->operations / 3 + 1;
    }
    choices->pipelined = random_size(random, 128);
    choices->keys = random_size(random, 40);
    if (choices->crowded) {
        choose_crowd(random, choices);
    }
    choices->flushes = random_one_in(random, 4);
    choices->keys = choices->renews_items ? random_between(random, 1, 3) : choices->keys;
    choices->scans = random_one_in(random, 3);
    choices->expires = random_one_in(random, 2);
}

static void choose_options(struct random *random, struct choices *choices) {
    choices->no_cas = random_one_in(random, 10);
    choices->no_flush = random_one_in(random, 8);
    choices->no_dump = random_one_in(random, 8);
    choices->binding = random_one_in(random, 8) ? (uint8_t)random_between(random, 1, 2) : 0;
    choices->administers = random_one_in(random, 4);
    choices->shutdown_enabled = random_one_in(random, 6);
    choices->resets = random_one_in(random, 3);
    choices->crawler_switches = random_one_in(random, 3);
    choices->renews_logins = choices->logins && random_one_in(random, 2);
    choices->renews_items = random_one_in(random, 6);
    choices->log_full = random_one_in(random, 3);
}

/* Half of the seeds have so little that they run out of it again and again. */
static void choose_bounds(struct random *random, struct choices *choices) {
    choices->wides = random_one_in(random, 2) ? random_between(random, 5, 16) : 0;
    choices->scarce_bytes = random_one_in(random, 2) ? random_size(random, 200000) : 0;
}

static void choose(struct world *world) {
    struct random *random = &world->random;
    struct choices *choices = &world->choices;
    choices->reactors = random_between(random, 1, WORLD_REACTORS_MAX);
    choices->ring_capacity = 1u << random_below(random, 9);
    choices->logins = random_one_in(random, 6);
    choices->turn_requests = random_one_in(random, 3) ? random_size(random, 64) : 128;
    choose_options(random, choices);
    choices->spin_us = random_one_in(random, 5) ? random_size(random, 20) : 0;
    choices->connections_max =
        random_one_in(random, 8) ? random_between(random, 1, WORLD_CLIENTS_MAX) : 64;
    choices->verbosity = random_one_in(random, 10) ? random_below(random, 3) : 0;
    choices->buffers = random_one_in(random, 3) ? random_between(random, 1, 4) : IO_BUFFERS;
    choices->stops_early = random_one_in(random, 8);
    choices->step_ns = random_size(random, 20000);
    choices->check_every = random_between(random, 20, 400);
    choose_memory(world);
    choose_clients(world);
    world->choices.moves = random_one_in(&world->random, 2) ? random_size(&world->random, 1024) : 0;
    choose_faults(world);
    choices->leap_ns_max = (uint64_t)random_size(random, 4000) * 1000000;
    choices->idle_timeout_s = random_one_in(random, 6) ? random_between(random, 2, 20) : 0;
    choose_bounds(random, choices);
}

void world_init(struct world *world, uint64_t seed, bool trace) {
    *world = (struct world){.seed = seed, .trace = trace, .hash = 0xcbf29ce484222325u};
    world->random.state = seed * 0xd1342543de82ef95u + 0x632be59bd9b4e019u;
    choose(world);
    world->now_ns = 1000000000000u + random_next(&world->random) % 1000000000000u;
    world->start_ns = world->now_ns;
    world->wall_s = 1700000000 + (int64_t)random_below(&world->random, 100000000);
}

static void mix(struct world *world, uint64_t number) {
    world->hash = (world->hash ^ number) * 0x100000001b3u;
    world->hash ^= world->hash >> 29;
}

void world_note(struct world *world, const char *what, uint64_t a, uint64_t b, uint64_t c) {
    mix(world, (uint64_t)(unsigned char)what[0] << 8 | (unsigned char)what[1]);
    mix(world, a);
    mix(world, b);
    mix(world, c);
    if (world->trace) {
        fprintf(stderr, "%8llu %14.6f ms  %-12s %llx %lld %lld\n", (unsigned long long)world->step,
                (double)(world->now_ns - world->start_ns) / 1e6, what, (unsigned long long)a,
                (long long)b, (long long)c);
    }
}

void world_progress(struct world *world) {
    world->progress_step = world->step;
    world->idle_ns = 0;
    world->lost_rounds = 0;
}

uint32_t world_tick(const struct world *world) {
    return clock_tick((int64_t)(world->now_ns + world->suspended_ns - world->start_ns));
}

void world_fail(const struct world *world, const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    printf("# seed %llu, step %llu, tick %u: ", (unsigned long long)world->seed,
           (unsigned long long)world->step, world_tick(world));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n# again: simulation%s%s --seed %llu [--trace]\nnot ok 1 - seed %llu\n",
           world->tls ? " --tls" : "", world->epoll ? " --epoll" : "",
           (unsigned long long)world->seed, (unsigned long long)world->seed);
    fflush(stdout);
    exit(EXIT_FAILURE);
}
