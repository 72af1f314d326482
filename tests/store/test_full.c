/* A full store that must not evict: what gives back at least as much memory as it takes is done. */
#include "store/limits.h"
#include "store/memory.h"

#include "large_fixture.h"

#define MEMORY (8 * MIB)

/* The values before and after. */
#define OLD (large_pattern())
#define NEW (large_pattern() + MIB)

static struct store_key full_key(char *name, char prefix, uint32_t number) {
    assert(name);
    sprintf(name, "%c%u", prefix, number);
    return fixture_key(name);
}

/* Sets new keys with values of this length until one is refused; returns how many were stored. */
static uint32_t full_fill(struct store *store, char prefix, uint32_t from, uint32_t length) {
    char name[16];
    uint64_t cas;
    for (uint32_t i = from;; i++) {
        struct store_key key = full_key(name, prefix, i);
        struct store_write write = {.value = OLD, .value_length = length};
        enum store_status status = store_write(store, &key, &write, 1, &cas);
        store_check_memory(store);
        if (status != STORE_OK) {
            cr_assert(eq(int, status, STORE_NO_MEMORY));
            return i - from;
        }
    }
}

/* A store that is full to the last byte: of items of this length, then of shorter NEW. */
struct full {
    struct store *store;
    uint32_t items; /* with keys from a0 on */
    uint32_t length;
    uint32_t crumbs;
};

/* Fills up what has been freed since. */
static void full_top_up(struct full *full) {
    full->crumbs += full_fill(full->store, 'c', full->crumbs, 1);
}

static struct full full_create(uint32_t length) {
    struct full full = {.store = fixture_store_refusing(MEMORY), .length = length};
    full.items = full_fill(full.store, 'a', 0, length);
    full_fill(full.store, 'b', 0, length / 8);
    full_top_up(&full);
    return full;
}

static void full_destroy(struct full *full) {
    cr_assert(eq(u64, fixture_stats(full->store).evictions, 0));
    store_check(full->store);
    store_destroy(full->store);
}

/* What is done to an item. Each returns whether it was done, and the item is as it should be. */
typedef bool full_operation(struct full *full, const struct store_key *key);

static bool full_is(struct full *full, const struct store_key *key, const char *value,
                    uint32_t length) {
    struct store_item item;
    return store_get(full->store, key, 1, &item) == STORE_OK &&
           fixture_is(full->store, &item, value, length);
}

static bool full_touch(struct full *full, const struct store_key *key) {
    struct store_item item;
    return store_touch(full->store, key, 100, 1, &item) == STORE_OK && item.expires == 100 &&
           full_is(full, key, OLD, full->length);
}

static bool full_read_and_touch(struct full *full, const struct store_key *key) {
    struct store_read read = {.touch = true, .expires = 90};
    struct store_item item;
    return store_read(full->store, key, &read, 1, &item) == STORE_OK && item.expires == 90 &&
           full_is(full, key, OLD, full->length);
}

static bool full_mark_stale(struct full *full, const struct store_key *key) {
    struct store_removal removal = {.mark_stale = true, .touch = true, .expires = 30};
    struct store_item item;
    return store_delete(full->store, key, &removal, 1) == STORE_OK &&
           store_peek(full->store, key, 1, &item) == STORE_OK && item.expires == 30 &&
           (item.state & STORE_STALE) && full_is(full, key, OLD, full->length);
}

static bool full_empty(struct full *full, const struct store_key *key) {
    struct store_removal removal = {.empty = true, .client_flags = 9};
    return store_delete(full->store, key, &removal, 1) == STORE_OK && full_is(full, key, NEW, 0);
}

static bool full_write(struct full *full, const struct store_key *key, enum store_mode mode,
                       bool compare_cas, uint32_t length) {
    struct store_item item;
    cr_assert(eq(int, store_peek(full->store, key, 1, &item), STORE_OK));
    struct store_write write = {
        .mode = mode,
        .value = NEW,
        .value_length = length,
        .client_flags = 7,
        .expires = 100,
        .compare_cas = compare_cas,
        .cas = item.cas,
    };
    uint64_t cas;
    return store_write(full->store, key, &write, 1, &cas) == STORE_OK &&
           full_is(full, key, NEW, length);
}

static bool full_set_equal(struct full *full, const struct store_key *key) {
    return full_write(full, key, STORE_SET, false, full->length);
}

static bool full_cas_equal(struct full *full, const struct store_key *key) {
    return full_write(full, key, STORE_SET, true, full->length);
}

static bool full_replace_shorter(struct full *full, const struct store_key *key) {
    return full_write(full, key, STORE_REPLACE, false, full->length - full->length / 16 - 1);
}

/* By one byte again and again, so that all that is cut off is short. */
static bool full_set_little_shorter(struct full *full, const struct store_key *key) {
    uint32_t length = full->length;
    for (uint32_t i = 0; i < 5 && length > 0; i++) {
        if (!full_write(full, key, STORE_SET, false, --length)) {
            return false;
        }
    }
    return true;
}

static bool full_set_byte(struct full *full, const struct store_key *key) {
    return full_write(full, key, STORE_SET, false, 1) && full_write(full, key, STORE_SET, false, 0);
}

/* Numbers are short values, which replace long NEW, too. */
static bool full_count(struct full *full, const struct store_key *key) {
    struct store_write write = {.value = "999999999999999", .value_length = 15};
    struct store_delta delta = {.delta = 9, .decrement = true, .touch = true, .touch_expires = 50};
    struct store_item item;
    uint64_t number, cas;
    return store_write(full->store, key, &write, 1, &cas) == STORE_OK &&
           store_delta(full->store, key, &delta, 1, &number, &item) == STORE_OK &&
           number == 999999999999990 && item.expires == 50;
}

/* By an upload, in one call as in several. */
static bool full_upload(struct full *full, const struct store_key *key) {
    uint32_t length = full->length - full->length / 7;
    uint64_t upload;
    struct store_write write = {.value_length = length, .expires = 60};
    uint64_t cas;
    if (store_upload_begin(full->store, key, length, STORE_UPLOAD_SETS, 1, &upload) != STORE_OK) {
        return false;
    }
    full_top_up(full);
    store_check(full->store);
    cr_assert(eq(int, large_add(full->store, upload, NEW, length, 3000), STORE_OK));
    full_top_up(full);
    return store_upload_end(full->store, upload, key, &write, 1, &cas) == STORE_OK &&
           full_is(full, key, NEW, length);
}

/* Does it to each item in turn, of a store that is filled up again meanwhile. */
static void full_check(uint32_t length, const char *what, full_operation *operation) {
    struct full full = full_create(length);
    uint32_t step = full.items > 3000 ? full.items / 3000 : 1;
    for (uint32_t i = 0; i < full.items; i += step) {
        char name[16];
        struct store_key key = full_key(name, 'a', i);
        cr_assert(operation(&full, &key), "%s of item %u of %u, %u bytes", what, i, full.items,
                  length);
        store_check_memory(full.store);
        if (i / step % 16 == 0) {
            full_top_up(&full);
        }
    }
    full_destroy(&full);
}

#define CHECK_EACH(operation)                                                                      \
    for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)                            \
    full_check(lengths[i], #operation, operation)

static const uint32_t lengths[] = {16, 17, 100, 1000, 4000, 5000, 20000, 100000, 500000, 1000000};

Test(full, times) {
    CHECK_EACH(full_touch);
    CHECK_EACH(full_read_and_touch);
}

Test(full, marks) {
    CHECK_EACH(full_mark_stale);
    CHECK_EACH(full_empty);
}

Test(full, equal_values) {
    CHECK_EACH(full_set_equal);
    CHECK_EACH(full_cas_equal);
}

Test(full, shorter_values) {
    CHECK_EACH(full_replace_shorter);
    CHECK_EACH(full_set_little_shorter);
    CHECK_EACH(full_set_byte);
}

Test(full, numbers) {
    CHECK_EACH(full_count);
}

Test(full, uploads) {
    for (uint32_t i = 5; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        full_check(lengths[i], "upload", full_upload);
    }
}

/* An upload that has taken the old value's place and is cancelled leaves neither, and all of the
 * memory free. */
Test(full, upload_that_is_cancelled) {
    struct full full = full_create(100000);
    struct store_key key = fixture_key("a3");
    uint64_t upload;
    cr_assert(eq(int, store_upload_begin(full.store, &key, 90000, STORE_UPLOAD_SETS, 1, &upload),
                 STORE_OK));
    cr_assert(not(fixture_has(full.store, "a3", 1)));
    cr_assert(eq(int, large_add(full.store, upload, NEW, 50000, 5000), STORE_OK));
    store_upload_cancel(full.store, upload);
    store_check(full.store);
    uint32_t more = full_fill(full.store, 'd', 0, 1000);
    cr_assert(ge(u32, more, 60), "%u items", more);
    full_destroy(&full);
}

/* One that can't be had leaves the old value, and memory is what it lacks. */
Test(full, upload_that_is_longer) {
    struct full full = full_create(100000);
    struct store_key key = fixture_key("a3");
    uint64_t upload;
    cr_assert(eq(int, store_upload_begin(full.store, &key, 200000, STORE_UPLOAD_SETS, 1, &upload),
                 STORE_NO_MEMORY));
    cr_assert(full_is(&full, &key, OLD, 100000));
    full_destroy(&full);
}

/* While a value is read nothing is written over it. */
Test(full, upload_over_a_leased_value) {
    struct full full = full_create(100000);
    struct store_key key = fixture_key("a3");
    struct store_item item;
    cr_assert(eq(int, store_get(full.store, &key, 1, &item), STORE_OK));
    uint64_t leased = item.large, upload;
    cr_assert(store_lease(full.store, leased));
    cr_assert(eq(int, store_upload_begin(full.store, &key, 100000, STORE_UPLOAD_SETS, 1, &upload),
                 STORE_BUSY));
    struct store_write write = {.mode = STORE_REPLACE, .value = NEW, .value_length = 100000};
    uint64_t cas;
    cr_assert(eq(int, store_write(full.store, &key, &write, 1, &cas), STORE_NO_MEMORY));
    cr_assert(fixture_is(full.store, &item, OLD, 100000));
    store_lease_end(full.store, leased);
    cr_assert(full_upload(&full, &key));
    full_destroy(&full);
}

/* A replace or cas is received outside of the log, one at a time; the old value is there meanwhile.
 */
Test(full, upload_with_a_condition) {
    struct full full = full_create(100000);
    struct store_key key = fixture_key("a3"), other = fixture_key("a4");
    struct store_write write = {.mode = STORE_REPLACE, .value_length = 90000};
    uint64_t upload, second, cas;
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(eq(int,
                     store_upload_begin(full.store, &key, 90000, STORE_UPLOAD_STORES, 1, &upload),
                     STORE_OK));
        cr_assert(eq(int,
                     store_upload_begin(full.store, &other, 90000, STORE_UPLOAD_STORES, 1, &second),
                     STORE_BUSY));
        cr_assert(eq(int, large_add(full.store, upload, NEW, 90000, 5000), STORE_OK));
        cr_assert(full_is(&full, &key, OLD, 100000));
        if (i == 0) {
            store_upload_cancel(full.store, upload);
        } else {
            write.compare_cas = i == 1; /* of 0, which is wrong */
            cr_assert(eq(int, store_upload_end(full.store, upload, &key, &write, 1, &cas),
                         i == 1 ? STORE_EXISTS : STORE_OK));
        }
        store_check(full.store);
    }
    cr_assert(full_is(&full, &key, NEW, 90000));
    cr_assert(eq(int,
                 store_upload_begin(full.store, &other, 200000, STORE_UPLOAD_STORES, 1, &second),
                 STORE_NO_MEMORY));
    full_destroy(&full);
}

/* What the upload has taken is older than the flush, but the item is not. */
Test(full, flush_during_an_upload) {
    struct full full = full_create(100000);
    struct store_key key = fixture_key("a3");
    struct store_write write = {.value_length = 90000};
    uint64_t upload, cas;
    cr_assert(eq(int, store_upload_begin(full.store, &key, 90000, STORE_UPLOAD_SETS, 1, &upload),
                 STORE_OK));
    store_flush(full.store, 1, 1);
    cr_assert(eq(int, large_add(full.store, upload, NEW, 90000, 5000), STORE_OK));
    cr_assert(eq(int, store_upload_end(full.store, upload, &key, &write, 1, &cas), STORE_OK));
    cr_assert(full_is(&full, &key, NEW, 90000));
    cr_assert(ge(u32, full_fill(full.store, 'd', 0, 100000), full.items - 3));
    full_destroy(&full);
}

/* A flush by a prefix, too; but its memory is not free before a crawl has come by. */
Test(full, flush_by_a_prefix_during_an_upload) {
    struct full full = full_create(100000);
    struct store_key key = fixture_key("a3");
    struct store_write write = {.value_length = 90000};
    uint64_t upload, cas, cursor = 0, checked = 0, reclaimed = 0;
    cr_assert(eq(int, store_upload_begin(full.store, &key, 90000, STORE_UPLOAD_SETS, 1, &upload),
                 STORE_OK));
    cr_assert(store_flush_prefix(full.store, "a", 1, 1, 1));
    cr_assert(eq(int, large_add(full.store, upload, NEW, 90000, 5000), STORE_OK));
    while (store_crawl(full.store, &cursor, 100, 1, &checked, &reclaimed)) {
    }
    cr_assert(eq(u64, reclaimed, full.items - 1));
    cr_assert(eq(int, store_upload_end(full.store, upload, &key, &write, 1, &cas), STORE_OK));
    cr_assert(full_is(&full, &key, NEW, 90000));
    cr_assert(ge(u32, full_fill(full.store, 'd', 0, 100000), full.items - 3));
    full_destroy(&full);
}

/* Replaces items by longer ones until that is refused, too, and fills what that gives back. */
static void full_replace_all(struct full *full, uint32_t length) {
    struct store_key key;
    char name[16];
    uint32_t i = 100;
    do {
        key = full_key(name, 'a', i++);
        cr_assert(i < full->items);
    } while (full_write(full, &key, STORE_REPLACE, false, length));
    full_fill(full->store, 'e', 0, full->length);
    full_fill(full->store, 'f', 0, full->length / 8);
    full_top_up(full);
}

/* What is refused changes nothing but what memcached changes: a set loses the old value. */
Test(full, refusals) {
    struct full full = full_create(1000);
    full_replace_all(&full, 3000);
    struct store_key key = fixture_key("a3");
    uint64_t refused = fixture_stats(full.store).out_of_memory;
    cr_assert(not(full_write(&full, &key, STORE_REPLACE, false, 3000)));
    cr_assert(not(full_write(&full, &key, STORE_SET, true, 3000)));
    cr_assert(
        eq(int, fixture_write(full.store, STORE_APPEND, "a3", "0123456789", 1), STORE_NO_MEMORY));
    cr_assert(full_is(&full, &key, OLD, 1000));
    cr_assert(not(full_write(&full, &key, STORE_SET, false, 3000)));
    cr_assert(not(fixture_has(full.store, "a3", 1)));
    cr_assert(eq(u64, fixture_stats(full.store).out_of_memory, refused + 4));
    full_destroy(&full);
}
