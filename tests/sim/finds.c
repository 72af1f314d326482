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

/* Stores a value, and says how much was written for it. */
static size_t store(struct socket *client, const char *key, size_t value_length) {
    char bytes[4000];
    int head = snprintf(bytes, sizeof(bytes), "set %s 0 0 %zu\r\n", key, value_length);
    size_t length = (size_t)head + value_length + 2;
    memset(bytes + head, 'v', value_length);
    memcpy(bytes + length - 2, "\r\n", 2);
    return socket_write(client, bytes, length);
}

static void serve_both(struct world *world) {
    for (int i = 0; i < 4; i++) {
        by_hand_serve(world, 0);
        by_hand_serve(world, 1);
    }
}

/* A command for every shard is answered. */
static void expect_stats(struct world *world, struct socket *client) {
    char bytes[20000];
    size_t length = 0;
    socket_write(client, "stats\r\n", 7);
    for (int i = 0; i < 20; i++) {
        serve_both(world);
        length += by_hand_read(client, bytes + length, sizeof(bytes) - length);
    }
    WORLD_CHECK(world, length > 5);
    WORLD_CHECK(world, memcmp(bytes + length - 5, "END\r\n", 5) == 0);
}

/* A client has more output than it may, since memory became scarce after its command for every
 * shard had begun, and could not go on for want of credit. It never reads, and the command kept
 * what others needed for theirs, for ever. */
static void test_client_that_never_reads(void) {
    struct world *world = by_hand_create_narrow();
    by_hand_serve(world, 0);
    by_hand_serve(world, 1);
    struct socket *never = socket_connect(world);
    by_hand_serve(world, 0);
    WORLD_CHECK(world, store(never, "key", 3000) > 3000);
    serve_both(world);
    socket_write(never, "get key\r\nget key\r\n", 18);
    serve_both(world); /* the second answer has no room in the socket */
    struct socket *second = socket_connect(world);
    by_hand_serve(world, 0); /* its way to reactor 1 takes the credit */
    socket_write(never, "stats\r\n", 7);
    by_hand_serve(world, 0);
    world->choices.scarce_bytes = 1;
    struct socket *other = socket_connect(world);
    by_hand_serve(world, 0);
    serve_both(world);
    expect_stats(world, other);
    socket_reset(never, "the test is over");
    socket_end(second);
    socket_end(other);
    serve_both(world);
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
    store(client, "key", 3000);
    by_hand_serve(world, 0);
    WORLD_CHECK(world, by_hand_read(client, bytes, sizeof(bytes)) == strlen("STORED\r\n"));
    for (int i = 0; i < 3; i++) {
        socket_write(client, "get key\r\n", 9);
        by_hand_serve(world, 0);
        size_t length = by_hand_read(client, bytes, sizeof(bytes));
        WORLD_CHECK(world, length == strlen("VALUE key 0 3000\r\n") + 3000 + strlen("\r\nEND\r\n"));
    }
    socket_end(client);
    by_hand_serve(world, 0);
    by_hand_destroy(world);
}

int main(void) {
    printf("1..3\n");
    test_connection_before_the_stop();
    printf("ok 1 - a connection accepted just before the stop is served\n");
    test_reply_that_is_waited_for();
    printf("ok 2 - a client without memory for its output goes on when it has taken it\n");
    test_client_that_never_reads();
    printf("ok 3 - what a client that never reads has begun keeps nobody waiting\n");
    return EXIT_SUCCESS;
}
