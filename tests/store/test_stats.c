/* Statistics. */
#include "store_fixture.h"

static void set(struct store *store, uint32_t number, uint32_t length, uint32_t expires,
                uint32_t now) {
    char name[32];
    snprintf(name, sizeof(name), "key-%u", number);
    cr_assert(eq(int, fixture_set_bytes(store, name, length, expires, now), STORE_OK));
}

Test(stats, dead_bytes) {
    struct store *store = fixture_store(MIB);
    set(store, 1, 100, 0, 1);
    uint64_t bytes = fixture_stats(store).item_bytes;
    set(store, 2, 100, 0, 1);
    cr_assert(eq(u64, fixture_stats(store).dead_bytes, 0));
    set(store, 1, 300, 0, 1);
    cr_assert(eq(u64, fixture_stats(store).dead_bytes, bytes));
    store_flush(store, 1, 1);
    cr_assert(lt(u64, 500, fixture_stats(store).dead_bytes));
    cr_assert(eq(u64, fixture_stats(store).item_bytes, 0));
    store_destroy(store);
}

Test(stats, of_evictions) {
    struct store *store = fixture_store(MIB);
    for (uint32_t i = 0; i < 2000; i++) {
        set(store, i, 1000, i % 2 == 0 ? 1000 : 0, 1 + i / 100);
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, stats.evictions + stats.items, 2000));
    cr_assert(le(u64, stats.evicted_expiring, stats.evictions / 2 + 1));
    cr_assert(ge(u64, stats.evicted_expiring, stats.evictions / 2));
    cr_assert(ge(u64, stats.segments_evicted, stats.evictions / 32));
    /* the item evicted last was stored that many seconds ago, and the next one is the oldest */
    uint64_t now = 1 + 1999 / 100;
    uint64_t stored = 1 + stats.evictions / 100;
    cr_assert(ge(u64, stats.evicted_idle, now - stored));
    cr_assert(le(u64, stats.evicted_idle, now - stored + 1));
    cr_assert(ge(u64, stats.oldest_time, stored - 1));
    cr_assert(le(u64, stats.oldest_time, stored));
    store_destroy(store);
}

/* Each hit, eviction and move counts for the queue where it happened. */
Test(stats, by_queue) {
    struct store *store = fixture_store(4 * MIB);
    struct store_item item;
    for (uint32_t i = 0; i < 1000; i++) {
        set(store, i, 1000, 0, 1);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "key-%u", i);
        cr_assert(eq(int, fixture_get(store, name, 2, &item), STORE_OK));
    }
    struct store_stats before = fixture_stats(store);
    cr_assert(eq(u64, before.small.hits, 1000));
    cr_assert(eq(u64, before.small.items, 1000));
    for (uint32_t i = 1000; i < 10000; i++) {
        set(store, i, 1000, 0, 3);
    }
    struct store_stats stats = fixture_stats(store);
    uint64_t moved = stats.small.moved_items;
    cr_assert(ge(u64, moved, 900));
    cr_assert(ge(u64, stats.main.items, moved));
    cr_assert(eq(u64, stats.main.oldest_time, 3));
    cr_assert(eq(u64, stats.items, stats.small.items + stats.main.items));
    cr_assert(eq(u64, stats.item_bytes, stats.small.item_bytes + stats.main.item_bytes));
    cr_assert(eq(u64, stats.segments, stats.small.segments + stats.main.segments));
    cr_assert(eq(u64, stats.small.evictions, 10000 - stats.items));
    cr_assert(ge(u64, stats.moved_bytes, moved * 1024));
    fixture_get(store, "key-500", 4, &item);
    cr_assert(eq(u64, fixture_stats(store).main.hits, 1));
    store_destroy(store);
}

Test(stats, oldest_time_after_a_flush) {
    struct store *store = fixture_store(MIB);
    cr_assert(eq(u64, fixture_stats(store).oldest_time, 0));
    set(store, 1, 10, 0, 5);
    set(store, 2, 10, 0, 7);
    cr_assert(eq(u64, fixture_stats(store).oldest_time, 5));
    store_flush(store, 9, 9);
    cr_assert(eq(u64, fixture_stats(store).oldest_time, 0));
    set(store, 2, 10, 0, 12);
    cr_assert(ge(u64, fixture_stats(store).oldest_time, 9));
    cr_assert(le(u64, fixture_stats(store).oldest_time, 12));
    store_destroy(store);
}

Test(stats, reset_leaves_the_sizes) {
    struct store *store = fixture_store(MIB);
    for (uint32_t i = 0; i < 2000; i++) {
        set(store, i, 1000, 0, 1);
    }
    struct store_stats before = fixture_stats(store);
    store_stats_reset(store);
    struct store_stats after = fixture_stats(store);
    cr_assert(eq(u64, after.items, before.items));
    cr_assert(eq(u64, after.memory_bytes, before.memory_bytes));
    cr_assert(eq(u64, after.items_stored, 0));
    cr_assert(eq(u64, after.evictions, 0));
    cr_assert(eq(u64, after.evicted_idle, 0));
    store_check(store);
    store_destroy(store);
}

/* Each segment is in the class of its age and in its queue, or stands for its neighbours. */
Test(stats, ages) {
    static const uint32_t bounds[] = {10, 100};
    for (size_t memory = 4 * MIB; memory <= 1024 * MIB; memory *= 16) {
        struct store *store = fixture_store(memory);
        uint64_t small[3] = {0}, main[3] = {0};
        uint32_t items = memory / MIB > 100 ? 200000 : 2000;
        for (uint32_t i = 0; i < items; i++) {
            set(store, i, 1000, 0, i < items / 2 ? 1 : 200);
        }
        store_count_ages(store, 205, &(struct store_ages){bounds, 2, small, main});
        struct store_stats stats = fixture_stats(store);
        cr_assert(eq(u64, stats.evictions, 0));
        uint64_t all = small[0] + small[1] + small[2] + main[0] + main[1] + main[2];
        cr_assert(le(u64, all, stats.segments + 1));
        cr_assert(ge(u64, all, stats.segments));
        cr_assert(eq(u64, small[1], 0));
        cr_assert(ge(u64, small[0] + 2, stats.segments / 2));
        cr_assert(ge(u64, small[2] + 2, stats.segments / 2));
        cr_assert(eq(u64, main[0] + main[1] + main[2], 0));
        store_destroy(store);
    }
}
