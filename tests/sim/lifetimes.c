/* lifetimes: for how long an item is seen, to the tenth of a second, by every command that gives it
 * a time to live; and what a suspend and a clock that is set do to it. The whole server, on the
 * simulation's clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "by_hand.h"
#include "core/base/clock.h"
#include "server.h"

/* Serving a question takes less than this here. */
#define ASKING_NS ((uint64_t)10 * 1000000)

#define ANSWER_BYTES_MAX 300

/* A command with a time to live of one second, and how many bytes it answers. */
struct command_bytes {
    const char *name;
    const char *before; /* asked before; its answer is read, and no matter */
    const char *bytes;
    size_t length;
    size_t answer_length;
};

#define TEXT(name, before, bytes, answer)                                                          \
    { (name), (before), (bytes), sizeof(bytes) - 1, sizeof(answer) - 1 }
#define BINARY(name, before, bytes, answer_length)                                                 \
    { (name), (before), (bytes), sizeof(bytes) - 1, (answer_length) }

#define SET "set k 0 0 1\r\n5\r\n"
#define DELETE "delete k\r\n"

static const struct command_bytes commands[] = {
    TEXT("set", DELETE, "set k 0 1 1\r\nx\r\n", "STORED\r\n"),
    TEXT("set again", SET, "set k 0 1 1\r\nx\r\n", "STORED\r\n"),
    TEXT("add", DELETE, "add k 0 1 1\r\nx\r\n", "STORED\r\n"),
    TEXT("replace", SET, "replace k 0 1 1\r\nx\r\n", "STORED\r\n"),
    TEXT("touch", SET, "touch k 1\r\n", "TOUCHED\r\n"),
    TEXT("gat", SET, "gat 1 k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n"),
    TEXT("ms T", DELETE, "ms k 1 T1\r\nx\r\n", "HD\r\n"),
    TEXT("ms MA N", DELETE, "ms k 1 MA N1\r\nx\r\n", "HD\r\n"),
    TEXT("mg T", SET, "mg k T1\r\n", "HD\r\n"),
    TEXT("mg N", DELETE, "mg k N1\r\n", "HD W\r\n"),
    TEXT("md I T", SET, "md k I T1\r\n", "HD\r\n"),
    TEXT("ma T", SET, "ma k T1\r\n", "HD\r\n"),
    TEXT("ma N", DELETE, "ma k N1\r\n", "HD\r\n"),
    BINARY("binary set", DELETE,
           "\x80\1\0\1\x08\0\0\0\0\0\0\xa\0\0\0\0\0\0\0\0\0\0\0\0"
           "\0\0\0\0\0\0\0\1kx",
           24),
    BINARY("binary touch", SET,
           "\x80\x1c\0\1\4\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0"
           "\0\0\0\1k",
           28),
    BINARY("binary gat", SET,
           "\x80\x1d\0\1\4\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0"
           "\0\0\0\1k",
           29),
    BINARY("binary incr", DELETE,
           "\x80\5\0\1\x14\0\0\0\0\0\0\x15\0\0\0\0\0\0\0\0\0\0\0\0"
           "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\1k",
           32),
};

/* Places within a second: of its edges and its ticks' what is on either side. */
static const uint64_t phases_ns[] = {0,         1,         99000000,  99999999,  100000000,
                                     450000000, 900000000, 989000000, 999999000, 999999999};

static void serve_all(struct world *world) {
    for (uint32_t i = 0; i < world->choices.reactors; i++) {
        by_hand_serve(world, i);
    }
}

static size_t ask(struct world *world, struct socket *socket, const char *bytes, size_t length,
                  char *answer) {
    size_t taken = 0;
    socket_write(socket, bytes, length);
    for (int i = 0; i < 3; i++) {
        serve_all(world);
        taken += by_hand_read(socket, answer + taken, ANSWER_BYTES_MAX - taken);
    }
    return taken;
}

static void says(struct world *world, struct socket *socket, const char *command,
                 const char *wanted) {
    char answer[ANSWER_BYTES_MAX + 1];
    size_t length = ask(world, socket, command, strlen(command), answer);
    answer[length] = '\0';
    if (strcmp(answer, wanted) != 0) {
        world_fail(world, "%s: %s instead of %s", command, answer, wanted);
    }
}

static bool is_seen(struct world *world, struct socket *socket) {
    char answer[ANSWER_BYTES_MAX];
    size_t length = ask(world, socket, "get k\r\n", 7, answer);
    WORLD_CHECK(world, length > 0);
    return length > 5;
}

/* The clients of one server: one speaks text, one the binary protocol. */
struct talk {
    struct world *world;
    struct socket *text;
    struct socket *binary;
};

static struct talk talk_begin(uint32_t reactors, uint32_t idle_timeout_s) {
    struct world *world = by_hand_create(reactors, idle_timeout_s);
    serve_all(world);
    struct talk talk = {
        .world = world, .text = socket_connect(world), .binary = socket_connect(world)};
    serve_all(world);
    return talk;
}

static void talk_end(struct talk *talk) {
    struct world *world = talk->world;
    server_stop(world);
    for (int i = 0; i < 100 && !server_has_ended(world); i++) {
        world->now_ns += CLOCK_TICK_NS;
        serve_all(world);
    }
    WORLD_CHECK(world, server_has_ended(world));
    by_hand_destroy(world);
}

/* To the next second since the start, and phase_ns more. */
static void go_to_phase(struct world *world, uint64_t phase_ns) {
    uint64_t since_ns = world->now_ns - world->start_ns;
    world->now_ns += CLOCK_SECOND_NS - since_ns % CLOCK_SECOND_NS + phase_ns;
}

static void check_life(struct talk *talk, const struct command_bytes *command, uint64_t phase_ns) {
    struct world *world = talk->world;
    char answer[ANSWER_BYTES_MAX];
    ask(world, talk->text, command->before, strlen(command->before), answer);
    go_to_phase(world, phase_ns);
    uint64_t begun_ns = world->now_ns;
    struct socket *socket = command->bytes[0] == '\x80' ? talk->binary : talk->text;
    size_t length = ask(world, socket, command->bytes, command->length, answer);
    uint64_t done_ns = world->now_ns;
    WORLD_CHECK(world, done_ns - begun_ns < ASKING_NS);
    WORLD_CHECK(world, length == command->answer_length);
    world->now_ns = begun_ns + CLOCK_SECOND_NS - ASKING_NS;
    if (!is_seen(world, talk->text)) {
        world_fail(world, "%s at %llu ns: gone before its second was over", command->name,
                   (unsigned long long)phase_ns);
    }
    world->now_ns = done_ns + CLOCK_SECOND_NS + CLOCK_TICK_NS;
    if (is_seen(world, talk->text)) {
        world_fail(world, "%s at %llu ns: seen for more than a tenth too long", command->name,
                   (unsigned long long)phase_ns);
    }
}

static void test_lives(uint32_t reactors) {
    struct talk talk = talk_begin(reactors, 0);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        for (size_t j = 0; j < sizeof(phases_ns) / sizeof(*phases_ns); j++) {
            check_life(&talk, &commands[i], phases_ns[j]);
        }
    }
    talk_end(&talk);
}

/* Everything is gone when the delay is over, and not more than a tenth of a second before. */
static void test_flush(void) {
    struct talk talk = talk_begin(2, 0);
    struct world *world = talk.world;
    for (size_t i = 0; i < sizeof(phases_ns) / sizeof(*phases_ns); i++) {
        says(world, talk.text, SET, "STORED\r\n");
        go_to_phase(world, phases_ns[i]);
        uint64_t begun_ns = world->now_ns;
        says(world, talk.text, "flush_all 1\r\n", "OK\r\n");
        uint64_t done_ns = world->now_ns;
        world->now_ns = begun_ns + CLOCK_SECOND_NS - CLOCK_TICK_NS - ASKING_NS;
        WORLD_CHECK(world, is_seen(world, talk.text));
        world->now_ns = done_ns + CLOCK_SECOND_NS;
        WORLD_CHECK(world, !is_seen(world, talk.text));
    }
    talk_end(&talk);
}

/* An item ages through it. Connections don't: no client could be served. */
static void test_suspend(void) {
    struct talk talk = talk_begin(2, 5);
    struct world *world = talk.world;
    says(world, talk.text, "set k 0 100 1\r\nx\r\nset l 0 1000 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    world->suspended_ns += 99 * CLOCK_SECOND_NS;
    says(world, talk.text, "mg k t\r\n", "HD t100\r\n"); /* still in the tick that it knows */
    world->now_ns += CLOCK_TICK_NS;
    says(world, talk.text, "mg k t\r\n", "HD t1\r\n");
    world->suspended_ns += CLOCK_SECOND_NS;
    world->now_ns += CLOCK_TICK_NS;
    says(world, talk.text, "get k l\r\nmg l t\r\n", "VALUE l 0 1\r\nx\r\nEND\r\nHD t900\r\n");
    WORLD_CHECK(world, !talk.binary->closed);
    world->now_ns += 3 * CLOCK_SECOND_NS;
    serve_all(world);
    WORLD_CHECK(world, !talk.binary->closed);
    for (int i = 0; i < 8; i++) {
        world->now_ns += CLOCK_SECOND_NS;
        serve_all(world);
    }
    WORLD_CHECK(world, talk.binary->closed);
    talk_end(&talk);
}

/* A date is the wall clock's when it is given; what follows is a time to live. */
static void test_wall_clock(void) {
    struct talk talk = talk_begin(2, 0);
    struct world *world = talk.world;
    char command[100];
    world->wall_s += 1000;
    snprintf(command, sizeof(command), "ms k 1 T%lld\r\nx\r\nmg k t\r\n",
             (long long)world->wall_s + 100);
    says(world, talk.text, command, "HD\r\nHD t100\r\n");
    world->wall_s -= 500;
    says(world, talk.text, "mg k t\r\n", "HD t100\r\n");
    snprintf(command, sizeof(command), "touch k %lld\r\nmg k t\r\n", (long long)world->wall_s + 50);
    says(world, talk.text, command, "TOUCHED\r\nHD t50\r\n");
    snprintf(command, sizeof(command), "touch k %lld\r\nmg k\r\n", (long long)world->wall_s);
    says(world, talk.text, command, "TOUCHED\r\nEN\r\n");
    talk_end(&talk);
}

/* What is told of a time to live, and what R makes of it. */
static void check_what_is_left(struct talk *talk, uint64_t phase_ns) {
    struct world *world = talk->world;
    go_to_phase(world, phase_ns);
    uint64_t set_ns = world->now_ns;
    says(world, talk->text, "ms k 1 T30\r\nx\r\nmg k t R30\r\n", "HD\r\nHD t30\r\n");
    world->now_ns = set_ns + CLOCK_SECOND_NS - CLOCK_TICK_NS - ASKING_NS;
    says(world, talk->text, "mg k t R30\r\n", "HD t30\r\n");
    world->now_ns = set_ns + CLOCK_SECOND_NS + ASKING_NS;
    says(world, talk->text, "mg k t R29\r\nmg k t R30\r\n", "HD t29\r\nHD t29 W\r\n");
    world->now_ns = set_ns + 30 * CLOCK_SECOND_NS - ASKING_NS;
    says(world, talk->text, "mg k t\r\n", "HD t1 Z\r\n");
    world->now_ns = set_ns + 30 * CLOCK_SECOND_NS + CLOCK_TICK_NS + ASKING_NS;
    says(world, talk->text, "mg k t\r\n", "EN\r\n");
}

static void test_what_is_left(void) {
    struct talk talk = talk_begin(1, 0);
    for (size_t i = 0; i < sizeof(phases_ns) / sizeof(*phases_ns); i++) {
        check_what_is_left(&talk, phases_ns[i]);
    }
    talk_end(&talk);
}

int main(void) {
    printf("1..6\n");
    test_lives(1);
    printf("ok 1 - for its second and less than a tenth more, whatever sets it, on one core\n");
    test_lives(2);
    printf("ok 2 - and on two\n");
    test_flush();
    printf("ok 3 - a flush with a delay is over when the delay is\n");
    test_suspend();
    printf("ok 4 - a suspend lets items age, and no connection\n");
    test_wall_clock();
    printf("ok 5 - dates go by the wall clock as it was when they were given\n");
    test_what_is_left();
    printf("ok 6 - what is left of a time to live\n");
    return EXIT_SUCCESS;
}
