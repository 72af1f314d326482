/* Lending: the word, and what a reactor does for a shard that is free. Two or three shards of one
 * thread, each left and taken by hand. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/fixture.h"

#define MEMORY_BYTES ((size_t)8 << 20)

/* The reactors of a fixture, and whom shard 0's has woken. */
struct lenders {
    struct fixture fixture;
    struct shard_hooks hooks;
    uint32_t wakes[FIXTURE_SHARDS_MAX];
};

static void lenders_wake(void *reactor, uint32_t other) {
    struct lenders *lenders = reactor;
    lenders->wakes[other]++;
}

static void lenders_init(struct lenders *lenders, uint32_t shards, uint32_t ring_capacity) {
    *lenders = (struct lenders){.hooks = fixture_hooks};
    fixture_init(&lenders->fixture, shards, ring_capacity, MEMORY_BYTES);
    lenders->hooks.wake = lenders_wake;
    for (uint32_t i = 0; i < shards; i++) {
        lenders->fixture.shard[i].hooks = &lenders->hooks;
        lenders->fixture.shard[i].reactor = lenders;
    }
}

/* A shard's reactor goes to sleep. */
static void lenders_sleep(struct lenders *lenders, uint32_t shard) {
    fixture_leave(&lenders->fixture, shard);
    cr_assert(mesh_may_sleep(lenders->fixture.shard[shard].port));
}

/* It is woken, or wakes up by itself, and has a turn. */
static void lenders_turn(struct lenders *lenders, uint32_t shard) {
    mesh_awake(lenders->fixture.shard[shard].port);
    fixture_serve(&lenders->fixture, shard, UINT32_MAX);
}

static struct lending *word_of(struct lenders *lenders, uint32_t shard) {
    return mesh_lending(lenders->fixture.shard[shard].port);
}

/* One turn of shard 0 with a command; $ is a key of the shard. */
static void lenders_send(struct lenders *lenders, const char *format, uint32_t shard) {
    char key[16], line[400];
    fixture_name_key(&lenders->fixture, key, shard, 0);
    int length = snprintf(line, sizeof(line), format, key, key, key);
    fixture_turn(&lenders->fixture, line, (size_t)length);
}

static void expect_received(struct lenders *lenders, const char *expected) {
    struct fixture *fixture = &lenders->fixture;
    fixture_read(fixture, SIZE_MAX);
    cr_assert(eq(sz, fixture->received_length, strlen(expected)), "not %s", expected);
    cr_assert(zero(int, memcmp(fixture->received, expected, strlen(expected))), "not %s", expected);
    fixture->received_length = 0;
}

/* The word. */

Test(lending, one_has_it_at_a_time) {
    struct lending lending;
    lending_init(&lending);
    cr_assert(not(lending_borrow(&lending))); /* held */
    lending_free(&lending);
    cr_assert(not(lending_is_lent(&lending)));
    cr_assert(lending_borrow(&lending));
    cr_assert(not(lending_borrow(&lending))); /* lent */
    cr_assert(lending_is_lent(&lending));
    cr_assert(not(lending_return(&lending)));
    cr_assert(lending_take_or_want(&lending));
    cr_assert(not(lending_borrow(&lending)));
}

Test(lending, who_wants_it_gets_it_next) {
    struct lending lending;
    lending_init(&lending);
    lending_free(&lending);
    cr_assert(lending_borrow(&lending));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, lending_is_wanted(&lending), i > 0));
        cr_assert(not(lending_take_or_want(&lending)));
        cr_assert(lending_is_wanted(&lending));
    }
    cr_assert(not(lending_waits_for_owner(&lending)));
    cr_assert(lending_return(&lending));
    cr_assert(lending_waits_for_owner(&lending));
    cr_assert(not(lending_borrow(&lending)));
    cr_assert(lending_take_or_want(&lending));
}

Test(lending, it_may_be_left_to_its_own_reactor) {
    struct lending lending;
    lending_init(&lending);
    lending_free(&lending);
    cr_assert(lending_borrow(&lending));
    lending_return_wanted(&lending);
    cr_assert(not(lending_borrow(&lending)));
    cr_assert(lending_take_or_want(&lending));
}

/* Requests. */

Test(lend, a_free_shard_is_served_without_a_message) {
    struct lenders lenders;
    lenders_init(&lenders, 2, 4);
    lenders_sleep(&lenders, 1);
    lenders_send(&lenders, "set %s 0 0 1\r\nx\r\nget %s\r\n", 1);
    const struct shard *shard = lenders.fixture.shard;
    cr_assert(zero(u32, mesh_outstanding(shard[0].port)));
    cr_assert(zero(u32, lenders.wakes[1]));
    cr_assert(eq(u64, shard[0].counters.lent_requests, 2));
    cr_assert(eq(u64, shard[0].counters.mesh_requests, 2));
    cr_assert(eq(u64, shard[1].keys.counters.get_hits, 1));
    cr_assert(zero(u64, shard[0].keys.counters.cmd_get));
    cr_assert(not(lending_is_lent(word_of(&lenders, 1))));
    lenders_turn(&lenders, 1);
    fixture_read(&lenders.fixture, SIZE_MAX);
    cr_assert(eq(sz, lenders.fixture.received_length, 30));
    fixture_finish(&lenders.fixture);
}

/* A request for a shard in use goes there by message, and those behind it don't overtake it when
 * the shard has come free. */
Test(lend, messages_that_are_out_come_first) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    lenders_init(&lenders, 2, 64);
    lenders_send(&lenders, "set %s 0 0 1\r\nx\r\n", 1);
    cr_assert(
        eq(u64, fixture->shard[0].counters.lend_refused, 2)); /* for the batch, and behind it */
    cr_assert(mesh_has_requests(fixture->shard[1].port));
    fixture_leave(fixture, 1);
    lenders_send(&lenders, "append %s 0 0 1\r\ny\r\nget %s\r\n", 1);
    cr_assert(not(mesh_has_requests(fixture->shard[1].port)));
    cr_assert(eq(u64, fixture->shard[0].counters.lent_requests, 3));
    fixture_turn(fixture, NULL, 0);
    char key[16], expected[100];
    fixture_name_key(fixture, key, 1, 0);
    snprintf(expected, sizeof(expected), "STORED\r\nSTORED\r\nVALUE %s 0 2\r\nxy\r\nEND\r\n", key);
    expect_received(&lenders, expected);
    fixture_finish(fixture);
}

/* Whoever serves a shard does so for all, and wakes who sleeps; itself it never does. */
Test(lend, requests_of_others_are_served_too) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    lenders_init(&lenders, 3, 4);
    struct shard *asker = &fixture->shard[2];
    struct message *message = message_take(&asker->messages);
    const struct request get = {.op = OP_GET, .key = "k", .key_length = 1};
    message_set_request(message, &get, 0);
    message->kind = MESSAGE_REQUEST;
    message->complete = shard_give_message;
    mesh_send_request(asker->port, 1, message);
    mesh_publish_requests(asker->port);
    lenders_sleep(&lenders, 2);
    lenders_send(&lenders, "delete %s\r\n", 1); /* shard 1 is in use */
    fixture_leave(fixture, 1);
    fixture_turn(fixture, NULL, 0);
    cr_assert(eq(u32, lenders.wakes[2], 1));
    cr_assert(zero(u32, lenders.wakes[0] + lenders.wakes[1]));
    cr_assert(eq(u64, fixture->shard[0].counters.lent_requests, 2));
    mesh_awake(asker->port);
    cr_assert(exchange_collect_replies(asker));
    fixture_turn(fixture, NULL, 0);
    expect_received(&lenders, "NOT_FOUND\r\n");
    fixture_finish(fixture);
}

/* What concerns more than keys is left to the shard's own reactor, with all that comes behind. */
Test(lend, settings_are_changed_by_the_own_reactor) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    lenders_init(&lenders, 2, 64);
    lenders_sleep(&lenders, 1);
    lenders_send(&lenders, "delete %s\r\nverbosity 1\r\ndelete %s\r\n", 1);
    cr_assert(eq(u32, lenders.wakes[1], 1));
    cr_assert(lending_waits_for_owner(word_of(&lenders, 1)));
    cr_assert(zero(u32, fixture->shard[1].settings.verbosity));
    cr_assert(mesh_has_requests(fixture->shard[1].port));
    lenders_turn(&lenders, 1);
    cr_assert(eq(u32, fixture->shard[1].settings.verbosity, 1));
    fixture_turn(fixture, NULL, 0);
    expect_received(&lenders, "NOT_FOUND\r\nOK\r\nNOT_FOUND\r\n");
    fixture_finish(fixture);
}

/* The own reactor comes back in the middle of a batch: it gets its shard before the next request,
 * and is woken behind the batch if it sleeps by then. */
Test(lend, a_shard_that_is_wanted_goes_back_at_once) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    lenders_init(&lenders, 2, 4);
    struct shard *borrower = &fixture->shard[0];
    fixture_leave(fixture, 1);
    cr_assert(lend_borrow(borrower, 1));
    cr_assert(lend_keys(borrower, 1) == &fixture->shard[1].keys);
    cr_assert(not(shard_take(&fixture->shard[1])));
    cr_assert(not(shard_holds(&fixture->shard[1], 1)));
    cr_assert(mesh_may_sleep(fixture->shard[1].port));
    cr_assert(zero(ptr, lend_keys(borrower, 1)));
    cr_assert(not(shard_borrows(borrower, 1)));
    cr_assert(zero(u32, lenders.wakes[1]));
    lend_return_all(borrower);
    cr_assert(eq(u32, lenders.wakes[1], 1));
    cr_assert(not(mesh_may_sleep(fixture->shard[1].port))); /* it is left to it alone */
    cr_assert(shard_take(&fixture->shard[1]));
    fixture_finish(fixture);
}

/* A reactor whose own keys are lent runs what needs them when it has them again. */
Test(lend, what_needs_lent_keys_waits) {
    static const struct {
        const char *command;
        size_t begin; /* bytes of the answer that come before any key is looked at */
    } cases[] = {{"set %s 0 0 1\r\nx\r\n", 0},
                 {"flush_all\r\n", 0},
                 {"lru_crawler metadump all\r\n", 4},
                 {"stats sizes\r\n", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lenders lenders;
        lenders_init(&lenders, 2, 4);
        fixture_leave(&lenders.fixture, 0);
        lenders_send(&lenders, cases[i].command, 0);
        lenders_turn(&lenders, 1);
        fixture_turn(&lenders.fixture, NULL, 0);
        fixture_read(&lenders.fixture, SIZE_MAX);
        cr_assert(eq(sz, lenders.fixture.received_length, cases[i].begin), "%s", cases[i].command);
        fixture_run_until_idle(&lenders.fixture);
        cr_assert(lt(sz, cases[i].begin, lenders.fixture.received_length), "%s", cases[i].command);
        fixture_finish(&lenders.fixture);
    }
}

/* What the shard's own reactor would have planned. */

Test(lend, a_first_time_to_live_wakes_the_reactor) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    lenders_init(&lenders, 2, 4);
    lenders_sleep(&lenders, 1);
    lenders_send(&lenders, "set %s 0 0 1\r\nx\r\n", 1);
    cr_assert(zero(u32, lenders.wakes[1])); /* it never expires */
    lenders_send(&lenders, "set %s 0 1000 1\r\nx\r\n", 1);
    cr_assert(eq(u32, lenders.wakes[1], 1));
    lenders_turn(&lenders, 1);
    lenders_sleep(&lenders, 1);
    lenders_send(&lenders, "set %s 0 2000 1\r\nx\r\n", 1);
    cr_assert(eq(u32, lenders.wakes[1], 1)); /* it has planned for an earlier time */
    lenders_send(&lenders, "set %s 0 10 1\r\nx\r\n", 1);
    cr_assert(eq(u32, lenders.wakes[1], 2));
    cr_assert(lending_waits_for_owner(word_of(&lenders, 1)));
    lenders_turn(&lenders, 1);
    fixture_finish(fixture);
}

/* Memory is given back in slices: while one is left the reactor is called. */
Test(lend, maintenance_is_not_left_undone) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    uint32_t called = 0;
    lenders_init(&lenders, 2, 4);
    lenders_sleep(&lenders, 1);
    for (int i = 0; i < 60000; i++) {
        char line[400];
        int length = snprintf(line, sizeof(line), "set key%d 0 0 300 noreply\r\n%0300d\r\n", i, i);
        if (i == 30000) { /* as cache_memlimit has it */
            store_resize(fixture->shard[1].keys.store, MEMORY_BYTES / 4);
        }
        fixture_turn(fixture, line, (size_t)length);
        cr_assert(eq(int, fixture->shard[1].keys.maintaining, lenders.wakes[1] > called));
        if (lenders.wakes[1] > called) {
            called = lenders.wakes[1];
            lenders_turn(&lenders, 1);
            while (store_maintain(fixture->shard[1].keys.store, fixture->shard[1].keys.now)) {
            }
            fixture->shard[1].keys.maintaining = false;
            lenders_sleep(&lenders, 1);
        }
    }
    cr_assert(lt(u32, 0, called));
    fixture_finish(fixture);
}

/* More requests than one reactor should do: the own one is called to help. */
Test(lend, much_work_calls_the_own_reactor) {
    for (uint32_t count = 50; count <= 200; count += 150) {
        struct lenders lenders;
        struct fixture *fixture = &lenders.fixture;
        lenders_init(&lenders, 2, 256);
        struct shard *asker = &fixture->shard[0];
        lenders_sleep(&lenders, 1);
        for (uint32_t i = 0; i < count; i++) {
            struct message *message = message_take(&asker->messages);
            const struct request get = {.op = OP_GET, .key = "k", .key_length = 1};
            message_set_request(message, &get, 0);
            message->complete = shard_give_message;
            mesh_send_request(asker->port, 1, message);
        }
        mesh_publish_requests(asker->port);
        lend_serve_others(asker);
        cr_assert(eq(u32, lenders.wakes[1], count > 100));
        cr_assert(eq(u64, asker->counters.lent_requests, count > 100 ? EXCHANGE_BATCH_MAX : count));
        lenders_turn(&lenders, 1);
        cr_assert(exchange_collect_replies(asker));
        fixture_finish(fixture);
    }
}

/* Time. */

Test(lend, the_time_of_keys_is_the_latest_of_all_who_serve_them) {
    struct lenders lenders;
    struct fixture *fixture = &lenders.fixture;
    lenders_init(&lenders, 2, 4);
    struct keyspace *keys = &fixture->shard[1].keys;
    fixture_leave(fixture, 1);
    fixture->shard[0].tick = 500;
    fixture->shard[0].now_ns = 50000000000;
    lenders_send(&lenders, "get %s\r\n", 1);
    cr_assert(eq(u32, keys->now, 500));
    cr_assert(eq(u64, keys->now_ns, 50000000000));
    cr_assert(shard_take(&fixture->shard[1])); /* with its own time, which is behind */
    cr_assert(eq(u32, keys->now, 500));
    cr_assert(eq(u64, keys->now_ns, 50000000000));
    fixture_finish(fixture);
}
