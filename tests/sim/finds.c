/* finds: what simulations have found, replayed step by step without chance. A seed does not stay
 * the same simulation when anything changes; these do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "server.h"
#include "sockets.h"
#include "world.h"

static struct world *world_create(uint32_t reactors) {
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
    wrap_world(world);
    sockets_create(world);
    server_start(world);
    return world;
}

static void world_destroy(struct world *world) {
    server_finish(world);
    sockets_destroy(world);
    wrap_world(NULL);
    free(world);
}

/* One reactor does whatever it can do by itself. */
static void run_reactor(struct world *world, uint32_t reactor) {
    for (int i = 0; i < 20; i++) {
        world->now_ns += world->choices.step_ns;
        server_run(world, reactor);
    }
}

/* And with its I/O. */
static void serve_reactor(struct world *world, uint32_t reactor) {
    for (int i = 0; i < 40; i++) {
        while (engine_step_any(world->engines[reactor])) {
        }
        run_reactor(world, reactor);
    }
}

/* Reads all that has come. */
static size_t read_all(struct socket *socket, char *bytes, size_t most) {
    size_t length = 0;
    long count;
    while (length < most && (count = socket_read(socket, bytes + length, most - length)) > 0) {
        length += (size_t)count;
    }
    return length;
}

/* The connection is accepted and the order to stop comes in the same turn of reactor 0, so the
 * connection is on its way to reactor 1 when that has none and counts itself as drained. Both ended
 * then with the connection open. */
static void test_connection_before_the_stop(void) {
    static const char answer[] = "VERSION simulated\r\n";
    char bytes[100];
    struct world *world = world_create(2);
    serve_reactor(world, 0);
    serve_reactor(world, 1);
    struct socket *first = socket_connect(world); /* reactor 0 has one: the next is 1's */
    serve_reactor(world, 0);
    struct socket *second = socket_connect(world);
    socket_write(second, "version\r\n", 9);
    while (engine_step_any(world->engines[0])) {
    }
    server_stop(world);
    while (engine_step_any(world->engines[0])) {
    }
    server_run(world, 0);
    engine_step_any(world->engines[1]); /* the wake */
    server_run(world, 1);               /* takes the order, then the message */
    serve_reactor(world, 0);            /* the first connection ends */
    world->now_ns += 20000000;
    run_reactor(world, 0); /* looks at the state of the others */
    run_reactor(world, 1);
    for (int i = 0; i < 100 && !server_has_ended(world); i++) {
        world->now_ns += 10000000;
        serve_reactor(world, 1);
        serve_reactor(world, 0);
    }
    WORLD_CHECK(world, server_has_ended(world));
    WORLD_CHECK(world, first->closed);
    WORLD_CHECK(world, second->closed);
    size_t length = read_all(second, bytes, sizeof(bytes));
    WORLD_CHECK(world, length == sizeof(answer) - 1);
    WORLD_CHECK(world, memcmp(bytes, answer, length) == 0);
    world_destroy(world);
}

int main(void) {
    printf("1..1\n");
    test_connection_before_the_stop();
    printf("ok 1 - a connection accepted just before the stop is served\n");
    return EXIT_SUCCESS;
}
