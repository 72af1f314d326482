/* Eviction: which items are kept when memory is short, and that the work of an operation is
 * bounded. */
#include "store/evict.h"
#include "store/lookup.h"
#include "store/memory.h"
#include "store/reclaim.h"

#include "memory_fixture.h"

static void set(struct store *store, const char *prefix, uint32_t number, uint32_t length) {
    char name[32];
    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    cr_assert(eq(int, fixture_set_bytes(store, name, length, 0, 1), STORE_OK));
    store_check_memory(store);
}

static bool has(struct store *store, const char *prefix, uint32_t number) {
    char name[32];
    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    return fixture_has(store, name, 1);
}

static uint32_t count(struct store *store, const char *prefix, uint32_t items) {
    uint32_t there = 0;
    for (uint32_t i = 0; i < items; i++) {
        there += has(store, prefix, i);
    }
    return there;
}

/* Whether the key is there; does not count as a read. */
static bool peek(struct store *store, const char *prefix, uint32_t number) {
    char name[32];
    struct store_item item;
    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    struct store_key key = fixture_key(name);
    return store_peek(store, &key, 1, &item) == STORE_OK;
}

/* Items that were read survive any number of new items that are not. A few segments of them may be
 * lost, where writing is faster than moving a long row of read items. */
Test(evict, what_was_read_survives_a_scan) {
    struct store *store = fixture_store(4 * MIB);
    for (uint32_t i = 0; i < 2000; i++) {
        set(store, "hot", i, 500);
    }
    cr_assert(eq(u32, count(store, "hot", 2000), 2000));
    for (uint32_t i = 0; i < 100000; i++) {
        set(store, "scan", i, 500);
    }
    cr_assert(ge(u32, count(store, "hot", 2000), 1800));
    cr_assert(ge(u64, fixture_stats(store).small.moved_items, 1800));
    store_check(store);
    store_destroy(store);
}

/* A peek, and a read with no_bump, do not count as reads, as in memcached's mg without a bump. */
Test(evict, peeks_count_for_nothing) {
    struct store *store = fixture_store(4 * MIB);
    struct store_read read = {.no_bump = true};
    for (uint32_t i = 0; i < 2000; i++) {
        struct store_item item;
        set(store, "peeked", i, 500);
        cr_assert(peek(store, "peeked", i));
        char name[32];
        snprintf(name, sizeof(name), "peeked-%u", i);
        struct store_key key = fixture_key(name);
        cr_assert(eq(int, store_read(store, &key, &read, 1, &item), STORE_OK));
    }
    for (uint32_t i = 0; i < 20000; i++) {
        set(store, "scan", i, 500);
    }
    cr_assert(eq(u32, count(store, "peeked", 2000), 0));
    cr_assert(eq(u64, fixture_stats(store).small.moved_items, 0));
    store_destroy(store);
}

/* A key that is stored again soon after it was evicted unread goes to the main queue at once. */
Test(evict, a_ghost_comes_back_to_the_main_queue) {
    struct store *store = fixture_store(4 * MIB);
    for (uint32_t i = 0; i < 4000; i++) {
        set(store, "hot", i, 500);
    }
    count(store, "hot", 4000);
    for (uint32_t i = 0; i < 20000; i++) {
        set(store, "once", i, 500);
    }
    uint32_t back = 0;
    for (uint32_t i = 20000; i-- > 10000;) {
        if (!peek(store, "once", i)) {
            set(store, "once", i, 500);
            back++;
        }
    }
    uint64_t hits = store->counters.ghost_hits;
    cr_assert(lt(u32, 2000, back));
    cr_assert(lt(u64, back / 8, hits));
    for (uint32_t i = 0; i < 20000; i++) {
        set(store, "other", i, 500);
    }
    cr_assert(ge(u64, store->items[SEGMENT_MAIN], 4000));
    store_check(store);
    store_destroy(store);
}

/* Items that are never read, of three lengths in turn; the small queue drops them. Returns the keys
 * that came back by a ghost, of those of the longest. */
static uint32_t back_by_ghost(struct store *store, uint32_t longest) {
    uint32_t lengths[] = {100, 100, longest}, back = 0;
    for (uint32_t i = 0; i < 24000; i++) {
        set(store, "once", i, lengths[i % 3]);
    }
    for (uint32_t i = 23999; i > 3000; i--) {
        uint64_t hits = store->counters.ghost_hits;
        if (i % 3 == 2 && !peek(store, "once", i)) {
            set(store, "once", i, longest);
            back += (uint32_t)(store->counters.ghost_hits - hits);
        }
    }
    store_check(store);
    return back;
}

/* What is much larger than others leaves no ghost, but one in 32; where bytes count it does. What
 * is not twice as large as the mean leaves one, and none is turned away. */
Test(evict, large_unread_items_leave_no_ghost) {
    struct store_config config = fixture_config(2 * MIB);
    for (uint32_t of_bytes = 0; of_bytes < 2; of_bytes++) {
        config.hits_of_bytes = of_bytes;
        struct store *store = fixture_store_of(&config);
        uint32_t back = back_by_ghost(store, 1500);
        uint64_t away = fixture_stats(store).turned_away;
        if (of_bytes) {
            cr_assert(eq(u64, away, 0));
            cr_assert(lt(u32, 100, back));
        } else {
            cr_assert(lt(u64, 1000, away));
            cr_assert(le(u64, away, fixture_stats(store).small.evicted_unfetched));
            cr_assert(eq(u64, away, store->large_dropped - store->large_dropped / 32));
            cr_assert(lt(u32, back, 100));
        }
        store_destroy(store);
        store = fixture_store_of(&config);
        cr_assert(lt(u32, 100, back_by_ghost(store, 150)));
        cr_assert(eq(u64, fixture_stats(store).turned_away, 0));
        store_destroy(store);
    }
}

/* A large item counts with all its extents: one whose head is smaller than the other items. */
Test(evict, extents_count_for_size) {
    struct store *store = fixture_store(2 * MIB);
    for (uint32_t i = 0; i < 6000; i++) {
        set(store, "once", i, i % 100 == 0 ? 100000 : 500);
    }
    uint64_t away = fixture_stats(store).turned_away;
    cr_assert(lt(u64, 30, away));
    cr_assert(le(u64, away, 60));
    store_check(store);
    store_destroy(store);
}

/* Small items fill the memory, and are read; then all that comes is a hundred times as large, in a
 * loop that fits: it gets in, as it did when size didn't count. Some are turned away while the
 * small queue still has old ones. */
Test(evict, sizes_may_change_for_good) {
    struct store *store = fixture_store(4 * MIB);
    for (uint32_t i = 0; i < 40000; i++) {
        set(store, "small", i, 40);
        has(store, "small", i);
    }
    uint32_t hits = 0;
    for (uint32_t i = 0; i < 700 * 8; i++) {
        if (has(store, "large", i % 700)) {
            hits++;
        } else {
            set(store, "large", i % 700, 3900);
        }
    }
    cr_assert(lt(u64, fixture_stats(store).turned_away, 700));
    cr_assert(lt(u32, 700 * 4, hits));
    store_check(store);
    store_destroy(store);
}

/* Equal sizes, whatever is read: the rule never counts, so that the same is kept as without it. */
Test(evict, equal_sizes_are_kept_as_before) {
    struct store_config config = fixture_config(2 * MIB);
    struct store *store = fixture_store_of(&config);
    config.hits_of_bytes = true;
    struct store *before = fixture_store_of(&config);
    for (uint32_t i = 0; i < 60000; i++) {
        uint32_t key = (uint32_t)(fixture_mix(i) % (1 + fixture_mix(i + 1) % 10000));
        bool hit = has(store, "key", 10000 + key);
        cr_assert(eq(int, hit, has(before, "key", 10000 + key)), "request %u", i);
        if (!hit) {
            set(store, "key", 10000 + key, 300);
            set(before, "key", 10000 + key, 300);
        }
    }
    cr_assert(eq(u64, fixture_stats(store).turned_away, 0));
    cr_assert(lt(u64, 5000, fixture_stats(store).evictions));
    store_destroy(store);
    store_destroy(before);
}

/* All items are read all the time, so that eviction could move them for ever: what it moves is
 * bounded, and it makes progress. */
Test(evict, everything_is_hot) {
    struct store *store = fixture_store(4 * MIB);
    for (uint32_t i = 0; i < 60000; i++) {
        set(store, "key", i, 300);
        for (uint32_t j = 0; j < 30; j++) {
            has(store, "key", i > j * 300 ? i - j * 300 : i);
        }
    }
    const struct store_counters *counters = &store->counters;
    uint64_t freed = counters->segments_evicted * store->log.segment_bytes;
    cr_assert(lt(u64, 40000, fixture_stats(store).evictions));
    cr_assert(le(u64, counters->moved_bytes,
                 (freed - counters->moved_bytes) * EVICT_MOVED_PER_BYTE + 4 * MIB));
    store_check(store);
    store_destroy(store);
}

static uint32_t zipf(const double *sums, uint32_t keys, uint64_t random) {
    double at = (double)(random >> 11) / (double)((uint64_t)1 << 53) * sums[keys - 1];
    uint32_t low = 0, high = keys - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sums[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#define ZIPF_KEYS 50000u
#define ZIPF_REQUESTS 400000u

/* The hits of a FIFO cache of this number of items. */
static uint32_t hits_of_fifo(const uint32_t *requests, uint32_t items_max) {
    static uint32_t left_at[ZIPF_KEYS]; /* the write, counted from 1, that drops the key */
    uint32_t hits = 0, writes = 0;
    for (uint32_t i = 0; i < ZIPF_REQUESTS; i++) {
        uint32_t key = requests[i];
        if (left_at[key] > writes) {
            hits++;
            continue;
        }
        writes++;
        left_at[key] = writes + items_max;
    }
    return hits;
}

/* On a Zipf load of exponent 1 it hits much more often than a FIFO cache of as many items. */
Test(evict, better_than_a_plain_queue) {
    static double sums[ZIPF_KEYS];
    static uint32_t requests[ZIPF_REQUESTS];
    struct store *store = fixture_store(2 * MIB);
    uint32_t hits = 0;
    for (uint32_t i = 0; i < ZIPF_KEYS; i++) {
        sums[i] = (i == 0 ? 0 : sums[i - 1]) + 1.0 / (i + 1);
    }
    for (uint32_t i = 0; i < ZIPF_REQUESTS; i++) {
        requests[i] = zipf(sums, ZIPF_KEYS, fixture_mix(i + 12345));
        if (has(store, "key", requests[i])) {
            hits++;
        } else {
            set(store, "key", requests[i], 300);
        }
    }
    uint32_t fifo = hits_of_fifo(requests, (uint32_t)fixture_stats(store).items);
    cr_assert(lt(u32, fifo + ZIPF_REQUESTS / 20, hits));
    store_check(store);
    store_destroy(store);
}

/* Large items are written and small ones evicted: the work of each operation stays within its
 * bound, which store_check_memory() asserts. */
Test(evict, sizes_of_all_kinds_in_turns) {
    struct store *store = fixture_store(2 * MIB);
    uint32_t lengths[] = {1, 12000, 1, 300, 15000, 40, 2000, 8};
    for (uint32_t round = 0; round < 16; round++) {
        uint32_t length = lengths[round % 8];
        uint32_t items = (uint32_t)(4 * MIB / (length + 40));
        for (uint32_t i = 0; i < items; i++) {
            set(store, "key", round * 1000000 + i, length);
            if (i % 3 == 0) {
                has(store, "key", round * 1000000 + i / 2);
            }
        }
        store_check(store);
    }
    cr_assert(eq(u64, fixture_stats(store).out_of_memory, 0));
    store_destroy(store);
}

/* store_maintain() frees the segments wanted, and comes to an end. */
Test(evict, idle_turns_work_ahead) {
    struct store *store = fixture_store(2 * MIB);
    for (uint32_t i = 0; i < 30000; i++) {
        set(store, "key", i, 300);
    }
    uint32_t slices = 0;
    while (store_maintain(store, 1)) {
        store_check(store);
        cr_assert(lt(u32, slices++, 1000));
    }
    cr_assert(store_has_free_segments(store, store_free_segments_wanted(store)));
    uint64_t evictions = fixture_stats(store).evictions;
    cr_assert(not(store_maintain(store, 1)));
    cr_assert(eq(u64, fixture_stats(store).evictions, evictions));
    store_destroy(store);
}

static uint64_t location_of(struct store *store, const char *prefix, uint32_t number) {
    char name[32];
    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    struct store_key key = fixture_key(name);
    struct store_found found;
    store_find(store, &key, &found);
    cr_assert(ne(ptr, found.item, NULL));
    return found.location;
}

/* A segment that is pinned while it is being emptied keeps its items. */
Test(evict, pinned_segments_stay) {
    struct store *store = fixture_store(2 * MIB);
    for (uint32_t i = 0; i < 100; i++) {
        set(store, "pinned", i, 500);
    }
    uint32_t number = store->log.queues[SEGMENT_SMALL].oldest;
    uint32_t items = 0;
    while (segment_of(&store->log, location_of(store, "pinned", items)) == number) {
        items++;
    }
    cr_assert(lt(u32, 20, items));
    segment_pin(&store->log, number);
    for (uint32_t i = 0; i < 20000; i++) {
        set(store, "other", i, 500);
    }
    cr_assert(eq(u32, count(store, "pinned", 100), items));
    cr_assert(lt(u64, 10000, fixture_stats(store).evictions));
    segment_unpin(&store->log, number);
    for (uint32_t i = 0; i < 20000; i++) {
        set(store, "third", i, 500);
    }
    store_check(store);
    store_destroy(store);
}

/* After a flush its segments are emptied first; the segment that was being emptied goes on as a
 * flushed one. */
/* What was at hand is emptied; what else was flushed stays until memory is needed, or a crawl. */
Test(evict, a_flush_overtakes_the_segment_at_hand, .timeout = 600) {
    struct store *store = fixture_store_up_to(2 * MIB, 4 * MIB);
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    uint32_t i = 0;
    while (store->emptying.segment == 0) {
        set(store, "key", i++, 300);
    }
    uint32_t at_hand = store->emptying.segment;
    store_resize(store, 4 * MIB);
    store_flush(store, 1, 1);
    uint64_t segments = fixture_stats(store).segments;
    while (store_maintain(store, 1)) {
        store_check(store);
    }
    cr_assert(eq(u32, store->emptying.segment, 0));
    cr_assert(eq(u32, store->log.segments[at_hand].live_bytes, 0));
    cr_assert(eq(u64, fixture_stats(store).segments, segments - 1), "there is room");
    while (store_crawl(store, &cursor, 1000, 1, &checked, &reclaimed)) {
        store_check(store);
    }
    cr_assert(le(u64, fixture_stats(store).segments, SEGMENT_ENDS), "nothing is left of it");
    set(store, "key", i, 300);
    cr_assert(has(store, "key", i));
    store_check(store);
    store_destroy(store);
}

static void count_evicted(void *context, const struct store_entry *entry) {
    uint64_t *told = context;
    cr_assert(eq(u32, entry->item.value_length, 500));
    cr_assert(eq(u32, entry->item.access, 1));
    cr_assert(entry->key_length > 2 && memcmp(entry->key, "x-", 2) == 0);
    told[entry->item.state & STORE_FETCHED ? 1 : 0]++;
}

/* Each eviction is told of once, and none when nobody wants to know. */
Test(evict, evictions_are_told) {
    struct store *store = fixture_store(4 * MIB);
    uint64_t told[2] = {0};
    store_tell_evictions(store, count_evicted, told);
    for (uint32_t i = 0; i < 20000; i++) {
        set(store, "x", i, 500);
        has(store, "x", i / 2);
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(lt(u64, 0, told[0]));
    cr_assert(eq(u64, told[0] + told[1], stats.evictions));
    cr_assert(eq(u64, told[0], stats.evicted_unfetched));
    store_tell_evictions(store, NULL, NULL);
    for (uint32_t i = 20000; i < 30000; i++) {
        set(store, "x", i, 500);
    }
    cr_assert(eq(u64, told[0] + told[1], stats.evictions));
    store_destroy(store);
}
