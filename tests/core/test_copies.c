/* Copies of other shards' items: what is copied, when copies are used, and when not. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/copies_fixture.h"
#include "tests/core/script.h"

#define SLOTS 64

/* A holder alone, with words that the test moves. */
struct alone {
    struct copies copies;
    struct versions versions;
    uint32_t tick;
};

static void alone_init(struct alone *alone, uint64_t memory_bytes) {
    *alone = (struct alone){.tick = 100};
    cr_assert(zero(int, copies_init(&alone->copies, memory_bytes, 4, 7)));
    cr_assert(zero(int, versions_init(&alone->versions, SLOTS)));
}

static void alone_finish(struct alone *alone) {
    copies_finish(&alone->copies);
    versions_finish(&alone->versions);
}

static uint64_t hash_of(uint32_t number) {
    uint64_t hash = (number + 1) * (uint64_t)0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static struct request get_of(char key[16], uint32_t number) {
    int length = snprintf(key, 16, "key%u", number);
    return (struct request){.op = OP_GET, .key = key, .key_length = (uint16_t)length};
}

static struct copy *alone_find(struct alone *alone, uint32_t number) {
    char key[16];
    struct request request = get_of(key, number);
    return copies_find(&alone->copies, &request, hash_of(number));
}

static bool alone_has(struct alone *alone, uint32_t number) {
    return alone_find(alone, number);
}

static struct copy_note alone_note(struct alone *alone, uint32_t number) {
    char key[16];
    struct request request = get_of(key, number);
    if (!copies_concern(&alone->copies, hash_of(number))) {
        return (struct copy_note){0};
    }
    return copies_note(&alone->copies, &request, hash_of(number), alone->tick);
}

static void alone_add(struct alone *alone, uint32_t number, uint32_t length, uint32_t expires) {
    static const char value[COPIES_VALUE_BYTES_MAX];
    char key[16];
    uint64_t hash = hash_of(number);
    struct request request = get_of(key, number);
    struct result result = {.value = value, .value_length = length};
    struct copy_source source = {
        .request = &request,
        .hash = hash,
        .result = &result,
        .grant = {.word = versions_share(&alone->versions, hash), .expires = expires},
        .at = versions_of(&alone->versions, hash),
        .tick = alone->tick,
    };
    copies_add(&alone->copies, &source);
}

Test(copies, log_and_table_stay_right) {
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct alone alone;
        alone_init(&alone, COPIES_BYTES_MIN * seed);
        srand(seed);
        for (uint32_t i = 0; i < 5000; i++) {
            uint32_t number = (uint32_t)rand() % 400;
            struct copy *copy = alone_find(&alone, number);
            if (copy && rand() % 4 != 0) {
                copies_hit(&alone.copies, copy);
                cr_assert(alone_has(&alone, number));
            } else {
                alone_add(&alone, number, (uint32_t)rand() % (rand() % 8 == 0 ? 3000 : 200), 0);
            }
            copies_check(&alone.copies);
        }
        cr_assert(lt(u32, 10, alone.copies.count));
        alone_finish(&alone);
    }
}

/* What is hit stays, whatever comes and goes beside it. */
Test(copies, what_is_used_stays) {
    struct alone alone;
    alone_init(&alone, COPIES_BYTES_MIN * 4);
    alone_add(&alone, 0, 100, 0);
    alone_add(&alone, 1, 100, 0);
    for (uint32_t i = 2; i < 5000; i++) {
        alone_add(&alone, i, 100, 0);
        struct copy *copy = alone_find(&alone, 0);
        cr_assert(alone_has(&alone, 0), "%u others have taken its place", i);
        copies_hit(&alone.copies, copy);
    }
    cr_assert(not(alone_has(&alone, 1)));
    alone_finish(&alone);
}

Test(copies, out_of_date_by_the_word_or_by_time) {
    struct alone alone;
    alone_init(&alone, COPIES_BYTES_MIN);
    alone_add(&alone, 0, 10, 0);
    alone_add(&alone, 1, 10, 105);
    cr_assert(copy_is_fresh(alone_find(&alone, 0), 1000));
    cr_assert(copy_is_fresh(alone_find(&alone, 1), 104));
    cr_assert(not(copy_is_fresh(alone_find(&alone, 1), 105)));
    versions_move(&alone.versions, hash_of(0));
    cr_assert(not(copy_is_fresh(alone_find(&alone, 0), 100)));
    versions_share(&alone.versions, hash_of(0)); /* for somebody else */
    cr_assert(not(copy_is_fresh(alone_find(&alone, 0), 100)));
    alone_add(&alone, 0, 10, 0);
    cr_assert(copy_is_fresh(alone_find(&alone, 0), 100));
    versions_move_all(&alone.versions);
    cr_assert(not(copy_is_fresh(alone_find(&alone, 0), 100)));
    cr_assert(zero(u32, alone.versions.shared));
    alone_finish(&alone);
}

/* One that is asked for now and then is not copied, one that has a thousandth of the gets is. */
Test(copies, what_is_asked_for_often_is_copied) {
    struct alone alone;
    uint32_t asked_often = 0, asked_seldom = 0;
    alone_init(&alone, (uint64_t)2 << 20);
    for (uint32_t i = 0; i < 400000; i++) {
        asked_seldom += alone_note(&alone, 1000 + i % 100000).asks;
        if (i % 1000 == 0) {
            asked_often += alone_note(&alone, 1).asks;
        }
    }
    cr_assert(lt(u32, 5, asked_often));
    cr_assert(lt(u32, asked_seldom, 400));
    alone_finish(&alone);
}

/* A key of whose accesses many are writes: its copies are not worth their while. */
Test(copies, what_is_written_often_is_left) {
    struct alone alone;
    uint32_t copied = 0, rounds = 20000;
    alone_init(&alone, (uint64_t)2 << 20);
    for (uint32_t i = 0; i < rounds; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            struct copy *copy = alone_find(&alone, 1);
            if (copy && copy_is_fresh(copy, alone.tick)) {
                copies_hit(&alone.copies, copy);
                copied++;
            } else if (alone_note(&alone, 1).asks) {
                alone_add(&alone, 1, 10, 0);
            }
        }
        versions_move(&alone.versions, hash_of(1));
    }
    cr_assert(lt(u32, copied, rounds / 20));
    alone_finish(&alone);
}

/* The whole way. */

/* A set that is still on its way to the owner is seen by the get behind it. */
Test(copies, what_the_connection_has_sent_comes_first) {
    struct fixture fixture;
    char key[16], text[300];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    snprintf(text, sizeof(text), "set %s 0 0 3\r\nnew\r\nget %s\r\n", key, key);
    fixture.received_length = 0;
    fixture_turn(&fixture, text, strlen(text));
    fixture_run_until_idle(&fixture);
    int length = snprintf(text, sizeof(text), "STORED\r\nVALUE %s 0 3\r\nnew\r\nEND\r\n", key);
    cr_assert(eq(sz, fixture.received_length, (size_t)length));
    cr_assert(zero(int, memcmp(fixture.received, text, (size_t)length)));
    fixture_finish(&fixture);
}

/* A get that has gone to the owner, and one behind it that could be answered from a copy: it may
 * not show what was there before. */
Test(copies, answers_do_not_fall_back) {
    struct fixture fixture;
    char key[16], text[300];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    uint64_t before = copies_fixture_hits(&fixture);
    snprintf(text, sizeof(text), "mg %s t v\r\nget %s\r\nmg %s h v\r\n", key, key, key);
    fixture.received_length = 0;
    fixture_turn(&fixture, text, strlen(text));
    fixture_run_until_idle(&fixture);
    cr_assert(eq(u64, copies_fixture_hits(&fixture), before));
    snprintf(text, sizeof(text),
             "VA 3 t-1\r\nold\r\nVALUE %s 5 3\r\nold\r\nEND\r\nVA 3 h1\r\nold\r\n", key);
    cr_assert(eq(sz, fixture.received_length, strlen(text)));
    cr_assert(zero(int, memcmp(fixture.received, text, strlen(text))));
    fixture_finish(&fixture);
}

/* What asks for more than a copy can tell goes to the owner; what does not, does not. */
Test(copies, which_gets_may_have_one) {
    static const struct {
        const char *get;
        bool copied;
    } cases[] = {
        {"get %s\r\n", true},      {"gets %s\r\n", true},     {"mg %s v c f s k q\r\nmn\r\n", true},
        {"mg %s O12 v\r\n", true}, {"mg %s\r\n", true},       {"mg %s h v\r\n", false},
        {"mg %s l v\r\n", false},  {"mg %s t v\r\n", false},  {"mg %s T0 v\r\n", false},
        {"mg %s u v\r\n", false},  {"mg %s N0 v\r\n", false}, {"mg %s R30 v\r\n", false},
        {"me %s\r\n", false},      {"gat 0 %s\r\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        char key[16], text[100];
        copies_fixture_init(&fixture);
        copies_fixture_have(&fixture, key, 0);
        uint64_t before = copies_fixture_hits(&fixture);
        snprintf(text, sizeof(text), cases[i].get, key);
        fixture_feed(&fixture, text, strlen(text));
        cr_assert(eq(u64, copies_fixture_hits(&fixture), before + cases[i].copied), "%s", text);
        fixture_finish(&fixture);
    }
}

/* Each hit is counted once, and the owner hears of all. */
Test(copies, hits_are_counted) {
    struct fixture fixture;
    char key[16], text[100];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    snprintf(text, sizeof(text), "mg %s f v\r\n", key);
    for (int i = 3; i < 100; i++) {
        copies_fixture_expect(&fixture, text, "VA 3 f5\r\nold\r\n");
    }
    struct shard_stats stats[2];
    shard_stats_read(&fixture.shard[0], &stats[0]);
    shard_stats_read(&fixture.shard[1], &stats[1]);
    cr_assert(eq(u64, stats[0].counters.get_hits + stats[1].counters.get_hits, 100));
    cr_assert(eq(u64, stats[0].counters.cmd_get + stats[1].counters.cmd_get, 100));
    cr_assert(lt(u64, 80, stats[0].counters.hot_hits));
    cr_assert(eq(u64, stats[0].counters.hot_copies, 1));
    cr_assert(le(u64, 90, stats[1].store.small.hits + stats[1].store.main.hits));
    fixture_finish(&fixture);
}

/* A copy that is granted is kept, whatever its length, and whether it comes in a message or from a
 * shard that is borrowed. Of what does not lie in one piece of the store none is asked for. */
static void expect_granted_is_kept(struct fixture *fixture, bool lent) {
    const struct shard *holder = &fixture->shard[0], *owner = &fixture->shard[1];
    for (int n = 0; n < 180; n++) {
        char key[16], words[60];
        uint32_t length = (uint32_t)n * 50;
        fixture_name_key(fixture, key, 1, n);
        snprintf(words, sizeof(words), "set $ 0 0 %u\r\n<%u>\r\n", length, length);
        struct script set = script_expand(words, key);
        fixture_feed(fixture, set.bytes, set.length);
        free(set.bytes);
        snprintf(words, sizeof(words), "get %s\r\n", key);
        /* One may have to be sent again, for a long value, and at one the counters are halved. */
        for (int i = 0; i < 4; i++) {
            if (lent) {
                fixture_leave(fixture, 1);
            }
            fixture_feed(fixture, words, strlen(words));
        }
        uint32_t key_length = (uint32_t)strlen(key);
        uint64_t hash = shard_hash(holder, key, key_length);
        bool kept = copies_fixture_is_fresh(fixture, key);
        bool granted = versions_is_shared(&owner->keys.versions, hash);
        cr_assert(eq(int, granted, kept), "%u bytes", length);
        bool may = length <= copies_value_bytes_max(&holder->copies, key_length) &&
                   length <= store_inline_max(owner->keys.store, KEY_LENGTH_MAX);
        cr_assert(eq(int, kept, may), "%u bytes, lent %d", length, lent);
    }
}

Test(copies, what_is_granted_is_kept) {
    static const struct {
        size_t memory_bytes;
        uint16_t least, most;
    } cases[] = {{(size_t)8 << 20, 3000, 4000},
                 {(size_t)16 << 20, 7000, COPIES_VALUE_BYTES_MAX},
                 {(size_t)64 << 20, COPIES_VALUE_BYTES_MAX, COPIES_VALUE_BYTES_MAX}};
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        fixture_init_copies(&fixture, 2, 64, cases[i / 2].memory_bytes);
        uint16_t most = copies_value_bytes_max(&fixture.shard[0].copies, 3);
        cr_assert(ge(u16, most, cases[i / 2].least));
        cr_assert(le(u16, most, cases[i / 2].most));
        expect_granted_is_kept(&fixture, i % 2 == 1);
        fixture_finish(&fixture);
    }
}

/* cache_memlimit. */

static void expect_told(struct fixture *fixture, bool has_copies) {
    const char *line = has_copies ? "STAT hot_keys yes\r\n" : "STAT hot_keys no\r\n";
    fixture->received_length = 0;
    fixture_feed(fixture, "stats settings\r\n", strlen("stats settings\r\n"));
    cr_assert(
        not(zero(ptr, memmem(fixture->received, fixture->received_length, line, strlen(line)))));
}

/* Store and copies of a shard keep to its part of what is allowed, and leave little of it unused:
 * what the table of versions and some copies take. */
static void expect_share(struct fixture *fixture, uint32_t mib, bool has_copies) {
    char text[40];
    snprintf(text, sizeof(text), "cache_memlimit %u\r\n", mib);
    copies_fixture_expect(fixture, text, "OK\r\n");
    for (uint32_t i = 0; i < 2; i++) {
        struct shard_stats stats;
        uint64_t share = (uint64_t)mib * 1024 * 1024 / 2;
        shard_stats_read(&fixture->shard[i], &stats);
        uint64_t copies = fixture->shard[i].copies.memory_bytes;
        uint64_t both = stats.store.memory_bytes_max + copies;
        cr_assert(le(u64, copies, share / COPIES_PART + versions_bytes(VERSIONS_SLOTS_MAX)));
        cr_assert(eq(u64, both, share), "%u MB", mib);
        cr_assert(eq(int, (bool)fixture->shard[i].copies.buckets, has_copies));
        copies_check(&fixture->shard[i].copies);
    }
}

Test(copies, keep_to_a_memory_limit) {
    static const struct {
        uint32_t mib;
        bool has_copies;
    } steps[] = {{50, true}, {20, true}, {8, false}, {9, false}, {100, true}, {512, true}};
    struct fixture fixture;
    char key[16];
    fixture_init_copies(&fixture, 2, 64, (size_t)64 << 20);
    copies_fixture_have(&fixture, key, 0);
    copies_fixture_expect(&fixture, "cache_memlimit 513\r\n",
                          "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n");
    expect_share(&fixture, 128, true); /* as it is */
    cr_assert(copies_fixture_is_fresh(&fixture, key));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        expect_share(&fixture, steps[i].mib, steps[i].has_copies);
        expect_told(&fixture, steps[i].has_copies);
        cr_assert(not(copies_fixture_is_fresh(&fixture, key)));
        copies_fixture_expect(&fixture, "get none\r\n", "END\r\n");
        if (steps[i].has_copies) {
            copies_fixture_have_again(&fixture, key);
        }
    }
    fixture_finish(&fixture);
}
