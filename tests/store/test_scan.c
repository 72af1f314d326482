/* Scans and crawls. The random test, too, checks that a scan visits every item once, whatever
 * happens meanwhile. */
#include "store_fixture.h"

#define KEYS_MAX 30000

struct seen {
    uint8_t times[KEYS_MAX];
    uint32_t visits;
    uint32_t visits_max; /* further ones are refused */
};

static bool visit(void *context, const struct store_entry *entry) {
    struct seen *seen = context;
    if (seen->visits == seen->visits_max) {
        return false;
    }
    seen->visits++;
    seen->times[strtoul(entry->key + 4, NULL, 10)]++;
    return true;
}

static const char *name(uint32_t number) {
    static char text[32];
    snprintf(text, sizeof(text), "key-%u ", number); /* the space ends the number in the store */
    return text;
}

static void fill(struct store *store, uint32_t first, uint32_t end, uint32_t expires) {
    for (uint32_t i = first; i < end; i++) {
        cr_assert(eq(int, fixture_set_bytes(store, name(i), 10, expires, 1), STORE_OK));
    }
}

static void drop(struct store *store, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; i++) {
        cr_assert(eq(int, fixture_delete(store, name(i), 1), STORE_OK));
    }
}

/* One slice; false at the end of the scan. */
static bool scan_on(struct store *store, uint64_t *cursor, uint32_t items_max, struct seen *seen) {
    uint32_t visits = seen->visits;
    bool more = store_scan(store, cursor, items_max, 1, visit, seen);
    cr_assert(le(u32, seen->visits - visits, items_max));
    return more;
}

Test(scan, an_empty_store_takes_a_few_slices) {
    struct store *store = fixture_store(MIB);
    struct seen seen = {.visits_max = UINT32_MAX};
    uint64_t cursor = 0;
    uint32_t slices = 0;
    while (scan_on(store, &cursor, 10, &seen)) {
        slices++;
    }
    cr_assert(eq(u32, slices, INDEX_PRIMARIES_MIN / 10));
    cr_assert(eq(u64, cursor, 0));
    store_destroy(store);
}

Test(scan, sees_everything_once) {
    static const uint32_t slice_sizes[] = {1, 2, 7, 100, 1000000};
    struct store *store = fixture_store(16 * MIB);
    fill(store, 0, 5000, 0);
    for (int i = 0; i < 5; i++) {
        struct seen seen = {.visits_max = UINT32_MAX};
        uint64_t cursor = 0;
        while (scan_on(store, &cursor, slice_sizes[i], &seen)) {
            ;
        }
        for (uint32_t k = 0; k < 5000; k++) {
            cr_assert(eq(u8, seen.times[k], 1));
        }
        cr_assert(eq(u32, seen.visits, 5000));
    }
    store_destroy(store);
}

Test(scan, goes_on_with_what_was_refused) {
    struct store *store = fixture_store(16 * MIB);
    fill(store, 0, 1000, 0);
    struct seen seen = {0};
    uint64_t cursor = 0;
    cr_assert(store_scan(store, &cursor, 100, 1, visit, &seen));
    for (bool more = true; more;) {
        seen.visits_max = seen.visits + 3;
        more = store_scan(store, &cursor, 100, 1, visit, &seen);
    }
    for (uint32_t k = 0; k < 1000; k++) {
        cr_assert(eq(u8, seen.times[k], 1));
    }
    store_destroy(store);
}

/* The index doubles and halves several times during the scan, and all items that stay are written
 * again and again, so that they move from segment to segment. */
Test(scan, the_index_grows_and_shrinks_meanwhile) {
    struct store *store = fixture_store(16 * MIB);
    struct seen seen = {.visits_max = UINT32_MAX};
    fill(store, 0, 2000, 0);
    uint32_t buckets_least = UINT32_MAX, buckets_most = 0;
    uint64_t cursor = 0;
    bool grow = true;
    for (uint32_t slice = 0; scan_on(store, &cursor, 20, &seen); slice++) {
        if (slice % 10 == 0) {
            grow ? fill(store, 2000, 30000, 0) : drop(store, 2000, 30000);
            grow = !grow;
        }
        for (uint32_t k = slice % 10; k < 2000; k += 10) {
            fixture_set_bytes(store, name(k), slice % 50, 0, 1);
        }
        uint32_t buckets = store->index.primary.count;
        buckets_least = buckets < buckets_least ? buckets : buckets_least;
        buckets_most = buckets > buckets_most ? buckets : buckets_most;
    }
    cr_assert(lt(u32, 8 * buckets_least, buckets_most));
    for (uint32_t k = 0; k < 30000; k++) {
        cr_assert(k < 2000 ? seen.times[k] == 1 : seen.times[k] <= 1, "key %u", k);
    }
    store_check(store);
    store_destroy(store);
}

/* A slice costs the same where there is nothing to visit. */
Test(scan, dead_items_and_empty_buckets_count) {
    struct store *store = fixture_store(16 * MIB);
    struct seen seen = {.visits_max = UINT32_MAX};
    fill(store, 0, 5000, 10);
    uint64_t cursor = 0;
    uint32_t slices = 1;
    while (store_scan(store, &cursor, 100, 10, visit, &seen)) {
        slices++;
    }
    cr_assert(eq(u32, seen.visits, 0));
    cr_assert(ge(u32, slices, 50));
    cr_assert(le(u32, slices, (5000 + store->index.mask + 1) / 100 + 1));
    store_destroy(store);
}

Test(scan, shows_items_as_they_are) {
    struct store *store = fixture_store(MIB);
    fixture_set_bytes(store, name(1), 3, 50, 1);
    fixture_has(store, name(1), 1);
    store_flush(store, 2, 2);
    fixture_set_bytes(store, name(2), 3, 50, 2);
    struct seen seen = {.visits_max = UINT32_MAX};
    uint64_t cursor = 0;
    while (store_scan(store, &cursor, 10, 2, visit, &seen)) {
        ;
    }
    cr_assert(eq(u8, seen.times[1], 0), "flushed");
    cr_assert(eq(u8, seen.times[2], 1));
    store_destroy(store);
}

Test(crawl, drops_what_is_dead_and_nothing_else) {
    struct store *store = fixture_store(16 * MIB);
    fill(store, 0, 3000, 0);
    fill(store, 3000, 9000, 10);
    fill(store, 9000, 10000, 11);
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    while (store_crawl(store, &cursor, 10, 10, &checked, &reclaimed)) {
        store_check_memory(store);
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, checked, 10000));
    cr_assert(eq(u64, reclaimed, 6000));
    cr_assert(eq(u64, stats.items, 4000));
    cr_assert(eq(u64, stats.expired, 6000));
    cr_assert(eq(u64, stats.expired_unfetched, 6000));
    cr_assert(eq(u64, stats.crawl_checked, 10000));
    cr_assert(eq(u64, stats.crawl_reclaimed, 6000));
    store_check(store);
    store_destroy(store);
}

Test(crawl, drops_what_was_flushed) {
    struct store *store = fixture_store(16 * MIB);
    fill(store, 0, 1000, 0);
    store_flush(store, 1, 1);
    cr_assert(lt(u64, 0, fixture_stats(store).dead_bytes));
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    while (store_crawl(store, &cursor, 1000, 1, &checked, &reclaimed)) {
        ;
    }
    cr_assert(eq(u64, reclaimed, 1000));
    cr_assert(eq(u64, fixture_stats(store).items, 0));
    cr_assert(eq(u64, fixture_stats(store).expired, 0));
    cr_assert(eq(u64, fixture_stats(store).dead_bytes, 0));
    store_check(store);
    store_destroy(store);
}

Test(scan, soonest_expiry) {
    struct store *store = fixture_store(4 * MIB);
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    cr_assert(eq(u32, store_expires_soonest(store), UINT32_MAX));
    fill(store, 1, 2, 0);
    cr_assert(eq(u32, store_expires_soonest(store), UINT32_MAX));
    for (uint32_t i = 2; i < 100; i++) {
        fill(store, i, i + 1, 1000 - i);
    }
    cr_assert(eq(u32, store_expires_soonest(store), 901));
    /* a bound: the item that would have expired is gone, but nobody has looked at the others */
    drop(store, 99, 100);
    cr_assert(eq(u32, store_expires_soonest(store), 901));
    cr_assert(store_crawl(store, &cursor, 10, 1, &checked, &reclaimed));
    cr_assert(eq(u32, store_expires_soonest(store), 0), "not known before the end");
    fill(store, 200, 201, 500);
    while (store_crawl(store, &cursor, 10, 1, &checked, &reclaimed)) {
        ;
    }
    cr_assert(eq(u32, store_expires_soonest(store), 500));
    while (store_crawl(store, &cursor, 1000, 902, &checked, &reclaimed)) {
        ;
    }
    cr_assert(eq(u32, store_expires_soonest(store), 903));
    store_flush(store, 902, 902);
    cr_assert(eq(u32, store_expires_soonest(store), 902), "what was flushed is dead since then");
    store_destroy(store);
}
