/* Cleaning: dead bytes are freed before any live item is evicted. */
#include "store/evict.h"
#include "store/memory.h"

#include "memory_fixture.h"

static void set_length(struct store *store, const char *prefix, uint32_t number, uint32_t length,
                       uint32_t expires) {
    char name[32];
    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    cr_assert(eq(int, fixture_set_bytes(store, name, length, expires, 1), STORE_OK));
    store_check_memory(store);
}

static void drop(struct store *store, const char *prefix, uint32_t number) {
    char name[32];
    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    fixture_delete(store, name, 1);
    store_check_memory(store);
}

static uint32_t count(struct store *store, const char *prefix, uint32_t items) {
    char name[32];
    uint32_t there = 0;
    for (uint32_t i = 0; i < items; i++) {
        snprintf(name, sizeof(name), "%s-%u", prefix, i);
        there += fixture_has(store, name, 1);
    }
    return there;
}

/* The number of items that a new store holds without evicting. */
static uint64_t held_by_fresh(size_t memory_bytes, uint32_t length) {
    struct store *store = fixture_store(memory_bytes);
    for (uint32_t i = 0; i < 2 * memory_bytes / (length + 50); i++) {
        set_length(store, "third", i, length, 0);
    }
    uint64_t items = fixture_stats(store).items;
    store_destroy(store);
    return items;
}

/* When the sizes of items change, the new items get all memory of the old ones: with new keys, and
 * with the old keys. */
static void check_shift(size_t memory_bytes, bool new_keys) {
    struct store *store = fixture_store(memory_bytes);
    for (uint32_t i = 0; i < memory_bytes / 80; i++) {
        set_length(store, "third", i, 100, 0);
        if (i % 3 == 0) {
            count(store, "third", 1);
        }
    }
    for (uint32_t i = 0; i < memory_bytes / 4000; i++) {
        set_length(store, new_keys ? "second" : "third", i, 10000, 0);
    }
    store_check(store);
    for (uint32_t i = 0; i < memory_bytes / 75; i++) {
        set_length(store, "third", i, 100, 0);
    }
    store_check(store);
    uint64_t fresh = held_by_fresh(memory_bytes, 100);
    cr_assert(ge(u64, fixture_stats(store).items, fresh * 95 / 100));
    store_destroy(store);
}

Test(clean, sizes_that_shift) {
    check_shift(2 * MIB, true);
    check_shift(2 * MIB, false);
    check_shift(16 * MIB, true);
    check_shift(16 * MIB, false);
}

/* Overwriting with other sizes evicts nothing as long as the live items fit: cleaning frees enough.
 */
Test(clean, overwriting_evicts_nothing) {
    struct store *store = fixture_store(8 * MIB);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t number = i < 8000 ? i : (uint32_t)(fixture_mix(i) % 8000);
        set_length(store, "key", number, 400 + (uint32_t)(fixture_mix(i + 7) % 600), 0);
        if (i % 4096 == 0) {
            store_check(store);
        }
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, stats.evictions, 0));
    cr_assert(eq(u64, stats.items, 8000));
    cr_assert(lt(u64, 1000, store->counters.segments_cleaned));
    cr_assert(eq(u64, stats.out_of_memory, 0));
    store_destroy(store);
}

/* The same with items of the main queue, which stay in it. */
Test(clean, in_the_main_queue) {
    struct store *store = fixture_store(8 * MIB);
    for (uint32_t i = 0; i < 4000; i++) {
        set_length(store, "hot", i, 1000, 0);
    }
    count(store, "hot", 4000);
    for (uint32_t i = 0; i < 8000; i++) {
        set_length(store, "once", i, 1000, 0);
    }
    uint64_t hot = store->items[SEGMENT_MAIN];
    cr_assert(lt(u64, 3500, hot));
    for (uint32_t i = 0; i < 100000; i++) {
        set_length(store, "hot", (uint32_t)(fixture_mix(i) % 4000),
                   800 + (uint32_t)(fixture_mix(i + 7) % 400), 0);
    }
    cr_assert(ge(u64, store->items[SEGMENT_MAIN], hot));
    cr_assert(lt(u64, 1000, store->counters.cleaned_items));
    store_check(store);
    store_destroy(store);
}

/* Half of the items are deleted and as many stored: no live item is evicted. */
Test(clean, deleted_items_make_room) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t items = 20000;
    for (uint32_t i = 0; i < items; i++) {
        set_length(store, "old", i, 300, 0);
    }
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    for (uint32_t i = 0; i < items; i += 2) {
        drop(store, "old", i);
    }
    for (uint32_t i = 0; i < items * 9 / 20; i++) {
        set_length(store, "new", i, 300, 0);
    }
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    cr_assert(eq(u32, count(store, "old", items), items / 2));
    cr_assert(eq(u32, count(store, "new", items * 9 / 20), items * 9 / 20));
    store_check(store);
    store_destroy(store);
}

/* All items but a few expire and are dropped by a crawl: the segments of the few are cleaned. */
Test(clean, after_one_expiry_time) {
    struct store *store = fixture_store(8 * MIB);
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        set_length(store, i % 10 == 0 ? "stays" : "goes", i, 300, i % 10 == 0 ? 0 : 5);
    }
    while (store_crawl(store, &cursor, 1000, 5, &checked, &reclaimed)) {
        store_check_memory(store);
    }
    cr_assert(eq(u64, reclaimed, 18000));
    for (uint32_t i = 0; i < 17000; i++) {
        set_length(store, "new", i, 300, 0);
    }
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    cr_assert(eq(u64, fixture_stats(store).items, 2000 + 17000));
    store_check(store);
    store_destroy(store);
}

/* Gathered items keep their place in the queue: the older ones are still evicted first. */
Test(clean, items_keep_their_age) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t items = 20000;
    for (uint32_t i = 0; i < items; i++) {
        set_length(store, "old", i, 300, 0);
    }
    for (uint32_t i = 0; i < items; i++) {
        if (i % 2 == 0) {
            drop(store, "old", i);
        }
    }
    for (uint32_t i = 0; i < items; i++) {
        set_length(store, "new", i, 300, 0);
    }
    cr_assert(lt(u64, 1000, store->counters.cleaned_items));
    uint32_t first = 0, second = 0;
    for (uint32_t i = 1; i < items; i += 2) {
        char name[32];
        snprintf(name, sizeof(name), "old-%u", i);
        (i < items / 2 ? &first : &second)[0] += fixture_has(store, name, 1);
    }
    cr_assert(lt(u32, first, second / 2), "%u of the older half, %u of the younger", first, second);
    store_check(store);
    store_destroy(store);
}

/* Fills a store that must not evict, with values of one length, until one is refused. */
static uint32_t fill_to_the_brim(struct store *store, const char *prefix, uint32_t length) {
    char name[32];
    for (uint32_t i = 0;; i++) {
        snprintf(name, sizeof(name), "%s-%u", prefix, i);
        enum store_status status = fixture_set_bytes(store, name, length, 0, 1);
        store_check_memory(store);
        if (status == STORE_NO_MEMORY) {
            return i;
        }
        cr_assert(eq(int, status, STORE_OK));
    }
}

Test(refuse, to_the_brim_and_back) {
    static const uint32_t lengths[] = {1, 100, 1000, 9000};
    for (uint32_t i = 0; i < 4; i++) {
        struct store *store = fixture_store_refusing(16 * MIB);
        uint32_t items = fill_to_the_brim(store, "key", lengths[i]);
        struct store_stats stats = fixture_stats(store);
        cr_assert(ge(u64, stats.item_bytes + stats.index_bytes, 16 * MIB * 95 / 100));
        cr_assert(eq(u32, count(store, "key", items), items), "nothing is lost");
        cr_assert(eq(u64, stats.out_of_memory, 1));
        for (uint32_t j = 0; j < items; j++) {
            if (fixture_mix(j) % 4 == 0) {
                drop(store, "key", j);
            }
        }
        uint64_t left = fixture_stats(store).items;
        uint64_t more = fill_to_the_brim(store, "other", lengths[i]);
        cr_assert(ge(u64, left + more, items * 94ull / 100), "%u B: %u items, then %lu + %lu",
                  lengths[i], items, (unsigned long)left, (unsigned long)more);
        cr_assert(eq(u64, fixture_stats(store).items, left + more));
        cr_assert(eq(u64, fixture_stats(store).evictions, 0));
        store_check(store);
        store_destroy(store);
    }
}

/* In a full store that must not evict, a value that fits in place is written, and can be touched
 * and deleted; a set that is refused removes the old value, as in memcached. */
Test(refuse, what_still_works) {
    struct store *store = fixture_store_refusing(2 * MIB);
    uint32_t items = fill_to_the_brim(store, "key", 100);
    for (uint32_t i = 0; i < items; i++) {
        set_length(store, "key", i, 100, 0);
    }
    uint32_t longer = 1; /* as many as the last segment has space for */
    enum store_status status = STORE_OK;
    for (char name[32]; status == STORE_OK; longer++) {
        snprintf(name, sizeof(name), "key-%u", longer);
        status = fixture_write(store, STORE_APPEND, name, "a lot more", 1);
    }
    cr_assert(eq(int, status, STORE_NO_MEMORY));
    cr_assert(lt(u32, longer, items / 50));
    cr_assert(eq(u32, count(store, "key", items), items));
    cr_assert(eq(int, fixture_set_bytes(store, "key-0", 1500, 0, 1), STORE_NO_MEMORY));
    cr_assert(eq(u32, count(store, "key", items), items - 1));
    store_flush(store, 1, 1);
    cr_assert(ge(u32, fill_to_the_brim(store, "new", 100), items * 98 / 100));
    store_check(store);
    store_destroy(store);
}

/* store_maintain() comes to an end when nothing can be freed, also after the bound was lowered. */
Test(refuse, idle_turns_end) {
    struct store *store = fixture_store_refusing(8 * MIB);
    uint32_t items = fill_to_the_brim(store, "key", 100);
    cr_assert(not(store_maintain(store, 1)));
    cr_assert(eq(int, store_resize(store, 4 * MIB), 0));
    for (uint32_t i = 0; store_maintain(store, 1); i++) {
        cr_assert(lt(u32, i, 100000));
    }
    cr_assert(eq(u32, count(store, "key", items), items));
    for (uint32_t i = 0; i < items; i++) {
        if (i % 3 != 0) {
            drop(store, "key", i);
        }
    }
    for (uint32_t i = 0; store_maintain(store, 1); i++) {
        cr_assert(lt(u32, i, 100000));
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(le(u64, stats.memory_bytes, 4 * MIB));
    cr_assert(eq(u32, count(store, "key", items), (items + 2) / 3));
    store_check(store);
    store_destroy(store);
}

/* When the memory for gathering is used up in the middle of a segment, the rest stays until there
 * is some again. */
Test(refuse, no_room_to_gather) {
    struct store *store = fixture_store_refusing(8 * MIB);
    uint32_t items = fill_to_the_brim(store, "key", 100);
    for (uint32_t i = 0; i < items; i++) {
        if (i % 3 == 0) {
            drop(store, "key", i);
        }
    }
    store_evict(store, 100, 0);
    cr_assert(eq(int, (int)store->emptying.how, EMPTYING_CLEAN));
    cr_assert(ne(u32, store->emptying.segment, 0));
    segment_seal_all(&store->log);
    while (segment_cool(&store->log)) {
        continue;
    }
    store->bound_bytes = store->ceiling_bytes =
        store_memory_bytes(store) + store_memory_slack(store);
    cr_assert(not(store_maintain(store, 1)));
    cr_assert(eq(int, fixture_set_bytes(store, "other", 1000, 0, 1), STORE_NO_MEMORY));
    cr_assert(eq(u64, fixture_stats(store).items, items - (items + 2) / 3));
    cr_assert(eq(int, store_resize(store, 8 * MIB), 0));
    store->ceiling_bytes = store->bound_bytes;
    cr_assert(lt(u32, items / 4, fill_to_the_brim(store, "other", 100)));
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    store_check(store);
    store_destroy(store);
}

/* Tiny values come and go in a full store: the index takes nothing of the reserve of cleaning. */
Test(refuse, tiny_values_over_and_over) {
    struct store *store = fixture_store_refusing(2 * MIB);
    char name[32];
    uint64_t refused = 0;
    uint64_t items = fill_to_the_brim(store, "first", 1);
    for (uint32_t i = 0; i < 300000; i++) {
        uint64_t random = fixture_mix(i);
        snprintf(name, sizeof(name), "first-%u", (uint32_t)(random % (2 * items)));
        uint32_t length = (uint32_t)(random >> 32) % 40;
        if (random >> 63) {
            fixture_delete(store, name, 1);
        } else {
            refused += fixture_set_bytes(store, name, length, 0, 1) != STORE_OK;
        }
        store_check_memory(store);
        cr_assert(store->log.warm_count != 0 || store_has_free_segments(store, 1));
    }
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    cr_assert(lt(u64, 0, refused));
    store_check(store);
    store_destroy(store);
}
