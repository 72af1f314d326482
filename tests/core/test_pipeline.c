/* A connection under random fragments and random completion order, with shards that are lent and
 * taken back, must give the same bytes as one shard that is fed everything at once. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/fixture.h"
#include "tests/core/script.h"

#define MEMORY_BYTES ((size_t)64 << 20)
#define RECEIVE_MAX (16 * 1024)

struct transcript {
    char *bytes;
    size_t length;
};

static size_t fragment_of(uint64_t *state, size_t fixed) {
    static const uint32_t bounds[] = {1, 10, 100, 2000, RECEIVE_MAX};
    return fixed ? fixed : 1 + random_below(state, bounds[random_below(state, 5)]);
}

/* Reactors enter the kernel, and come back; in one seed out of two they never do. */
static void lend_some(struct fixture *fixture, uint64_t seed, uint64_t *state) {
    for (uint32_t i = 0; i < fixture->shards && fixture->shards > 1 && seed % 2 == 0; i++) {
        switch (random_below(state, 4)) {
        case 0:
            fixture_leave(fixture, i);
            break;
        case 1:
            fixture_take(fixture, i);
            break;
        default:
            break;
        }
    }
}

/* Feeds the script in fragments (of a fixed size, or random ones for 0), with the shards' and the
 * client's turns in random order. */
static void play(struct fixture *fixture, const struct script *script, uint64_t seed,
                 size_t fixed) {
    uint64_t state = seed;
    size_t fed = 0;
    while (fed < script->length) {
        size_t length = 0;
        if (fixture_takes_bytes(fixture)) {
            length = fragment_of(&state, fixed);
            if (length > script->length - fed) {
                length = script->length - fed;
            }
        }
        fixture_turn(fixture, script->bytes + fed, length);
        fed += length;
        for (uint32_t i = 1; i < fixture->shards; i++) {
            if (random_below(&state, 3) == 0) {
                fixture_serve(fixture, i, 1 + random_below(&state, 8));
            }
        }
        if (random_below(&state, 2) == 0) {
            fixture_read(fixture, random_below(&state, 100000));
        }
        lend_some(fixture, seed, &state);
    }
    fixture_run_until_idle(fixture);
}

/* CAS values of binary replies depend on the shard; the field is cleared to compare the rest. */
static void clear_cas(struct transcript *transcript) {
    size_t at = 0;
    while (at + 24 <= transcript->length) {
        unsigned char *header = (unsigned char *)transcript->bytes + at;
        cr_assert(eq(int, header[0], 0x81));
        memset(header + 16, 0, 8);
        at += 24 + ((size_t)header[8] << 24 | (size_t)header[9] << 16 | (size_t)header[10] << 8 |
                    header[11]);
    }
    cr_assert(eq(sz, at, transcript->length));
}

static struct transcript run(const struct script *script, uint32_t shards, uint32_t ring_capacity,
                             uint64_t seed, size_t fixed) {
    struct fixture fixture;
    (seed % 2 == 0 ? fixture_init_copies : fixture_init)(&fixture, shards, ring_capacity,
                                                         MEMORY_BYTES / shards);
    play(&fixture, script, seed, fixed);
    cr_assert(not(fixture.broken));
    struct transcript transcript = {fixture.received, fixture.received_length};
    fixture.received = NULL;
    fixture_finish(&fixture);
    return transcript;
}

static void expect_same(const struct script *script, uint64_t seed, bool binary) {
    static const struct {
        uint32_t shards, ring_capacity;
        size_t fragment;
    } cases[] = {{1, 1, 1},   {1, 256, 100}, {2, 1, 0},   {2, 4, 10},   {3, 1, 0},
                 {3, 2, 100}, {3, 256, 0},   {5, 256, 2}, {5, 1, 2000}, {5, 256, RECEIVE_MAX}};
    struct transcript whole = run(script, 1, 256, 1, script->length);
    if (binary) {
        clear_cas(&whole);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct transcript other =
            run(script, cases[i].shards, cases[i].ring_capacity, seed + i, cases[i].fragment);
        if (binary) {
            clear_cas(&other);
        }
        bool same =
            whole.length == other.length && memcmp(whole.bytes, other.bytes, whole.length) == 0;
        cr_assert(same, "seed %llu, case %zu: the replies differ", (unsigned long long)seed, i);
        free(other.bytes);
    }
    free(whole.bytes);
}

Test(pipeline, text_is_the_same_in_any_fragments_and_order, .timeout = 600) {
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct script script = script_text(seed, 400);
        expect_same(&script, seed, false);
        free(script.bytes);
    }
}

Test(pipeline, binary_is_the_same_in_any_fragments_and_order, .timeout = 600) {
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct script script = script_binary(seed, 600);
        expect_same(&script, seed, true);
        free(script.bytes);
    }
}

Test(pipeline, meta_is_the_same_in_any_fragments_and_order, .timeout = 600) {
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct script script = script_meta(seed, 600);
        expect_same(&script, seed, false);
        free(script.bytes);
    }
}

/* A client that never reads: what is held for it stays bounded, and nothing is lost. */
Test(pipeline, output_is_bounded_while_the_client_does_not_read) {
    enum { GETS = 4000, VALUE = 1000 };
    for (uint32_t shards = 1; shards <= 3; shards += 2) {
        struct fixture fixture;
        fixture_init(&fixture, shards, 4, MEMORY_BYTES);
        char set[VALUE + 64];
        int length = snprintf(set, sizeof(set), "set k 0 0 %d noreply\r\n", VALUE);
        memset(set + length, 'v', VALUE);
        memcpy(set + length + VALUE, "\r\n", 2);
        fixture_turn(&fixture, set, (size_t)length + VALUE + 2);
        size_t most = 0, sent = 0;
        for (uint32_t turn = 0; turn < 100000 && sent < GETS; turn++) {
            bool takes = fixture_takes_bytes(&fixture);
            if (turn > 500) {
                fixture_read(&fixture, 100000);
            }
            fixture_turn(&fixture, "get k\r\nget k\r\nget k\r\nget k\r\n", takes ? 28 : 0);
            sent += takes ? 4 : 0;
            for (uint32_t i = 1; i < shards; i++) {
                fixture_serve(&fixture, i, 8);
            }
            size_t held = fixture.shard[0].buffers.bytes;
            most = held > most ? held : most;
        }
        fixture_run_until_idle(&fixture);
        cr_assert(eq(sz, sent, GETS));
        cr_assert(lt(sz, most, 256 * 1024));
        size_t reply = strlen("VALUE k 0 1000\r\n") + VALUE + 2 + strlen("END\r\n");
        cr_assert(eq(sz, fixture.received_length, GETS * reply));
        fixture_finish(&fixture);
    }
}

Test(pipeline, large_values_of_other_shards) {
    struct fixture fixture;
    fixture_init(&fixture, 5, 4, MEMORY_BYTES);
    char *value = malloc(50002);
    memset(value, 'x', 50000);
    memcpy(value + 50000, "\r\n", 2);
    uint64_t gets = 0, hits = 0;
    for (int key = 0; key < 20; key++) {
        char line[64];
        int length = snprintf(line, sizeof(line), "set k%d 0 0 50000\r\n", key);
        fixture_feed(&fixture, line, (size_t)length);
        fixture_feed(&fixture, value, 50002);
        length = snprintf(line, sizeof(line), "get k%d\r\n", key);
        fixture_turn(&fixture, line, (size_t)length);
        fixture_run_until_idle(&fixture);
    }
    for (uint32_t i = 0; i < 5; i++) {
        gets += fixture.shard[i].keys.counters.cmd_get;
        hits += fixture.shard[i].keys.counters.get_hits;
    }
    cr_assert(eq(u64, gets, 20));
    cr_assert(eq(u64, hits, 20));
    free(value);
    fixture_finish(&fixture);
}

static void expect_received(struct fixture *fixture, const char *expected) {
    fixture_run_until_idle(fixture);
    bool same = fixture->received_length == strlen(expected) &&
                memcmp(fixture->received, expected, strlen(expected)) == 0;
    cr_assert(same, "received %.*s", (int)fixture->received_length, fixture->received);
}

/* However many messages have come, one turn of each side answers them. */
Test(pipeline, a_turn_takes_all_messages) {
    enum { GETS = 60 };
    struct fixture fixture;
    char bytes[GETS * 6 + 1], *end = bytes, key = 'a';
    fixture_init(&fixture, 2, 64, MEMORY_BYTES);
    while (shard_owner(&fixture.shard[0], shard_hash(&fixture.shard[0], &key, 1)) == 0) {
        key++;
    }
    for (uint32_t i = 0; i < GETS; i++) {
        end += sprintf(end, "get %c\n", key);
    }
    fixture_turn(&fixture, bytes, (size_t)(end - bytes));
    cr_assert(eq(u32, fixture.pipeline.outstanding, GETS));
    exchange_serve_peers(&fixture.shard[1]);
    fixture_serve(&fixture, 1, 0); /* publishes */
    fixture_turn(&fixture, NULL, 0);
    cr_assert(eq(u32, fixture.pipeline.outstanding, 0));
    cr_assert(eq(sz, fixture.pipeline.output.length, GETS * strlen("END\r\n")));
    fixture_finish(&fixture);
}

/* Everything that a turn may run, and nothing behind it: bytes must be welcome again. */
Test(pipeline, any_number_of_requests_in_one_piece) {
    for (uint32_t count = 1; count <= 200; count++) {
        struct fixture fixture;
        fixture_init(&fixture, 1, 4, (size_t)4 << 20);
        for (int batch = 0; batch < 2; batch++) {
            char bytes[200 * 6 + 1], *end = bytes;
            for (uint32_t i = 0; i < count; i++) {
                end = stpcpy(end, "get k\n");
            }
            cr_assert(fixture_takes_bytes(&fixture), "after %u requests", count);
            fixture_turn(&fixture, bytes, (size_t)(end - bytes));
            fixture_run_until_idle(&fixture);
        }
        cr_assert(eq(sz, fixture.received_length, 2 * count * strlen("END\r\n")));
        fixture_finish(&fixture);
    }
}

/* A get of a large value at another shard comes before the delete behind it, though the value does
 * not fit into a message. */
Test(pipeline, a_large_get_keeps_its_place) {
    for (int key = 0; key < 20; key++) {
        struct fixture fixture;
        fixture_init(&fixture, 5, 256, MEMORY_BYTES);
        char line[64];
        static char value[30002];
        memset(value, 'x', 30000);
        memcpy(value + 30000, "\r\n", 2);
        fixture_turn(&fixture, line, (size_t)sprintf(line, "set k%d 0 0 30000 noreply\r\n", key));
        fixture_feed(&fixture, value, sizeof(value));
        fixture_turn(&fixture, line, (size_t)sprintf(line, "get k%d\r\ndelete k%d\r\n", key, key));
        fixture_run_until_idle(&fixture);
        size_t head = (size_t)sprintf(line, "VALUE k%d 0 30000\r\n", key);
        size_t length = head + sizeof(value) + strlen("END\r\nDELETED\r\n");
        cr_assert(eq(sz, fixture.received_length, length));
        cr_assert(zero(int, memcmp(fixture.received, line, head)));
        fixture_finish(&fixture);
    }
}

/* Whatever is wrong with a command, it takes its place behind replies that are still owed. */
Test(pipeline, mistakes_behind_an_outstanding_reply) {
    char key[301];
    memset(key, 'k', 300);
    key[300] = '\0';
    static const char *const verbs[] = {"set", "add", "append", "cas"};
    struct fixture fixture;
    fixture_init(&fixture, 5, 4, (size_t)4 << 20);
    char expected[4096] = "", line[1024];
    for (int i = 0; i < 4; i++) {
        int length = sprintf(line, "get a\nget b\nget c\nget d\n%s %s 0 0 1%s\r\nx\r\n", verbs[i],
                             key, i == 3 ? " 1" : "");
        fixture_turn(&fixture, line, (size_t)length);
        length = sprintf(line, "get a\nget %s\nincr %s 1\ntouch %s 1\n", key, key, key);
        fixture_run_until_idle(&fixture);
        fixture_turn(&fixture, line, (size_t)length);
        fixture_run_until_idle(&fixture);
        strcat(expected,
               "END\r\nEND\r\nEND\r\nEND\r\nCLIENT_ERROR bad command line format\r\nEND\r\n");
        for (int j = 0; j < 3; j++) {
            strcat(expected, "CLIENT_ERROR bad command line format\r\n");
        }
    }
    expect_received(&fixture, expected);
    fixture_finish(&fixture);
}

/* Requests for one item of a length that is too long for a message without a wide range: those
 * behind the first dozen are sent without one, and sent again. Each is answered as when it is the
 * only one. */
Test(pipeline, a_read_that_is_sent_again_brings_what_was_asked_for) {
    static const char *const reads[] = {"get $\n", "mg $ k\n", "mg $ s f\n",  "mg $ v\n",
                                        "mg $\n",  "gets $\n", "mg $ s v k\n"};
    enum { READS = sizeof(reads) / sizeof(reads[0]), ROUNDS = 6 };
    struct fixture fixture;
    char key[16], line[1024] = "";
    fixture_init(&fixture, 2, 64, MEMORY_BYTES);
    fixture_name_key(&fixture, key, 1, 0);
    struct script set = script_expand("set $ 5 0 1000\r\n<1000>\r\n", key);
    fixture_feed(&fixture, set.bytes, set.length);
    for (int i = 0; i < ROUNDS * READS; i++) {
        struct script one = script_expand(reads[i % READS], key);
        fixture_feed(&fixture, one.bytes, one.length);
        strncat(line, one.bytes, one.length);
        free(one.bytes);
    }
    size_t length = fixture.received_length - strlen("STORED\r\n");
    char *alone = fixture.received + strlen("STORED\r\n");
    fixture.received = NULL;
    fixture.received_length = 0;
    fixture.shard[0].messages.wides_expected = 0;
    fixture_feed(&fixture, line, strlen(line));
    cr_assert(eq(sz, fixture.received_length, length));
    cr_assert(zero(int, memcmp(fixture.received, alone, length)));
    free(alone - strlen("STORED\r\n"));
    free(set.bytes);
    fixture_finish(&fixture);
}

/* A large value that is to be sent behind such reads keeps its lease: nothing holds one that they
 * wait for, and without it the value would be what has been stored behind. */
Test(pipeline, reads_that_are_sent_again_cost_no_lease) {
    enum { READS = 2, HELD = 54 };
    struct message *held[HELD];
    struct fixture fixture;
    char key[16], large[16], late[16], line[1024] = "";
    fixture_init(&fixture, 3, 64, MEMORY_BYTES);
    fixture_name_key(&fixture, large, 0, 0);
    fixture_name_key(&fixture, key, 1, 0);
    fixture_name_key(&fixture, late, 2, 0);
    struct script sets[] = {script_expand("set $ 5 0 1000\r\n<1000>\r\n", key),
                            script_expand("set $ 5 0 100000\r\n<100000>\r\n", large)};
    for (int i = 0; i < 2; i++) {
        fixture_feed(&fixture, sets[i].bytes, sets[i].length);
        free(sets[i].bytes);
    }
    fixture.shard[0].messages.wides_expected = 0;
    struct message_pool *pool = &fixture.shard[0].messages;
    for (int i = 0; i < HELD; i++) {
        held[i] = message_take(pool);
        cr_assert(message_widen(pool, held[i], true));
    }
    size_t before = fixture.received_length;
    int length = sprintf(line, "get %s\n", late);
    for (int i = 0; i < READS; i++) {
        length += sprintf(line + length, "get %s\n", key);
    }
    fixture_turn(&fixture, line, (size_t)length);
    fixture_serve(&fixture, 1, UINT32_MAX);
    fixture_turn(&fixture, NULL, 0);
    for (int i = 0; i < HELD; i++) {
        message_give(pool, held[i]);
    }
    length = sprintf(line, "get %s\nset %s 0 0 1\r\nx\r\n", large, large);
    fixture_turn(&fixture, line, (size_t)length);
    fixture_run_until_idle(&fixture);
    cr_assert(ge(sz, fixture.received_length - before, 1000 * READS + 100000));
    fixture_finish(&fixture);
}

/* Short reads at home behind one that is under way wait for no range of a long value. A long one
 * behind them has no place for its value: it is run again, before what is stored behind it. */
Test(pipeline, reads_at_home_behind_one_under_way) {
    enum { READS = 40 };
    struct fixture fixture;
    char brief[16], longer[16], there[16], line[2048], expected[256];
    fixture_init(&fixture, 2, 64, MEMORY_BYTES);
    fixture_name_key(&fixture, brief, 0, 0);
    fixture_name_key(&fixture, longer, 0, 1);
    fixture_name_key(&fixture, there, 1, 0);
    struct script sets[] = {script_expand("set $ 5 0 100\r\n<100>\r\n", brief),
                            script_expand("set $ 5 0 1000\r\n<1000>\r\n", longer)};
    for (int i = 0; i < 2; i++) {
        fixture_feed(&fixture, sets[i].bytes, sets[i].length);
        free(sets[i].bytes);
    }
    size_t before = fixture.received_length;
    fixture.shard[0].messages.wides_expected = 0;
    int length = sprintf(line, "get %s\n", there);
    for (int i = 0; i < READS; i++) {
        length += sprintf(line + length, "get %s\n", brief);
    }
    length +=
        sprintf(line + length, "get %s\nset %s 0 0 1\r\nx\r\nget %s\n", longer, longer, longer);
    fixture_turn(&fixture, line, (size_t)length);
    cr_assert(eq(u32, fixture.pipeline.queued, READS + 2));
    fixture_run_until_idle(&fixture);
    size_t at = before + READS * (strlen("VALUE  5 100\r\n\r\nEND\r\n") + strlen(brief) + 100) +
                strlen("END\r\nVALUE  5 1000\r\n\r\nEND\r\n") + strlen(longer) + 1000;
    sprintf(expected, "STORED\r\nVALUE %s 0 1\r\nx\r\nEND\r\n", longer);
    cr_assert(eq(sz, fixture.received_length, at + strlen(expected)));
    cr_assert(zero(int, memcmp(fixture.received + at, expected, strlen(expected))));
    fixture_finish(&fixture);
}
