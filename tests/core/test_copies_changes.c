/* Whatever changes an item, or has it gone, no copy answers with what was there before. The clock
 * of the reactor that has the copy stands still where time passes: the word alone has to tell. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/transfer.h"
#include "tests/core/copies_fixture.h"

static struct store *store_of(struct fixture *fixture) {
    return fixture->shard[1].keys.store;
}

/* For the keys of shard 1, not for the reactor that has copies of them. */
static void pass(struct fixture *fixture, uint32_t seconds) {
    fixture->shard[1].keys.now += seconds * CLOCK_TICKS_PER_SECOND;
}

static void pass_for_all(struct fixture *fixture, uint32_t seconds) {
    pass(fixture, seconds);
    fixture->shard[0].keys.now += seconds * CLOCK_TICKS_PER_SECOND;
    fixture->shard[0].tick += seconds * CLOCK_TICKS_PER_SECOND;
}

/* A command with the key at its $. */
static void name(char text[200], const char *command, const char *key) {
    size_t before = strcspn(command, "$");
    memcpy(text, command, before);
    text[before] = '\0';
    if (command[before] == '$') {
        strcat(text, key);
        strcat(text, command + before + 1);
    }
}

static void ask(struct fixture *fixture, const char *command, const char *key, const char *reply) {
    char text[200];
    name(text, command, key);
    copies_fixture_expect(fixture, text, reply);
}

static void expect_gone(struct fixture *fixture, const char *key) {
    cr_assert(not(copies_fixture_is_fresh(fixture, key)));
    ask(fixture, "mg $ v\r\n", key, "EN\r\n");
}

/* Commands. */

static const struct change {
    const char *change, *says, *reads;
} changes[] = {
    {"set $ 1 0 3\r\nnew\r\n", "STORED\r\n", "VA 3 f1\r\nnew\r\n"},
    {"set $ 1 0 0\r\n\r\n", "STORED\r\n", "VA 0 f1\r\n\r\n"},
    {"replace $ 1 0 3\r\nnew\r\n", "STORED\r\n", "VA 3 f1\r\nnew\r\n"},
    {"append $ 1 0 3\r\nnew\r\n", "STORED\r\n", "VA 6 f5\r\noldnew\r\n"},
    {"prepend $ 1 0 3\r\nnew\r\n", "STORED\r\n", "VA 6 f5\r\nnewold\r\n"},
    {"ms $ 3 F1\r\nnew\r\n", "HD\r\n", "VA 3 f1\r\nnew\r\n"},
    {"ms $ 3 MA\r\nnew\r\n", "HD\r\n", "VA 6 f5\r\noldnew\r\n"},
    {"delete $\r\n", "DELETED\r\n", "EN\r\n"},
    {"touch $ -1\r\n", "TOUCHED\r\n", "EN\r\n"},
    {"gat -1 $\r\n", NULL, "EN\r\n"},
    {"mg $ T-1\r\n", "HD\r\n", "EN\r\n"},
    {"mg $ T10\r\n", "HD\r\n", "VA 3 f5\r\nold\r\n"},
    {"md $\r\n", "HD\r\n", "EN\r\n"},
    {"md $ x\r\n", "HD\r\n", "VA 0 f0\r\n\r\n"},
    {"md $ I\r\n", "HD\r\n", "VA 3 f5 X W\r\nold\r\n"},
    {"set $ 1 0 2000000 noreply\r\n", NULL, "EN\r\n"},
    {"flush_all\r\n", "OK\r\n", "EN\r\n"},
    {"flush_prefix $\r\n", "OK\r\n", "EN\r\n"},
    {"flush_prefix k\r\n", "OK\r\n", "EN\r\n"},
};

static void change_one(struct change change, bool lent) {
    struct fixture fixture;
    char key[16], text[200];
    copies_fixture_init(&fixture);
    if (lent) {
        fixture_leave(&fixture, 1);
    }
    copies_fixture_have(&fixture, key, 0);
    name(text, change.change, key);
    fixture.received_length = 0;
    if (lent) {
        fixture_leave(&fixture, 1);
    }
    fixture_feed(&fixture, text, strlen(text));
    if (strstr(text, "2000000")) {
        char *value = calloc(1, 2000002);
        memcpy(value + 2000000, "\r\n", 2);
        fixture_feed(&fixture, value, 2000002);
        free(value);
    }
    if (change.says) {
        cr_assert(eq(sz, fixture.received_length, strlen(change.says)), "%s", text);
        cr_assert(zero(int, memcmp(fixture.received, change.says, strlen(change.says))), "%s",
                  text);
    }
    cr_assert(not(copies_fixture_is_fresh(&fixture, key)), "%s", text);
    uint64_t before = copies_fixture_hits(&fixture);
    ask(&fixture, "mg $ f v\r\n", key, change.reads);
    cr_assert(eq(u64, copies_fixture_hits(&fixture), before));
    fixture_finish(&fixture);
}

/* By the owner, and by a reactor that has borrowed the shard. */
Test(copies_changes, each_command_is_seen) {
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        change_one(changes[i], false);
        change_one(changes[i], true);
    }
}

Test(copies_changes, numbers) {
    struct fixture fixture;
    char key[16];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    ask(&fixture, "set $ 0 0 1\r\n7\r\n", key, "STORED\r\n");
    for (int i = 0; i < 3; i++) {
        ask(&fixture, "mg $ v\r\n", key, "VA 1\r\n7\r\n");
    }
    cr_assert(copies_fixture_is_fresh(&fixture, key));
    ask(&fixture, "incr $ 2\r\n", key, "9\r\n");
    cr_assert(not(copies_fixture_is_fresh(&fixture, key)));
    ask(&fixture, "mg $ v\r\n", key, "VA 1\r\n9\r\n");
    ask(&fixture, "mg $ v\r\n", key, "VA 1\r\n9\r\n");
    ask(&fixture, "ma $ MD D4 v\r\n", key, "VA 1\r\n5\r\n");
    ask(&fixture, "mg $ v\r\n", key, "VA 1\r\n5\r\n");
    fixture_finish(&fixture);
}

/* What others' keys are told leaves a copy as it is, unless their slots are one. */
Test(copies_changes, others_are_left) {
    struct fixture fixture;
    char key[16], other[16];
    copies_fixture_init(&fixture);
    fixture_name_key(&fixture, other, 1, 1);
    copies_fixture_have(&fixture, key, 0);
    ask(&fixture, "set $ 0 0 3\r\nnew\r\n", other, "STORED\r\n");
    ask(&fixture, "delete $\r\n", other, "DELETED\r\n");
    cr_assert(copies_fixture_is_fresh(&fixture, key));
    fixture_finish(&fixture);
}

/* The memory of the old value may be taken as soon as a long one begins to come. */
Test(copies_changes, a_long_value) {
    struct fixture fixture;
    char key[16], text[100];
    enum { LENGTH = 300000 };
    char *value = calloc(1, LENGTH + 2);
    memcpy(value + LENGTH, "\r\n", 2);
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    int length = snprintf(text, sizeof(text), "set %s 0 0 %d\r\n", key, LENGTH);
    fixture_feed(&fixture, text, (size_t)length);
    fixture_feed(&fixture, value, LENGTH / 2);
    cr_assert(not(copies_fixture_is_fresh(&fixture, key)));
    fixture_feed(&fixture, value + LENGTH / 2, LENGTH / 2 + 2);
    ask(&fixture, "mg $ s\r\n", key, "HD s300000\r\n");
    cr_assert(not(copies_fixture_is_fresh(&fixture, key)));
    free(value);
    fixture_finish(&fixture);
}

/* Time. */

static void have_expiring(struct fixture *fixture, char key[16]) {
    copies_fixture_init(fixture);
    copies_fixture_have(fixture, key, 0);
    ask(fixture, "touch $ 10\r\n", key, "TOUCHED\r\n");
    for (int i = 0; i < 3; i++) {
        ask(fixture, "mg $ v\r\n", key, "VA 3\r\nold\r\n");
    }
    cr_assert(copies_fixture_is_fresh(fixture, key));
}

Test(copies_changes, expired_by_the_clock_of_all) {
    struct fixture fixture;
    char key[16];
    have_expiring(&fixture, key);
    pass_for_all(&fixture, 11);
    expect_gone(&fixture, key);
    fixture_finish(&fixture);
}

/* Once the owner has told anybody. */
Test(copies_changes, expired_by_the_clock_of_the_owner) {
    static const struct {
        const char *asks, *says;
    } cases[] = {{"me $\r\n", "EN\r\n"},
                 {"mg $ t\r\n", "EN\r\n"},
                 {"gat 0 $\r\n", "END\r\n"},
                 {"delete $\r\n", "NOT_FOUND\r\n"},
                 {"incr $ 1\r\n", "NOT_FOUND\r\n"},
                 {"replace $ 0 0 1\r\nx\r\n", "NOT_STORED\r\n"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        char key[16];
        have_expiring(&fixture, key);
        pass(&fixture, 11);
        ask(&fixture, cases[i].asks, key, cases[i].says);
        expect_gone(&fixture, key);
        fixture_finish(&fixture);
    }
}

static void crawl(struct fixture *fixture) {
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    while (store_crawl(store_of(fixture), &cursor, 100, fixture->shard[1].keys.now, &checked,
                       &reclaimed)) {
    }
    cr_assert(lt(u64, 0, reclaimed));
}

Test(copies_changes, found_by_the_crawler) {
    struct fixture fixture;
    char key[16];
    have_expiring(&fixture, key);
    pass(&fixture, 11);
    crawl(&fixture);
    expect_gone(&fixture, key);
    fixture_finish(&fixture);
}

/* A copy from before the order, and one from behind it. */
Test(copies_changes, flushes_to_come) {
    static const char *const orders[] = {"flush_all 10\r\n", "flush_prefix k 10\r\n"};
    for (size_t i = 0; i < 4; i++) {
        struct fixture fixture;
        char key[16];
        copies_fixture_init(&fixture);
        copies_fixture_have(&fixture, key, 0);
        ask(&fixture, orders[i / 2], key, "OK\r\n");
        cr_assert(not(copies_fixture_is_fresh(&fixture, key)));
        for (int j = 0; j < 3 && i % 2 == 0; j++) {
            ask(&fixture, "mg $ v\r\n", key, "VA 3\r\nold\r\n");
            cr_assert(copies_fixture_is_fresh(&fixture, key));
        }
        pass_for_all(&fixture, 11);
        expect_gone(&fixture, key);
        fixture_finish(&fixture);
    }
}

/* A rule of a prefix ends, since all it covers is gone, before anybody has asked for the key. */
Test(copies_changes, rules_that_end) {
    struct fixture fixture;
    char key[16];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    ask(&fixture, "flush_prefix $\r\n", key, "OK\r\n");
    crawl(&fixture);
    cr_assert(not(store_flushes_prefixes(store_of(&fixture))));
    expect_gone(&fixture, key);
    copies_fixture_have(&fixture, key, 0);
    fixture_finish(&fixture);
}

/* Memory. */

static struct store_key key_of(const struct fixture *fixture, const char *key) {
    uint32_t length = (uint32_t)strlen(key);
    return (struct store_key){key, length, shard_hash(&fixture->shard[1], key, length)};
}

static bool is_there(struct fixture *fixture, const char *key) {
    const struct store_key wanted = key_of(fixture, key);
    struct store_item item;
    return store_peek(store_of(fixture), &wanted, fixture->shard[1].keys.now, &item) == STORE_OK;
}

/* An item that is read, past the commands: these would tell of it. */
static void put_other(struct fixture *fixture, uint32_t number) {
    static const char value[2000];
    const struct store_write write = {.value = value, .value_length = sizeof(value)};
    uint32_t now = fixture->shard[1].keys.now;
    char name[20];
    snprintf(name, sizeof(name), "other%u", number);
    const struct store_key key = key_of(fixture, name);
    struct store_item item;
    uint64_t cas;
    cr_assert(eq(int, store_write(store_of(fixture), &key, &write, now, &cas), STORE_OK));
    cr_assert(eq(int, store_get(store_of(fixture), &key, now, &item), STORE_OK));
}

Test(copies_changes, evicted) {
    struct fixture fixture;
    char key[16];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    for (uint32_t i = 0; is_there(&fixture, key); i++) {
        cr_assert(lt(u32, i, 100000));
        cr_assert(copies_fixture_is_fresh(&fixture, key));
        put_other(&fixture, i);
    }
    expect_gone(&fixture, key);
    fixture_finish(&fixture);
}

Test(copies_changes, less_memory) {
    struct fixture fixture;
    char key[16];
    copies_fixture_init(&fixture);
    copies_fixture_have(&fixture, key, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        put_other(&fixture, i);
    }
    ask(&fixture, "cache_memlimit 8\r\n", key, "OK\r\n");
    copies_fixture_have_again(&fixture, key);
    for (uint32_t i = 0; is_there(&fixture, key); i++) {
        cr_assert(lt(u32, i, 100000));
        cr_assert(copies_fixture_is_fresh(&fixture, key));
        if (!store_maintain(store_of(&fixture), fixture.shard[1].keys.now)) {
            put_other(&fixture, i % 1000);
        }
    }
    expect_gone(&fixture, key);
    fixture_finish(&fixture);
}

/* Items that move here from old stores. */

#define MOVING 4

struct moving {
    struct fixture fixture;
    struct store *old;
    struct store_transfer *transfer;
    char keys[MOVING][16];
};

static void moving_put(struct moving *moving, const char *key) {
    const struct store_key stored = key_of(&moving->fixture, key);
    const struct store_write write = {.value = "old", .value_length = 3};
    uint64_t cas;
    cr_assert(eq(int, store_write(moving->old, &stored, &write, CLOCK_FIRST_TICK, &cas), STORE_OK));
}

static void moving_init(struct moving *moving) {
    struct fixture *fixture = &moving->fixture;
    *moving = (struct moving){0};
    copies_fixture_init(fixture);
    const struct store_config config = {
        .hash = shard_key_hash,
        .seed = fixture->shard[1].seed,
        .memory_bytes = COPIES_FIXTURE_MEMORY,
        .memory_bytes_max = COPIES_FIXTURE_MEMORY,
        .item_bytes_max = (size_t)1 << 20,
        .shards = 1,
    };
    cr_assert(zero(int, store_create(&moving->old, &config)));
    for (int i = 0; i < MOVING; i++) {
        fixture_name_key(fixture, moving->keys[i], 1, i);
        moving_put(moving, moving->keys[i]);
    }
    struct store *stores[] = {fixture->shard[0].keys.store, fixture->shard[1].keys.store};
    const struct store_side from = {&moving->old, 1}, to = {stores, 2};
    cr_assert(zero(
        int, store_transfer_begin(&moving->transfer, &from, &to, shard_of_hash, CLOCK_FIRST_TICK)));
    for (int i = 0; i < MOVING; i++) {
        for (int j = 0; j < 3; j++) {
            ask(fixture, "mg $ v\r\n", moving->keys[i], "VA 3\r\nold\r\n");
        }
        cr_assert(copies_fixture_is_fresh(fixture, moving->keys[i]));
    }
}

static void moving_finish(struct moving *moving) {
    struct fixture *fixture = &moving->fixture;
    while (!store_transfer_is_done(moving->transfer)) {
        store_maintain(fixture->shard[0].keys.store, CLOCK_FIRST_TICK);
        store_maintain(fixture->shard[1].keys.store, CLOCK_FIRST_TICK);
    }
    store_transfer_end(moving->transfer);
    store_destroy(moving->old);
}

/* They were copied out of an old store; nothing of it comes back when the others have moved. */
Test(copies_changes, moved_from_old_stores) {
    static const char *const after[MOVING] = {"VA 3\r\nold\r\n", "VA 3\r\nnew\r\n", "EN\r\n",
                                              "EN\r\n"};
    struct moving moving;
    struct fixture *fixture = &moving.fixture;
    moving_init(&moving);
    ask(fixture, "set $ 0 0 3\r\nnew\r\n", moving.keys[1], "STORED\r\n");
    ask(fixture, "delete $\r\n", moving.keys[2], "DELETED\r\n");
    ask(fixture, "touch $ -1\r\n", moving.keys[3], "TOUCHED\r\n");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MOVING; i++) {
            ask(fixture, "mg $ v\r\n", moving.keys[i], after[i]);
            ask(fixture, "mg $ v\r\n", moving.keys[i], after[i]);
        }
        if (round == 0) {
            moving_finish(&moving);
        }
    }
    fixture_finish(fixture);
}

Test(copies_changes, flushed_while_they_move) {
    static const char *const orders[] = {"flush_all\r\n", "flush_prefix k\r\n"};
    for (int i = 0; i < 2; i++) {
        struct moving moving;
        moving_init(&moving);
        ask(&moving.fixture, orders[i], "", "OK\r\n");
        expect_gone(&moving.fixture, moving.keys[0]);
        moving_finish(&moving);
        for (int j = 0; j < MOVING; j++) {
            expect_gone(&moving.fixture, moving.keys[j]);
        }
        fixture_finish(&moving.fixture);
    }
}
