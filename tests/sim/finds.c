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

/* While memory is scarce nothing is received from a client that has not taken 2 KiB. The end of
 * that was not told of where the reply is so short that it is usually told of with the next event,
 * so that both waited for ever. */
static void test_reply_that_is_waited_for(void) {
    char bytes[4000];
    struct world *world = by_hand_create_scarce();
    by_hand_serve(world, 0);
    struct socket *client = socket_connect(world);
    memset(bytes, 'v', sizeof(bytes));
    static const char line[] = "set key 0 0 3000\r\n";
    size_t length = strlen(line) + 3000;
    memcpy(bytes, line, strlen(line));
    memcpy(bytes + length, "\r\n", 2);
    socket_write(client, bytes, length + 2);
    by_hand_serve(world, 0);
    WORLD_CHECK(world, by_hand_read(client, bytes, sizeof(bytes)) == strlen("STORED\r\n"));
    for (int i = 0; i < 3; i++) {
        socket_write(client, "get key\r\n", 9);
        by_hand_serve(world, 0);
        length = by_hand_read(client, bytes, sizeof(bytes));
        WORLD_CHECK(world, length == strlen("VALUE key 0 3000\r\n") + 3000 + strlen("\r\nEND\r\n"));
    }
    socket_end(client);
    by_hand_serve(world, 0);
    by_hand_destroy(world);
}

int main(void) {
    printf("1..2\n");
    test_connection_before_the_stop();
    printf("ok 1 - a connection accepted just before the stop is served\n");
    test_reply_that_is_waited_for();
    printf("ok 2 - a client without memory for its output goes on when it has taken it\n");
    return EXIT_SUCCESS;
}
