/* Who gets the memory: one bound for the segments, the index, the ghosts and the bookkeeping.
 *
 * An operation that may write begins with store_make_room(): it does its share of the work that
 * keeps free segments ahead of need (evict.c). What it stores then takes one of these: nothing
 * is evicted while an item is in hand. */
#include "store/internal.h"

#include "store/pages.h"

/* The index's pages, one of the ghosts', and one for the header of a segment that was never
 * used. */
size_t store_memory_slack(const struct store *store) {
    return INDEX_PAGES_PER_OPERATION * store->index.page_bytes + 2 * store->page_bytes;
}

size_t store_memory_bytes(const struct store *store) {
    return store->struct_bytes + store->log.headers_bytes + segment_resident_bytes(&store->log) +
           index_resident_bytes(&store->index) + store->ghost.resident_bytes;
}

bool store_memory_has_room(const struct store *store, size_t bytes) {
    return store_memory_bytes(store) + bytes + store_memory_slack(store) <= store->ceiling_bytes;
}

bool store_has_free(const struct store *store, uint32_t segments) {
    uint32_t warm = store->log.warm_count;
    return warm >= segments ||
           store_memory_has_room(store, (size_t)(segments - warm) * store->log.segment_bytes);
}

uint32_t store_kept_free(const struct store *store) {
    return store->config.no_eviction ? 1 : 0;
}

/* Where cleaning's segment has yet to be made of that memory, it is still there afterwards. */
bool store_index_has_room(const struct store *store) {
    bool is_kept = store->log.warm_count >= store_kept_free(store);
    size_t kept = is_kept ? 0 : store->log.segment_bytes + store_memory_slack(store);
    return store_memory_has_room(store, kept);
}

/* 0 when that leaves fewer than `kept` free. */
static uint32_t take_segment(struct store *store, uint32_t kept) {
    if (!store_has_free(store, kept + 1)) {
        return 0;
    }
    uint32_t number = segment_take_warm(&store->log);
    if (number != 0) {
        return number;
    }
    bool has_room = store_memory_has_room(store, segment_block_bytes(&store->log));
    return segment_take_cold(&store->log, has_room);
}

static bool room_at(struct store *store, enum segment_end end, uint32_t bytes, uint32_t kept) {
    assert(bytes <= store->log.segment_bytes);
    if (segment_has_room(&store->log, end, bytes)) {
        return true;
    }
    uint32_t number = take_segment(store, kept);
    if (number == 0) {
        return false;
    }
    segment_seal(&store->log, end);
    segment_open(&store->log, end, number, store->now);
    return true;
}

bool store_room_at(struct store *store, enum segment_end end, uint32_t bytes) {
    return room_at(store, end, bytes, store_kept_free(store));
}

bool store_room_to_rescue(struct store *store, uint32_t bytes) {
    return room_at(store, SEGMENT_EXTENTS, bytes, 0);
}

bool store_room_to_gather(struct store *store, uint32_t source, uint32_t bytes) {
    enum segment_end end = segment_gather_end(&store->log.segments[source]);
    if (segment_has_room(&store->log, end, bytes)) {
        return true;
    }
    uint32_t number = take_segment(store, 0);
    if (number == 0) {
        return false;
    }
    segment_seal(&store->log, end);
    segment_open_before(&store->log, number, source);
    return true;
}

void store_warm_ahead(struct store *store) {
    struct segment_log *log = &store->log;
    if (log->block_segments > 1 && log->segments_used != 0 && log->warm_count == 0 &&
        store_memory_has_room(store, segment_block_bytes(log))) {
        segment_warm_ahead(log);
    }
}

/* One for what eviction moves, which comes in bursts, or that only cleaning may take; one for
 * each other end that will soon need it, but for ends of extents where there are none; and two
 * where there is something to clean. */
uint32_t store_free_wanted(const struct store *store) {
    const struct segment_log *log = &store->log;
    uint32_t little = (uint32_t)log->segment_bytes / 4;
    if (little < store->record_bytes_max) {
        little = store->record_bytes_max;
    }
    uint32_t wanted = 1;
    wanted += segment_room(log, SEGMENT_NEW_SMALL) < little;
    for (int end = SEGMENT_EXTENTS; end <= SEGMENT_EXTENTS_MAIN; end++) {
        wanted += log->open[end] != 0 &&
                  segment_room(log, (enum segment_end)end) < log->segment_bytes / 2;
    }
    if (log->queues[SEGMENT_SMALL].sparse != 0 || log->queues[SEGMENT_MAIN].sparse != 0) {
        wanted += 2;
    }
    return wanted;
}

/* Segments that writing an item, and an extent of so many bytes, may take. */
static uint32_t lacking(const struct store *store, uint32_t extent_bytes) {
    const struct segment_log *log = &store->log;
    uint32_t ends = !segment_has_room(log, SEGMENT_NEW_SMALL, store->record_bytes_max) +
                    !segment_has_room(log, SEGMENT_EXTENTS, extent_bytes);
    return ends == 0 ? 0 : ends + store_kept_free(store);
}

/* A free segment's pages go to the index; not those that cleaning needs. */
static bool cool(struct store *store) {
    return store->log.warm_count > store_kept_free(store) && segment_cool(&store->log);
}

/* When that is not enough, somebody has to go at once. */
void store_make_room(struct store *store, uint32_t extent_bytes) {
    uint32_t written = store->written_bytes;
    store->written_bytes = 0;
    store_evict(store, store_free_wanted(store), written);
    uint32_t wanted = lacking(store, extent_bytes);
    uint32_t at_once = 1 + (wanted > 0 ? wanted : store_kept_free(store)); /* one to be cooled */
    bool possible = true;
    while (possible && !(store_index_has_room(store) && store_has_free(store, wanted))) {
        bool cooled = !store_memory_has_room(store, 0) && cool(store);
        possible = cooled || store_evict_at_once(store, at_once);
    }
}

void store_tend_index(struct store *store) {
    if (store_index_has_room(store)) {
        index_step(&store->index);
    }
}
