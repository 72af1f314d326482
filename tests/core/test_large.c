/* Large values through a connection without a kernel: how they go in and out in any fragments and
 * completion order, what is answered when they can't, and that a connection that breaks gives all
 * back. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/fixture.h"
#include "tests/core/script.h"

#define MEMORY_BYTES ((size_t)8 << 20)

static void forget(struct fixture *fixture) {
    free(fixture->received);
    fixture->received = NULL;
    fixture->received_length = 0;
}

static bool has_received(const struct fixture *fixture, const struct script *wanted) {
    return fixture->received_length == wanted->length &&
           (wanted->length == 0 || memcmp(fixture->received, wanted->bytes, wanted->length) == 0);
}

static void feed(struct fixture *fixture, const char *words, const char *key) {
    struct script script = script_expand(words, key);
    fixture_feed(fixture, script.bytes, script.length);
    free(script.bytes);
}

static void expect(struct fixture *fixture, const char *key, const char *words,
                   const char *answer) {
    struct script wanted = script_expand(answer, key);
    forget(fixture);
    feed(fixture, words, key);
    size_t shown = fixture->received_length < 200 ? fixture->received_length : 200;
    cr_assert(has_received(fixture, &wanted), "key %s, %s: %.*s… of %zu bytes", key, words,
              (int)shown, fixture->received, fixture->received_length);
    free(wanted.bytes);
}

struct exchange {
    const char *sent;
    const char *answer;
};

/* For a key of the connection's own shard, and of another. */
static void expect_all(const struct exchange *exchanges, size_t count) {
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct fixture fixture;
        char key[16];
        fixture_init(&fixture, 2, 4, MEMORY_BYTES);
        fixture_name_key(&fixture, key, owner, 0);
        for (size_t i = 0; i < count; i++) {
            expect(&fixture, key, exchanges[i].sent, exchanges[i].answer);
        }
        cr_assert(eq(u64, fixture_held(&fixture), 0));
        fixture_finish(&fixture);
    }
}

#define EXPECT_ALL(exchanges) expect_all(exchanges, sizeof(exchanges) / sizeof(exchanges[0]))

Test(large, text) {
    static const struct exchange exchanges[] = {
        {"add $ 0 0 50000\r\n<50000>\r\n", "STORED\r\n"},
        {"add $ 0 0 60000\r\n<60000>\r\n", "NOT_STORED\r\n"},
        {"get $\r\n", "VALUE $ 0 50000\r\n<50000>\r\nEND\r\n"},
        {"replace $ 5 0 40000 noreply\r\n<40000>\r\n", ""},
        {"get $ nothing $\r\n",
         "VALUE $ 5 40000\r\n<40000>\r\nVALUE $ 5 40000\r\n<40000>\r\nEND\r\n"},
        {"append $ 0 0 3\r\nxyz\r\nprepend $ 0 0 20000\r\n<20000>\r\n", "STORED\r\nSTORED\r\n"},
        {"gat 0 $\r\n", "VALUE $ 5 60003\r\n<20000><40000>xyz\r\nEND\r\n"},
        {"append $ 0 0 30000\r\n<30000>\r\nget $\r\n",
         "STORED\r\nVALUE $ 5 90003\r\n<20000><40000>xyz<30000>\r\nEND\r\n"},
        {"incr $ 1\r\n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
        {"cas $ 0 0 30000 1000000\r\n<30000>\r\n", "EXISTS\r\n"},
        {"touch $ 100\r\ndelete $\r\nget $\r\n", "TOUCHED\r\nDELETED\r\nEND\r\n"},
        {"cas $ 0 0 30000 1000000\r\n<30000>\r\n", "NOT_FOUND\r\n"},
        {"append $ 0 0 30000\r\n<30000>\r\nreplace $ 0 0 30000\r\n<30000>\r\n",
         "NOT_STORED\r\nNOT_STORED\r\n"},
    };
    EXPECT_ALL(exchanges);
}

Test(large, meta) {
    static const struct exchange exchanges[] = {
        {"ms $ 50000 F7 k\r\n<50000>\r\n", "HD k$\r\n"},
        {"mg $ s f\r\n", "HD s50000 f7\r\n"},
        {"mg $ k v q\r\nmn\r\n", "VA 50000 k$\r\n<50000>\r\nMN\r\n"},
        {"ms $ 20000 MA Oab s\r\n<20000>\r\nmg $ v s\r\n",
         "HD Oab s70000\r\nVA 70000 s70000\r\n<50000><20000>\r\n"},
        {"ms $ 20000 E77 q\r\n<20000>\r\nmg $ v C77 c\r\nmg $ v C78\r\n",
         "HD c77\r\nVA 20000\r\n<20000>\r\n"},
        {"ms $ 20000 ME\r\n<20000>\r\nms $ 20000 C78 s c\r\n<20000>\r\n", "NS\r\nEX s20000 c0\r\n"},
        {"md $ I T30\r\nmg $ v\r\nmd $ x\r\nmg $ v\r\n",
         "HD\r\nVA 20000 X W\r\n<20000>\r\nHD\r\nVA 0\r\n\r\n"},
        {"ms $ 20000 Mx\r\n<20000>\r\nmn\r\n",
         "CLIENT_ERROR invalid mode for ms M token\r\nMN\r\n"},
    };
    EXPECT_ALL(exchanges);
}

/* What isn't ended as it should be is not stored, and what follows is understood. */
Test(large, values_without_their_end) {
    static const struct exchange exchanges[] = {
        {"set $ 0 0 3\r\nold\r\n", "STORED\r\n"},
        {"set $ 0 0 50000\r\n<50000>xxget $\r\n",
         "CLIENT_ERROR bad data chunk\r\nVALUE $ 0 3\r\nold\r\nEND\r\n"},
        {"set $ 0 0 50000 noreply\r\n<50000>xxget $\r\n", "VALUE $ 0 3\r\nold\r\nEND\r\n"},
        {"ms $ 50000 q\r\n<50000>\rxmn\r\n", "CLIENT_ERROR bad data chunk\r\nMN\r\n"},
    };
    EXPECT_ALL(exchanges);
}

/* What somebody else holds of the stores. */
struct holding {
    uint64_t uploads[2][64];
    uint64_t leases[2][64];
    uint32_t upload_count[2];
    uint32_t lease_count[2];
};

/* Uploads that leave no room for another one of 20,000 bytes. */
static void hold_uploads(struct fixture *fixture, struct holding *holding) {
    for (uint32_t i = 0; i < 2; i++) {
        struct store *store = fixture->shard[i].keys.store;
        uint64_t hash = shard_hash(&fixture->shard[i], "other", 5);
        const struct store_key key = {.bytes = "other", .length = 5, .hash = hash};
        uint32_t length = store_value_length_max(store, 5);
        while (length > 10000) {
            uint64_t *next = &holding->uploads[i][holding->upload_count[i]];
            if (store_upload_begin(store, &key, length, STORE_UPLOAD_JOINS, 2, next) == STORE_OK) {
                holding->upload_count[i]++;
            } else {
                length /= 2;
            }
        }
    }
}

/* As many values under lease as may be, in every shard. */
static void hold_leases(struct fixture *fixture, struct holding *holding) {
    for (uint32_t i = 0; i < 2; i++) {
        struct store *store = fixture->shard[i].keys.store;
        for (int n = 0; n < 64; n++) {
            char key[16];
            struct store_item item;
            fixture_name_key(fixture, key, i, 100 + n);
            feed(fixture,
                 n < 8 ? "set $ 0 0 250000\r\n<250000>\r\n" : "set $ 0 0 20000\r\n<20000>\r\n",
                 key);
            uint64_t hash = shard_hash(&fixture->shard[i], key, (uint32_t)strlen(key));
            const struct store_key name = {key, (uint32_t)strlen(key), hash};
            cr_assert(eq(int, (int)store_get(store, &name, 2, &item), STORE_OK));
            if (store_lease(store, item.large)) {
                holding->leases[i][holding->lease_count[i]++] = item.large;
            }
        }
        cr_assert(lt(u32, holding->lease_count[i], 64));
    }
}

static void release(struct fixture *fixture, struct holding *holding) {
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t n = 0; n < holding->upload_count[i]; n++) {
            store_upload_cancel(fixture->shard[i].keys.store, holding->uploads[i][n]);
        }
        for (uint32_t n = 0; n < holding->lease_count[i]; n++) {
            store_lease_end(fixture->shard[i].keys.store, holding->leases[i][n]);
        }
    }
    *holding = (struct holding){0};
}

/* Turns for everyone, so many. */
static void turns(struct fixture *fixture, int count) {
    while (count-- > 0) {
        fixture_serve(fixture, 1, 100);
        fixture_turn(fixture, NULL, 0);
        fixture_read(fixture, SIZE_MAX);
    }
}

static void turn_with(struct fixture *fixture, const char *words, const char *key) {
    struct script script = script_expand(words, key);
    fixture_turn(fixture, script.bytes, script.length);
    free(script.bytes);
}

/* While others hold as much as they may, an upload waits to begin, and what is behind it. */
Test(large, sets_wait_for_others) {
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct fixture fixture;
        struct holding holding = {0};
        char key[16];
        fixture_init(&fixture, 2, 4, MEMORY_BYTES);
        fixture_name_key(&fixture, key, owner, 0);
        hold_uploads(&fixture, &holding);
        turn_with(&fixture, "set $ 0 0 50000\r\n<10000>", key);
        turns(&fixture, 20);
        cr_assert(pipeline_is_blocked(&fixture.pipeline, &fixture.shard[0]));
        cr_assert(keyspace_has_refused(&fixture.shard[owner].keys, 2));
        cr_assert(not(keyspace_has_refused(&fixture.shard[1 - owner].keys, 2)));
        cr_assert(eq(sz, fixture.received_length, 0));
        release(&fixture, &holding);
        turns(&fixture, 5);
        forget(&fixture);
        struct script rest = script_expand("<50000>\r\nget $\r\n", key);
        fixture_feed(&fixture, rest.bytes + 10000, rest.length - 10000);
        struct script wanted =
            script_expand("STORED\r\nVALUE $ 0 50000\r\n<50000>\r\nEND\r\n", key);
        cr_assert(has_received(&fixture, &wanted));
        free(rest.bytes);
        free(wanted.bytes);
        fixture_finish(&fixture);
    }
}

/* A value that is too large only together with its key is refused by the store, not by the parser;
 * a set leaves nothing of what it was to replace, the others what they were to change. */
Test(large, sets_of_a_byte_too_many) {
#define TOO_LARGE "SERVER_ERROR object too large for cache\r\n"
    static const struct exchange exchanges[] = {
        {"set $ 0 0 3\r\nold\r\n", "STORED\r\n"},
        {"append $ 0 0 N\r\n<N>\r\nget $\r\n", TOO_LARGE "VALUE $ 0 3\r\nold\r\nEND\r\n"},
        {"cas $ 0 0 N 7\r\n<N>xxget $\r\n", TOO_LARGE "VALUE $ 0 3\r\nold\r\nEND\r\n"},
        {"replace $ 0 0 N noreply\r\n<N>\r\nget $\r\n", "VALUE $ 0 3\r\nold\r\nEND\r\n"},
        {"set $ 0 0 N\r\n<N>\r\nget $\r\n", TOO_LARGE "END\r\n"},
        {"set $ 0 0 3\r\nold\r\nms $ N ME q\r\n<N>\r\nget $\r\n", "STORED\r\n" TOO_LARGE "END\r\n"},
        {"set $ 0 0 3\r\nnew\r\nget $\r\n", "STORED\r\nVALUE $ 0 3\r\nnew\r\nEND\r\n"},
    };
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct fixture fixture;
        char key[16], sent[100];
        fixture_init(&fixture, 2, 4, MEMORY_BYTES);
        fixture_name_key(&fixture, key, owner, 50);
        cr_assert(ge(sz, strlen(key), 3));
        uint32_t length = store_value_length_max(fixture.shard[0].keys.store, 1);
        for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
            char *end = sent;
            for (const char *at = exchanges[i].sent; *at; at++) {
                end += *at == 'N' ? sprintf(end, "%u", length) : sprintf(end, "%c", *at);
            }
            expect(&fixture, key, sent, exchanges[i].answer);
        }
        fixture_finish(&fixture);
    }
}

/* The room goes while the value comes: the store shrinks, and what is lent stays. */
Test(large, sets_that_run_out_of_room) {
    static const char *const begins[] = {"set $ 0 0 900000\r\n", "add $ 0 0 900000\r\n"};
    for (uint32_t i = 0; i < 4; i++) {
        struct fixture fixture;
        char key[16];
        struct holding holding = {0};
        fixture_init(&fixture, 2, 4, MEMORY_BYTES);
        hold_leases(&fixture, &holding);
        fixture_name_key(&fixture, key, i % 2, 0);
        feed(&fixture, "set $ 0 0 3\r\nold\r\n", key);
        feed(&fixture, begins[i / 2], key);
        cr_assert(zero(int, store_resize(fixture.shard[i % 2].keys.store, STORE_MEMORY_BYTES_MIN)));
        for (int slice = 0; slice < 100; slice++) {
            store_maintain(fixture.shard[i % 2].keys.store, 2);
        }
        expect(&fixture, key, "<900000>\r\nget $\r\n",
               i / 2 ? "SERVER_ERROR out of memory storing object\r\nVALUE $ 0 3\r\nold\r\nEND\r\n"
                     : "SERVER_ERROR out of memory storing object\r\nEND\r\n");
        release(&fixture, &holding);
        cr_assert(eq(u64, fixture_held(&fixture), 0));
        fixture_finish(&fixture);
    }
}

/* A get that can't have its lease waits, and whatever is behind it; then all is answered. */
Test(large, gets_wait_for_their_leases) {
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct fixture fixture;
        struct holding holding = {0};
        char key[16];
        fixture_init(&fixture, 2, 64, MEMORY_BYTES);
        fixture_name_key(&fixture, key, owner, 0);
        hold_leases(&fixture, &holding);
        expect(&fixture, key, "set $ 0 0 200000\r\n<200000>\r\n", "STORED\r\n");
        forget(&fixture);
        turn_with(&fixture, "get $\r\nget $ nothing\r\nversion\r\n", key);
        turns(&fixture, 50);
        cr_assert(eq(sz, fixture.received_length, 0));
        cr_assert(pipeline_is_blocked(&fixture.pipeline, &fixture.shard[0]));
        release(&fixture, &holding);
        fixture_run_until_idle(&fixture);
        struct script wanted =
            script_expand("VALUE $ 0 200000\r\n<200000>\r\nEND\r\n"
                          "VALUE $ 0 200000\r\n<200000>\r\nEND\r\nVERSION 1.2.3\r\n",
                          key);
        cr_assert(has_received(&fixture, &wanted));
        free(wanted.bytes);
        cr_assert(eq(u64, fixture_held(&fixture), 0));
        fixture_finish(&fixture);
    }
}

/* What is gone while its get waits was not found: as if it had been evicted. */
Test(large, what_goes_meanwhile_was_not_found) {
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct fixture fixture;
        struct holding holding = {0};
        char key[16];
        fixture_init(&fixture, 2, 64, MEMORY_BYTES);
        fixture_name_key(&fixture, key, owner, 0);
        hold_leases(&fixture, &holding);
        feed(&fixture, "set $ 0 0 200000\r\n<200000>\r\n", key);
        forget(&fixture);
        turn_with(&fixture, "get $\r\n", key);
        turns(&fixture, 5);
        uint64_t hash = shard_hash(&fixture.shard[0], key, (uint32_t)strlen(key));
        const struct store_key name = {key, (uint32_t)strlen(key), hash};
        store_delete(fixture.shard[owner].keys.store, &name, &(struct store_removal){0}, 2);
        turns(&fixture, 5);
        cr_assert(eq(sz, fixture.received_length, strlen("END\r\n")));
        release(&fixture, &holding);
        fixture_finish(&fixture);
    }
}

/* What is overwritten while its get waits is got as it is now, whether it is still large or not;
 * and that is one get. */
Test(large, what_changes_meanwhile_is_got_anew) {
    static const char *const values[] = {"new", "<150000>"};
    for (uint32_t i = 0; i < 4; i++) {
        struct fixture fixture;
        struct holding holding = {0};
        char key[16];
        uint64_t cas;
        fixture_init(&fixture, 2, 64, MEMORY_BYTES);
        struct shard *owner = &fixture.shard[i % 2];
        fixture_name_key(&fixture, key, owner->id, 0);
        hold_leases(&fixture, &holding);
        feed(&fixture, "set $ 0 0 200000\r\n<200000>\r\n", key);
        forget(&fixture);
        uint64_t gets = owner->keys.counters.cmd_get, hits = owner->keys.counters.get_hits;
        turn_with(&fixture, "get $\r\nversion\r\n", key);
        turns(&fixture, 5);
        uint64_t hash = shard_hash(&fixture.shard[0], key, (uint32_t)strlen(key));
        const struct store_key name = {key, (uint32_t)strlen(key), hash};
        struct script value = script_expand(values[i / 2], key);
        const struct store_write write = {.value = value.bytes,
                                          .value_length = (uint32_t)value.length};
        cr_assert(eq(int, (int)store_write(owner->keys.store, &name, &write, 2, &cas), STORE_OK));
        turns(&fixture, 5);
        release(&fixture, &holding);
        fixture_run_until_idle(&fixture);
        struct script wanted =
            script_expand(i / 2 ? "VALUE $ 0 150000\r\n<150000>\r\nEND\r\nVERSION 1.2.3\r\n"
                                : "VALUE $ 0 3\r\nnew\r\nEND\r\nVERSION 1.2.3\r\n",
                          key);
        cr_assert(has_received(&fixture, &wanted));
        cr_assert(eq(u64, owner->keys.counters.cmd_get, gets + 1));
        cr_assert(eq(u64, owner->keys.counters.get_hits, hits + 1));
        cr_assert(eq(u64, fixture_held(&fixture), 0));
        free(wanted.bytes);
        free(value.bytes);
        fixture_finish(&fixture);
    }
}

/* While one waits, the replies behind it hold no lease that others could have. */
Test(large, who_waits_holds_nothing) {
    struct fixture fixture;
    struct holding holding = {0};
    char first[16], second[16], line[64];
    fixture_init(&fixture, 2, 64, MEMORY_BYTES);
    fixture_name_key(&fixture, first, 0, 0);
    fixture_name_key(&fixture, second, 1, 0);
    hold_leases(&fixture, &holding);
    feed(&fixture, "set $ 0 0 200000\r\n<200000>\r\n", first);
    feed(&fixture, "set $ 0 0 200000\r\n<200000>\r\n", second);
    struct holding of_second = {.lease_count = {0, holding.lease_count[1]}};
    memcpy(of_second.leases[1], holding.leases[1], sizeof(holding.leases[1]));
    holding.lease_count[1] = 0;
    release(&fixture, &of_second);
    /* The reply of the other shard keeps the queue busy, so that the next waits in it. */
    sprintf(line, "get %s nothing %s %s\r\n", second, first, second);
    fixture_turn(&fixture, line, strlen(line));
    turns(&fixture, 20);
    cr_assert(pipeline_wants_memory(&fixture.pipeline));
    struct store_stats stats;
    store_stats(fixture.shard[1].keys.store, &stats);
    cr_assert(eq(u64, stats.leases, 0));
    release(&fixture, &holding);
    fixture_run_until_idle(&fixture);
    cr_assert(lt(sz, 600000, fixture.received_length));
    fixture_finish(&fixture);
}

/* A connection that is gone is followed by the next one. */
static void reconnect(struct fixture *fixture) {
    fixture_break(fixture);
    pipeline_finish(&fixture->pipeline, &fixture->shard[0]);
    pipeline_init(&fixture->pipeline, &fixture->shard[0]);
    cr_assert(eq(u64, fixture_held(fixture), 0));
    cr_assert(eq(u32, fixture->shard[0].messages.out, 0));
}

static void check_break(const char *words, size_t from, size_t step) {
    struct fixture fixture;
    uint64_t state = 1;
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    for (uint32_t owner = 0; owner < 2; owner++) {
        char key[16];
        fixture_name_key(&fixture, key, owner, 0);
        struct script script = script_expand(words, key);
        for (size_t end = from; end <= script.length; end += step) {
            for (size_t at = 0; at < end;) {
                size_t length = end - at < 16384 ? end - at : 16384;
                bool takes = fixture_takes_bytes(&fixture);
                fixture_turn(&fixture, script.bytes + at, takes ? length : 0);
                at += takes ? length : 0;
                if (!takes || random_below(&state, 2)) {
                    fixture_serve(&fixture, 1, 1 + random_below(&state, 3));
                }
                if (random_below(&state, 2)) {
                    fixture_read(&fixture, random_below(&state, 100000));
                }
            }
            reconnect(&fixture);
            forget(&fixture);
        }
        free(script.bytes);
    }
    fixture_finish(&fixture);
}

/* At every byte of a large set, in every protocol; in the long ones at some. */
Test(large, sets_that_break_off, .timeout = 600) {
    check_break("set $ 0 0 18000\r\n<18000>\r\n", 1, 1);
    check_break("ms $ 18000 T0\r\n<18000>\r\n", 1, 1);
    check_break("set $ 0 0 600000\r\n<600000>\r\n", 11, 4999);
    check_break("set $ 0 0 200000\r\n<200000>\r\nget $\r\nappend $ 0 0 50000\r\n<50000>\r\n",
                200000, 37);
}

/* At every byte of what is answered; the address sanitizer takes a millisecond for each. */
#ifdef __SANITIZE_ADDRESS__
#define BREAK_STEP 7
#else
#define BREAK_STEP 1
#endif

Test(large, gets_that_break_off, .timeout = 600) {
    struct fixture fixture;
    uint64_t state = 1;
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    for (uint32_t owner = 0; owner < 2; owner++) {
        char key[16];
        fixture_name_key(&fixture, key, owner, 0);
        uint32_t answered = 0;
        feed(&fixture, "set $ 0 0 18000\r\n<18000>\r\n", key);
        for (size_t end = 0; end < 2 * 18040; end += BREAK_STEP) {
            turn_with(&fixture, "get $ $\r\nget $\r\n", key);
            size_t before = fixture.received_length;
            for (int i = 0; i < 40 && fixture.received_length - before < end; i++) {
                fixture_serve(&fixture, 1, random_below(&state, 3));
                fixture_turn(&fixture, NULL, 0);
                fixture_read(&fixture, end - (fixture.received_length - before));
            }
            answered += fixture.received_length == end;
            reconnect(&fixture);
            forget(&fixture);
        }
        cr_assert(lt(u32, 30000 / BREAK_STEP, answered));
    }
    fixture_finish(&fixture);
}
