/* finds: what simulations have found, replayed step by step without chance. A seed does not stay
 * the same simulation when anything changes; these do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "by_hand.h"
#include "engine.h"
#include "server.h"

/* The connection is accepted and the order to stop comes in the same turn of reactor 0, so the
 * connection is on its way to reactor 1 when that has none and counts itself as drained. Both ended
 * then with the connection open. */
static void test_connection_before_the_stop(void) {
    static const char answer[] = "VERSION simulated\r\n";
    char bytes[100];
    struct world *world = by_hand_create(2, 0);
    by_hand_serve(world, 0);
    by_hand_serve(world, 1);
    struct socket *first = socket_connect(world); /* reactor 0 has one: the next is 1's */
    by_hand_serve(world, 0);
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
    by_hand_serve(world, 0);            /* the first connection ends */
    world->now_ns += 20000000;
    by_hand_run(world, 0); /* looks at the state of the others */
    by_hand_run(world, 1);
    for (int i = 0; i < 100 && !server_has_ended(world); i++) {
        world->now_ns += 10000000;
        by_hand_serve(world, 1);
        by_hand_serve(world, 0);
    }
    WORLD_CHECK(world, server_has_ended(world));
    WORLD_CHECK(world, first->closed);
    WORLD_CHECK(world, second->closed);
    size_t length = by_hand_read(second, bytes, sizeof(bytes));
    WORLD_CHECK(world, length == sizeof(answer) - 1);
    WORLD_CHECK(world, memcmp(bytes, answer, length) == 0);
    by_hand_destroy(world);
}

int main(void) {
    printf("1..1\n");
    test_connection_before_the_stop();
    printf("ok 1 - a connection accepted just before the stop is served\n");
    return EXIT_SUCCESS;
}
