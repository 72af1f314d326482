/* How long commands take: on a connection without a socket, with the clock in the test's hand. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/timing.h"
#include "tests/core/fixture.h"

#define MEMORY_BYTES ((size_t)64 << 20)
#define US ((uint64_t)1000)
#define MS (1000 * US)
#define START_NS ((uint64_t)1000000000)

/* A turn of shard 0 that begins and ends at these times, with bytes received or without. late: its
 * output is held back. */
static void turn(struct fixture *fixture, uint64_t began_ns, uint64_t ended_ns, const char *bytes,
                 bool late) {
    struct shard *shard = &fixture->shard[0];
    shard->now_ns = began_ns;
    if (bytes) {
        timing_arrived(&fixture->pipeline, shard);
    }
    fixture_turn(fixture, bytes ? bytes : "", bytes ? strlen(bytes) : 0);
    timing_end_turn(&fixture->pipeline, shard, late);
    answered_end_turn(&shard->answered, &shard->latency, began_ns, ended_ns);
    fixture_read(fixture, SIZE_MAX);
}

static uint64_t count(const struct fixture *fixture, enum latency_kind kind) {
    return latency_count(&fixture->shard[0].latency, kind);
}

/* How many commands of a kind took so long, to a bucket. */
static uint64_t took(const struct fixture *fixture, enum latency_kind kind, uint64_t ns) {
    return fixture->shard[0].latency.counts[latency_bucket(ns)][kind];
}

static void assert_commands(const struct fixture *fixture, uint64_t commands) {
    uint64_t sum = 0;
    for (uint32_t kind = 0; kind < LATENCY_COMMANDS; kind++) {
        sum += count(fixture, (enum latency_kind)kind);
    }
    cr_assert(eq(u64, sum, commands));
}

Test(timing, what_comes_and_goes_in_a_turn) {
    for (uint32_t shards = 1; shards <= 2; shards++) {
        struct fixture fixture;
        char key[16], bytes[256];
        fixture_init(&fixture, shards, 8, MEMORY_BYTES);
        fixture_name_key(&fixture, key, 0, 0);
        snprintf(bytes, sizeof(bytes), "set %s 0 0 1\r\nx\r\nget %s\r\nget %s %s\r\nmg %s v\r\n",
                 key, key, key, key, key);
        turn(&fixture, START_NS, START_NS + 30 * US, bytes, false);
        cr_assert(eq(u64, took(&fixture, LATENCY_GET, 30 * US), 3), "a line of keys is one");
        cr_assert(eq(u64, took(&fixture, LATENCY_SET, 30 * US), 1));
        cr_assert(eq(u64, took(&fixture, LATENCY_TURN, 30 * US), 1));
        cr_assert(eq(u64, fixture.shard[0].latency.max_ns[LATENCY_GET], 30 * US));
        assert_commands(&fixture, 4);
        fixture_finish(&fixture);
    }
}

Test(timing, kinds) {
    static const struct {
        const char *bytes;
        uint64_t counts[LATENCY_COMMANDS];
    } rows[] = {
        {"gets k\r\n", {[LATENCY_GET] = 1}},
        {"me k\r\n", {[LATENCY_GET] = 1}},
        {"gat 0 k\r\n", {[LATENCY_TOUCH] = 1}},
        {"gats 0 k k k\r\n", {[LATENCY_TOUCH] = 1}},
        {"touch k 0\r\n", {[LATENCY_TOUCH] = 1}},
        {"delete k\r\n", {[LATENCY_DELETE] = 1}},
        {"md k q\r\n", {[LATENCY_DELETE] = 1}},
        {"incr k 1\r\ndecr k 1\r\nma k\r\n", {[LATENCY_ARITHMETIC] = 3}},
        {"add k 0 0 1 noreply\r\nx\r\n", {[LATENCY_SET] = 1}},
        {"ms k 1\r\nx\r\n", {[LATENCY_SET] = 1}},
        {"version\r\nverbosity 0\r\nnonsense\r\nmn\r\n", {[LATENCY_OTHER] = 4}},
        {"set k 0 0 x\r\n", {[LATENCY_OTHER] = 1}}, /* an error */
        {"quit\r\n", {0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fixture fixture;
        fixture_init(&fixture, 1, 8, MEMORY_BYTES);
        turn(&fixture, START_NS, START_NS + US, rows[i].bytes, false);
        turn(&fixture, START_NS + MS, START_NS + 2 * MS, NULL, false);
        for (uint32_t kind = 0; kind < LATENCY_COMMANDS; kind++) {
            cr_assert(eq(u64, took(&fixture, (enum latency_kind)kind, US), rows[i].counts[kind]),
                      "%s, kind %u", rows[i].bytes, kind);
        }
        fixture_finish(&fixture);
    }
}

/* It begins with its last piece. */
Test(timing, a_request_in_pieces) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 8, MEMORY_BYTES);
    turn(&fixture, START_NS, START_NS + US, "get ", false);
    turn(&fixture, START_NS + 50 * MS, START_NS + 50 * MS + US, "none\r\n", false);
    cr_assert(eq(u64, took(&fixture, LATENCY_GET, US), 1));
    assert_commands(&fixture, 1);
    fixture_finish(&fixture);
}

/* Waiting for another shard is in it, for the command and for what waits in front of it in the same
 * send, and not for what came meanwhile. */
Test(timing, a_shard_that_answers_late) {
    struct fixture fixture;
    char here[16], there[16], bytes[128];
    fixture_init(&fixture, 2, 8, MEMORY_BYTES);
    fixture_name_key(&fixture, here, 0, 0);
    fixture_name_key(&fixture, there, 1, 0);
    snprintf(bytes, sizeof(bytes), "get %s\r\ntouch %s 0\r\ndelete %s\r\n", here, there, here);
    turn(&fixture, START_NS, START_NS + US, bytes, true);
    assert_commands(&fixture, 0);
    snprintf(bytes, sizeof(bytes), "incr %s 1\r\n", here);
    turn(&fixture, START_NS + 15 * MS, START_NS + 15 * MS + US, bytes, true);
    assert_commands(&fixture, 0);
    fixture_serve(&fixture, 1, UINT32_MAX);
    turn(&fixture, START_NS + 20 * MS, START_NS + 20 * MS + US, NULL, false);
    cr_assert(eq(u64, fixture.shard[0].latency.max_ns[LATENCY_GET], 20 * MS + US));
    cr_assert(eq(u64, fixture.shard[0].latency.max_ns[LATENCY_TOUCH], 20 * MS + US));
    cr_assert(eq(u64, fixture.shard[0].latency.max_ns[LATENCY_DELETE], 20 * MS + US));
    cr_assert(eq(u64, fixture.shard[0].latency.max_ns[LATENCY_ARITHMETIC], 5 * MS + US));
    assert_commands(&fixture, 4);
    turn(&fixture, START_NS + 90 * MS, START_NS + 90 * MS + US, NULL, false);
    assert_commands(&fixture, 4);
    fixture_finish(&fixture);
}

/* The same on one shard: a send that begins in a later turn. */
Test(timing, output_that_is_sent_late) {
    struct fixture fixture;
    fixture_init(&fixture, 1, 8, MEMORY_BYTES);
    struct shard *shard = &fixture.shard[0];
    shard->now_ns = START_NS;
    timing_arrived(&fixture.pipeline, shard);
    timing_may_be_late(&fixture.pipeline); /* as behind a large value */
    fixture_turn(&fixture, "get k\r\n", 7);
    timing_end_turn(&fixture.pipeline, shard, true);
    answered_end_turn(&shard->answered, &shard->latency, START_NS, START_NS + US);
    assert_commands(&fixture, 0);
    turn(&fixture, START_NS + 30 * MS, START_NS + 30 * MS + US, NULL, false);
    cr_assert(eq(u64, shard->latency.max_ns[LATENCY_GET], 30 * MS + US));
    assert_commands(&fixture, 1);
    fixture_finish(&fixture);
}

/* Many that came at different times, more than are kept until the end of a turn: none is lost. */
Test(timing, many_arrivals_in_one_send) {
    const uint32_t arrivals = 3 * ANSWERED_EARLIER_MAX;
    struct fixture fixture;
    fixture_init(&fixture, 2, 8, MEMORY_BYTES);
    for (uint32_t i = 0; i < arrivals; i++) {
        turn(&fixture, START_NS + i * MS, START_NS + i * MS + US, "version\r\n", true);
    }
    assert_commands(&fixture, 0);
    turn(&fixture, START_NS + arrivals * MS, START_NS + arrivals * MS + US, NULL, false);
    assert_commands(&fixture, arrivals);
    cr_assert(zero(sz, fixture.pipeline.timing.kept.length));
    fixture_finish(&fixture);
}

/* What is never sent does not count, and leaves no memory behind. */
Test(timing, a_connection_that_breaks) {
    struct fixture fixture;
    fixture_init(&fixture, 2, 8, MEMORY_BYTES);
    turn(&fixture, START_NS, START_NS + US, "version\r\n", true);
    turn(&fixture, START_NS + MS, START_NS + MS + US, "version\r\n", true);
    fixture_break(&fixture);
    assert_commands(&fixture, 0);
    fixture_finish(&fixture);
}
