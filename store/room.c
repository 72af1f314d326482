/* Who gets the memory: one bound for the segments, the index and the bookkeeping. */
#include "store/internal.h"

#include "store/pages.h"

/* So many items ahead of the one evicted, buckets are prefetched. */
#define EVICT_AHEAD 8

static size_t index_slack_bytes(const struct store *store) {
    return INDEX_PAGES_PER_OPERATION * store->page_bytes;
}

size_t store_memory_bytes(const struct store *store) {
    return store->fixed_bytes + segment_resident_bytes(&store->log) +
           index_resident_bytes(&store->index);
}

static bool memory_has_room(const struct store *store, size_t bytes) {
    return store_memory_bytes(store) + bytes + index_slack_bytes(store) <=
           store->config.memory_bytes;
}

static void count_eviction(struct store *store, uint64_t location, const struct item *item) {
    bool fetched = item->bits & ITEM_FETCHED;
    if (store_is_flushed(store, location))
        return;
    if (store_is_expired(store, item)) {
        store->expired++;
        store->expired_unfetched += !fetched;
    } else {
        store->evictions++;
        store->evicted_unfetched += !fetched;
    }
}

static void evict_item(struct store *store, uint64_t location, struct item *item) {
    struct store_found found = {.item = item, .location = location};
    found.ref = index_find_location(&store->index, item->hash, location);
    assert(found.ref.primary != NULL);
    count_eviction(store, location, item);
    store_unlink(store, &found);
}

/* Evicts what a segment still holds; with its last item it becomes free. The one operation that
 * takes time in proportion to a segment: to be cut into slices when a reserve of free segments is
 * kept ahead of need. */
static void evict_segment(struct store *store, uint32_t number) {
    struct segment_log *log = &store->log;
    uint64_t at = segment_first(log, number);
    uint64_t end = at + log->segments[number].used_bytes / ITEM_ALIGN;
    uint64_t ahead = at;
    segment_pin(log, number);
    while (at < end) {
        struct item *item = segment_item(log, at);
        uint32_t bytes = item_bytes(item);
        for (; ahead < end && ahead <= at + (uint64_t)EVICT_AHEAD * bytes / ITEM_ALIGN;
             ahead += item_bytes(segment_item(log, ahead)) / ITEM_ALIGN)
            __builtin_prefetch(index_primary(&store->index, segment_item(log, ahead)->hash));
        if (item->bits & ITEM_LINKED)
            evict_item(store, at, item);
        at += bytes / ITEM_ALIGN;
    }
    assert(log->segments[number].live_bytes == 0);
    segment_unpin(log, number);
}

static bool evict_oldest(struct store *store) {
    uint32_t victim = segment_victim(&store->log);
    if (victim != 0)
        evict_segment(store, victim);
    return victim != 0;
}

static bool oldest_is_flushed(const struct store *store) {
    const struct segment_log *log = &store->log;
    return log->oldest != 0 && log->segments[log->oldest].sequence < store->flush_sequence;
}

/* What a flush has left behind comes before memory that was never used. */
static uint32_t take_segment(struct store *store) {
    struct segment_log *log = &store->log;
    if (oldest_is_flushed(store))
        evict_oldest(store);
    uint32_t number = segment_take_warm(log);
    if (number == 0 && memory_has_room(store, log->segment_bytes))
        number = segment_take_cold(log);
    if (number == 0 && evict_oldest(store))
        number = segment_take_warm(log);
    return number;
}

bool store_room_for_item(struct store *store, uint32_t bytes) {
    assert(bytes <= store->log.segment_bytes);
    if (segment_has_room(&store->log, bytes))
        return true;
    segment_seal(&store->log);
    uint32_t number = take_segment(store);
    if (number == 0)
        return false;
    segment_open(&store->log, number);
    return true;
}

bool store_room_for_index(struct store *store) {
    while (!memory_has_room(store, 0)) {
        if (segment_cool(&store->log))
            continue;
        if (store->log.segments_used <= STORE_SEGMENTS_MIN || !evict_oldest(store))
            return false;
    }
    index_step(&store->index);
    return true;
}

void store_tend_index(struct store *store) {
    if (memory_has_room(store, 0))
        index_step(&store->index);
}
