/* The memory bound, huge pages, and the largest items. */
#include "store/memory.h"

#include "memory_fixture.h"

static void delete_all(struct store *store, uint32_t count) {
    char name[32];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "key-%u", i);
        fixture_delete(store, name, 1);
    }
}

Test(memory, many_items_evict_the_oldest) {
    struct store *store = fixture_store(MIB);
    char name[32];
    for (uint32_t i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "key-%u", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, i % 300, 0, 1), STORE_OK));
        cr_assert(i % 2 == 0 || fixture_has(store, name, 1));
        store_check_memory(store);
        if (i % 512 == 0) {
            store_check(store);
        }
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(not(fixture_has(store, "key-1", 1)));
    cr_assert(eq(u64, stats.evictions + stats.items, 50000));
    cr_assert(eq(u64, stats.items_stored, 50000));
    cr_assert(le(u64, stats.evicted_unfetched, 25000));
    cr_assert(ge(u64, stats.evicted_unfetched, 25000 - stats.items));
    cr_assert(ge(u64, stats.memory_bytes, MIB * 95 / 100), "all of the memory is used");
    store_check(store);
    store_destroy(store);
}

/* With tiny items the index takes memory from the segments, with large ones it gives it back. */
Test(memory, index_and_segments_trade) {
    struct store *store = fixture_store(4 * MIB);
    fill(store, 150000, 1);
    struct store_stats tiny = fixture_stats(store);
    cr_assert(lt(u64, MIB / 2, tiny.index_bytes));
    cr_assert(lt(u64, tiny.index_bytes, tiny.items * 16));
    fill(store, 20000, 5000);
    struct store_stats large = fixture_stats(store);
    cr_assert(lt(u64, large.index_bytes, MIB / 8));
    cr_assert(lt(u64, tiny.segments, large.segments));
    cr_assert(ge(u64, large.memory_bytes, 4 * MIB * 95 / 100));
    store_check(store);
    store_destroy(store);
}

/* The largest items, of which few fit in a store. */
Test(memory, long_values_fill_segments) {
    static const uint32_t lengths[] = {30000, 40000, 50000, 60000, 100000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct store *store = fixture_store(64 * MIB);
        fill(store, (uint32_t)(80 * MIB / lengths[i]), lengths[i]);
        cr_assert(ge(u64, store_items(store) * lengths[i], 64 * MIB * 95 / 100),
                  "%u bytes: %llu items", lengths[i], (unsigned long long)store_items(store));
        store_check(store);
        store_destroy(store);
    }
}

Test(memory, a_large_store_is_small_until_it_fills) {
    size_t before = resident_bytes();
    struct store *store = fixture_store(64 * MIB);
    fill(store, 10, 1000);
    cr_assert(lt(sz, resident_bytes(), before + MIB));
    store_destroy(store);
    store = fixture_store((size_t)64 << 30);
    fill(store, 10, 1000);
    cr_assert(lt(sz, resident_bytes(), before + 3 * PAGES_HUGE_BYTES));
    store_destroy(store);
}

/* The resident size of the process is at most what the store counts. Huge pages are split when part
 * of them is given back, and used again later. */
static void check_resident(const struct store *store, size_t before) {
    size_t counted = store_memory_bytes(store);
    cr_assert(le(sz, resident_bytes(), before + counted + MIB + SANITIZER_BYTES));
}

Test(memory, huge_pages_are_counted) {
    size_t before = resident_bytes();
    struct store *store = fixture_store((size_t)512 << 20);
    cr_assert(eq(sz, segment_block_bytes(&store->log), PAGES_HUGE_BYTES));
    cr_assert(eq(sz, store->index.page_bytes, PAGES_HUGE_BYTES));
    for (int i = 0; i < 3; i++) {
        for (uint32_t items = 0; items < 600000; items += 50000) {
            fill_from(store, items, 50000, 20);
            check_resident(store, before);
        }
        cr_assert(lt(sz, 3 * PAGES_HUGE_BYTES, index_resident_bytes(&store->index)));
        store_check(store);
        delete_all(store, 600000);
        check_resident(store, before);
        cr_assert(lt(sz, store_memory_bytes(store), 28 * MIB)); /* a 32nd stays */
    }
    store_destroy(store);
}

/* The first set takes the first block of segments; when none of it is left, store_maintain() takes
 * the next. */
Test(memory, the_next_huge_page_comes_ahead) {
    struct store *store = fixture_store((size_t)512 << 20);
    store_maintain(store, 1);
    cr_assert(eq(sz, segment_resident_bytes(&store->log), 0), "not before the first one");
    fill(store, 1, 1000);
    store_maintain(store, 1);
    cr_assert(eq(sz, segment_resident_bytes(&store->log), PAGES_HUGE_BYTES));
    fill(store, 1500, 1000);
    cr_assert(eq(u32, store->log.warm_count, 0));
    size_t before = resident_bytes();
    store_maintain(store, 1);
    cr_assert(eq(sz, segment_resident_bytes(&store->log), 2 * PAGES_HUGE_BYTES));
    cr_assert(lt(sz, before, resident_bytes()), "and is there");
    store_maintain(store, 1);
    cr_assert(eq(sz, segment_resident_bytes(&store->log), 2 * PAGES_HUGE_BYTES), "but one");
    store_check(store);
    store_destroy(store);
}

/* In a store of 128 MiB the segments are in huge pages and the index is not. Overwriting with other
 * sizes frees single segments. */
Test(memory, parts_of_huge_pages_are_counted) {
    size_t before = resident_bytes();
    struct store *store = fixture_store(128 * MIB);
    cr_assert(eq(sz, segment_block_bytes(&store->log), PAGES_HUGE_BYTES));
    cr_assert(ne(sz, store->index.page_bytes, PAGES_HUGE_BYTES));
    for (uint32_t i = 0; i < 20; i++) {
        fill_from(store, i * 10000, 20000, 300 + 200 * (i % 5));
        check_resident(store, before);
        if (i == 10) {
            store_resize(store, 70 * MIB);
        }
        while (store_maintain(store, 1)) {
            check_resident(store, before);
        }
    }
    cr_assert(le(sz, store_memory_bytes(store), 70 * MIB));
    cr_assert(ge(sz, store_memory_bytes(store), 66 * MIB), "to the last segment");
    store_check(store);
    store_destroy(store);
}

Test(memory, resident_size_follows_down) {
    struct store *store = fixture_store(64 * MIB);
    size_t before = resident_bytes();
    fill(store, 200000, 100);
    cr_assert(lt(sz, before + 20 * MIB, resident_bytes()));
    cr_assert(le(sz, resident_bytes(),
                 before + fixture_stats(store).memory_bytes + MIB + SANITIZER_BYTES));
    delete_all(store, 200000);
    store_check(store);
    cr_assert(lt(sz, fixture_stats(store).memory_bytes, 6 * MIB));
    cr_assert(lt(sz, resident_bytes(), before + 7 * MIB + SANITIZER_BYTES));
    store_destroy(store);
}

/* Flushed segments are used again before live items are evicted, and before memory that was never
 * used. */
Test(memory, flushed_segments_are_used_again) {
    struct store *store = fixture_store(4 * MIB);
    fill(store, 1000, 800);
    uint64_t segments = fixture_stats(store).segments;
    store_flush(store, 1, 1);
    for (uint32_t i = 0; i < 500; i++) {
        char name[32]; /* other keys than before: a look-up drops a flushed item */
        snprintf(name, sizeof(name), "new-%u", i);
        fixture_set_bytes(store, name, 800, 0, 1);
    }
    cr_assert(eq(u64, fixture_stats(store).items, 500));
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    cr_assert(le(u64, fixture_stats(store).segments, segments + 1));
    store_check(store);
    store_destroy(store);
}

/* Nobody needs their memory yet: whoever asks for such a key is counted. */
Test(memory, flushed_items_stay_while_there_is_room) {
    struct store *store = fixture_store(4 * MIB);
    char name[32];
    fill(store, 100, 100);
    store_flush(store, 1, 1);
    cr_assert(not(store_maintain(store, 1)));
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "new-%u", i);
        fixture_set_bytes(store, name, 100, 0, 1);
        while (store_maintain(store, 1)) {
            ;
        }
    }
    cr_assert(store_has_room(store));
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "key-%u", i);
        cr_assert(not(fixture_has(store, name, 1)));
    }
    cr_assert(eq(u64, fixture_stats(store).met_flushed, 100));
    cr_assert(eq(u64, fixture_stats(store).flushed, 100));
    cr_assert(eq(u64, fixture_stats(store).items, 50));
    store_check(store);
    store_destroy(store);
}

/* The largest values that mc-crusher stores at -I 1m: 1 MiB less 1 KiB. */
Test(memory, a_large_value_in_a_shard_of_64_mib) {
    struct store *store = fixture_store(64 * MIB);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof(name), "large-%d", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, 1047552, 0, 1), STORE_OK));
        cr_assert(fixture_has(store, name, 1));
        store_check(store);
    }
    store_destroy(store);
}

Test(memory, an_item_that_fills_a_segment) {
    struct store *store = fixture_store(MIB);
    uint32_t max = store_value_length_max(store, 3);
    struct store_key key = fixture_key("big");
    struct store_item item;
    cr_assert(eq(int, fixture_set_bytes(store, "big", max, 0, 1), STORE_OK));
    cr_assert(eq(int, store_touch(store, &key, 99, 1, &item), STORE_OK), "a field more fits");
    cr_assert(eq(u32, item.value_length, max));
    cr_assert(eq(int, fixture_set_bytes(store, "big", max, 50, 1), STORE_OK));
    cr_assert(eq(int, fixture_write(store, STORE_APPEND, "big", "x", 1), STORE_NOT_STORED));
    cr_assert(eq(int, fixture_write(store, STORE_PREPEND, "big", "x", 1), STORE_NOT_STORED));
    cr_assert(fixture_has(store, "big", 1), "a failed append leaves the item");
    cr_assert(eq(int, fixture_set_bytes(store, "big", max + 1, 0, 1), STORE_TOO_LARGE));
    cr_assert(not(fixture_has(store, "big", 1)), "a failed set does not");
    store_check(store);
    store_destroy(store);
}

Test(memory, the_configured_size_of_an_item_holds) {
    struct store_config config = fixture_config(MIB);
    config.item_bytes_max = 1024;
    struct store *store = fixture_store_of(&config);
    uint32_t max = store_value_length_max(store, 1);
    cr_assert(eq(u32, max, 1024 - sizeof(struct item) - 10 - 1));
    cr_assert(eq(int, fixture_set_bytes(store, "a", max, 1000, 1), STORE_OK));
    cr_assert(eq(int, fixture_set_bytes(store, "a", max + 1, 0, 1), STORE_TOO_LARGE));
    store_destroy(store);
}

/* The oldest item of the small queue, if there is one. */
static struct item *oldest_small(const struct store *store) {
    const struct segment_log *log = &store->log;
    uint32_t number = log->queues[SEGMENT_SMALL].oldest;
    while (log->segments[number].live_bytes == 0) {
        number = log->segments[number].newer;
    }
    struct item *item = segment_item(log, segment_first(log, number));
    while (!(item->bits & ITEM_LINKED)) {
        item = (struct item *)(void *)((char *)item + item_bytes(item));
    }
    return item;
}

/* The oldest item of a full store grows, unless it was evicted to free the memory for that. */
Test(memory, append_to_an_item_about_to_be_evicted) {
    struct store *store = fixture_store(MIB);
    char name[32];
    uint32_t grown = 0;
    fill(store, 700, 1500);
    for (uint32_t i = 0; i < 2000; i++) {
        /* else the small queue would be empty in the end */
        snprintf(name, sizeof(name), "new-%u", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, 1500, 0, 1), STORE_OK));
        uint64_t evictions = fixture_stats(store).evictions;
        struct item *item = oldest_small(store);
        memcpy(name, item_key(item), item->key_length);
        name[item->key_length] = '\0';
        uint32_t length = item_value_length(item);
        enum store_status status = fixture_write(store, STORE_APPEND, name, "0123456789", 1);
        struct store_item shown;
        store_check(store);
        cr_assert(le(u64, fixture_stats(store).evictions, evictions + 33)); /* three segments */
        if (status == STORE_NOT_STORED) {
            continue;
        }
        grown++;
        cr_assert(eq(int, status, STORE_OK));
        cr_assert(eq(int, fixture_get(store, name, 1, &shown), STORE_OK));
        cr_assert(eq(u32, shown.value_length, length + 10));
        cr_assert(eq(int, memcmp(shown.value + length, "0123456789", 10), 0));
    }
    cr_assert(lt(u32, 200, grown));
    cr_assert(lt(u32, grown, 2000));
    store_destroy(store);
}
