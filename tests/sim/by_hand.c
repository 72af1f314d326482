#include "by_hand.h"

#include <stdlib.h>

#include "core/mesh/message.h"
#include "engine.h"
#include "server.h"

static void by_hand_start(struct world *world) {
    wrap_world(world);
    sockets_create(world);
    server_start(world);
}

/* With choices that a test may change before it starts. */
static struct world *by_hand_prepare(uint32_t reactors) {
    struct world *world = malloc(sizeof(*world));
    world_init(world, 1, false);
    world->choices = (struct choices){
        .reactors = reactors,
        .ring_capacity = 4,
        .memory_bytes = (size_t)1 << 20,
        .item_bytes_max = 100000,
        .turn_requests = 128,
        .connections_max = 10,
        .buffers = 8,
        .stream_bytes = 4096,
        .step_ns = 1000,
        .check_every = 1,
    };
    return world;
}

struct world *by_hand_create(uint32_t reactors, uint32_t idle_timeout_s) {
    struct world *world = by_hand_prepare(reactors);
    world->choices.idle_timeout_s = idle_timeout_s;
    by_hand_start(world);
    return world;
}

struct world *by_hand_create_scarce(void) {
    struct world *world = by_hand_prepare(1);
    world->choices.scarce_bytes = 1;
    world->choices.stream_bytes = (size_t)64 << 10;
    by_hand_start(world);
    return world;
}

struct world *by_hand_create_narrow(void) {
    struct world *world = by_hand_prepare(2);
    world->choices.ring_capacity = 1;
    world->choices.wides = MESSAGE_WIDES_SPARE + 1;
    by_hand_start(world);
    return world;
}

struct world *by_hand_create_tls(void) {
    struct world *world = by_hand_prepare(1);
    world->choices.memory_bytes = (size_t)8 << 20;
    world->choices.stream_bytes = (size_t)64 << 10;
    world->tls = true;
    by_hand_start(world);
    return world;
}

void by_hand_destroy(struct world *world) {
    server_finish(world);
    sockets_destroy(world);
    wrap_world(NULL);
    free(world);
}

void by_hand_run(struct world *world, uint32_t reactor) {
    for (int i = 0; i < 20; i++) {
        world->now_ns += world->choices.step_ns;
        server_run(world, reactor);
    }
}

void by_hand_serve(struct world *world, uint32_t reactor) {
    for (int i = 0; i < 40; i++) {
        while (engine_step_any(world->engines[reactor])) {
        }
        by_hand_run(world, reactor);
    }
}

size_t by_hand_read(struct socket *socket, char *bytes, size_t most) {
    size_t length = 0;
    long count;
    while (length < most && (count = socket_read(socket, bytes + length, most - length)) > 0) {
        length += (size_t)count;
    }
    return length;
}
