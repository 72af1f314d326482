/* Who gets the memory: one bound for the segments, the index and the bookkeeping. */
#include "store/internal.h"

#include "store/pages.h"

/* So many items ahead of the one evicted, buckets are prefetched. */
#define EVICT_AHEAD 8

/* The index's pages, and one for the header of a segment that was never used. */
size_t store_memory_slack(const struct store *store) {
    return (INDEX_PAGES_PER_OPERATION + 1) * store->page_bytes;
}

size_t store_memory_bytes(const struct store *store) {
    return store->struct_bytes + store->log.headers_bytes + segment_resident_bytes(&store->log) +
           index_resident_bytes(&store->index);
}

static bool memory_has_room(const struct store *store, size_t bytes) {
    return store_memory_bytes(store) + bytes + store_memory_slack(store) <= store->ceiling_bytes;
}

static void count_eviction(struct store *store, uint64_t location, const struct item *item) {
    struct store_counters *counters = &store->counters;
    bool fetched = item->bits & ITEM_FETCHED;
    if (store_is_flushed(store, location))
        return;
    if (store_is_expired(store, item)) {
        counters->expired++;
        counters->expired_unfetched += !fetched;
        return;
    }
    counters->evictions++;
    counters->evicted_unfetched += !fetched;
    counters->evicted_expiring += item_expires(item) != 0;
    counters->evicted_idle = store->now - item->access;
}

/* A large item goes as a whole, with its head or the first extent met. */
static void evict_item(struct store *store, uint64_t location, struct item *item) {
    struct store_found found = {.item = item, .location = location};
    if (item_is_extent(item))
        store_find_owner(store, location, &found);
    else
        found.ref = index_find_location(&store->index, item->hash, location);
    assert(found.ref.primary != NULL);
    count_eviction(store, found.location, found.item);
    store_unlink(store, &found);
}

/* A segment that was evicted in part goes on where that stopped. */
static uint64_t evict_start(const struct store *store, uint32_t number) {
    if (store->log.segments[number].sequence == store->evict_sequence)
        return store->evict_at;
    return segment_first(&store->log, number);
}

/* Evicts what a segment still holds, or goes past what is dead, up to items_max items. With its
 * last item it becomes free. */
static void evict_from(struct store *store, uint32_t number, uint32_t items_max) {
    struct segment_log *log = &store->log;
    struct segment *segment = &log->segments[number];
    uint64_t at = evict_start(store, number);
    uint64_t end = segment_first(log, number) + segment->used_bytes / ITEM_ALIGN;
    uint64_t ahead = at;
    segment_pin(log, number);
    for (uint32_t items = 0; at < end && items < items_max; items++) {
        struct item *item = segment_item(log, at);
        uint32_t bytes = item_bytes(item);
        for (; ahead < end && ahead <= at + (uint64_t)EVICT_AHEAD * bytes / ITEM_ALIGN;
             ahead += item_bytes(segment_item(log, ahead)) / ITEM_ALIGN)
            __builtin_prefetch(index_primary(&store->index, segment_item(log, ahead)->hash));
        if (item->bits & ITEM_LINKED)
            evict_item(store, at, item);
        at += bytes / ITEM_ALIGN;
    }
    assert(at < end || segment->live_bytes == 0);
    store->evict_sequence = segment->sequence;
    store->evict_at = at;
    segment_unpin(log, number);
    store->counters.segments_evicted += !segment_in_use(segment);
}

bool store_evict(struct store *store, uint32_t items_max) {
    uint32_t victim = segment_victim(&store->log);
    if (victim != 0)
        evict_from(store, victim, items_max);
    return victim != 0;
}

/* The one operation that takes time in proportion to a segment: to be cut into slices when a
 * reserve of free segments is kept ahead of need. */
static bool evict_oldest(struct store *store) {
    return store_evict(store, UINT32_MAX);
}

static bool victim_is_flushed(const struct store *store) {
    const struct segment_log *log = &store->log;
    if (log->oldest == 0 || log->segments[log->oldest].sequence >= store->flush_sequence)
        return false;
    uint32_t victim = segment_victim(log);
    return victim != 0 && log->segments[victim].sequence < store->flush_sequence;
}

/* What a flush has left behind comes before memory that was never used. */
static uint32_t take_segment(struct store *store) {
    struct segment_log *log = &store->log;
    if (victim_is_flushed(store))
        evict_oldest(store);
    uint32_t number = segment_take_warm(log);
    if (number == 0 && memory_has_room(store, log->segment_bytes))
        number = segment_take_cold(log);
    if (number == 0 && evict_oldest(store))
        number = segment_take_warm(log);
    return number;
}

bool store_room_for_item(struct store *store, enum segment_end end, uint32_t bytes) {
    assert(bytes <= store->log.segment_bytes);
    if (segment_has_room(&store->log, end, bytes))
        return true;
    segment_seal(&store->log, end);
    uint32_t number = take_segment(store);
    if (number == 0) {
        store->counters.out_of_memory++;
        return false;
    }
    segment_open(&store->log, end, number, store->now);
    return true;
}

bool store_room_for_index(struct store *store) {
    while (!memory_has_room(store, 0)) {
        if (segment_cool(&store->log))
            continue;
        if (store->log.segments_used < STORE_SEGMENTS_MIN || !evict_oldest(store)) {
            store->counters.out_of_memory++;
            return false;
        }
    }
    index_step(&store->index);
    return true;
}

void store_tend_index(struct store *store) {
    if (memory_has_room(store, 0))
        index_step(&store->index);
}
