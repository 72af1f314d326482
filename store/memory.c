#include "store/memory.h"

#include "store/limits.h"
#include "store/transfer_view.h"

/* The pages that the index may take, one for the ghosts, and one for the header of a segment that
 * was never used. */
size_t store_memory_slack(const struct store *store) {
    return INDEX_PAGES_PER_OPERATION * store->index.page_bytes + 2 * store->page_bytes;
}

size_t store_memory_bytes(const struct store *store) {
    return store->struct_bytes + store->log.headers_bytes + segment_resident_bytes(&store->log) +
           index_resident_bytes(&store->index) + store->ghost.resident_bytes;
}

bool store_memory_fits(const struct store *store, size_t bytes) {
    return store_memory_bytes(store) + bytes + store_memory_slack(store) <= store->ceiling_bytes;
}

bool store_has_free_segments(const struct store *store, uint32_t segments) {
    uint32_t warm = store->log.warm_count;
    return warm >= segments ||
           store_memory_fits(store, (size_t)(segments - warm) * store->log.segment_bytes);
}

uint32_t store_reserved_segments(const struct store *store) {
    return store->config.no_eviction ? 1 : 0;
}

/* Where the reserved segment is not resident yet, memory for it has to be left. */
bool store_index_may_grow(const struct store *store) {
    bool is_resident = store->log.warm_count >= store_reserved_segments(store);
    size_t reserve = is_resident ? 0 : store->log.segment_bytes + store_memory_slack(store);
    return store_memory_fits(store, reserve);
}

void store_maintain_index(struct store *store) {
    if (store_index_may_grow(store)) {
        index_step(&store->index);
    }
}

/* Pages that the bookkeeping, and the index with its slack, take when hardly anything is stored:
 * upper estimates. */
#define PAGES_MIN 10
#define INDEX_PAGES_MIN 6

/* Segments needed besides those of the largest item: the open ones, and the reserve. */
#define SEGMENTS_LEAST 8

size_t store_memory_floor(const struct store *store) {
    return store->struct_bytes + store->log.headers_bytes + PAGES_MIN * store->page_bytes +
           INDEX_PAGES_MIN * store->index.page_bytes + SEGMENTS_LEAST * store->log.segment_bytes +
           store_item_bytes_max(store);
}

void store_lower_ceiling(struct store *store) {
    size_t used = store_memory_bytes(store);
    size_t ceiling = used + store_memory_slack(store);
    if (store->log.warm_count < store_reserved_segments(store)) {
        ceiling += store->log.segment_bytes; /* cleaning has to go on */
    }
    if (used <= store->bound_bytes) {
        store->ceiling_bytes = store->bound_bytes;
    } else if (ceiling < store->ceiling_bytes) {
        store->ceiling_bytes = ceiling;
    }
}

/* What is wanted; while items are in old stores, too, no more than those leave. Where nothing may
 * be evicted all of them are to fit, whatever that takes. */
static size_t memory_bound(const struct store *store) {
    if (!store->transfer || store->config.no_eviction) {
        return store->wanted_bytes;
    }
    size_t floor = store_memory_floor(store);
    size_t left = transfer_bound(store->transfer);
    left = left < floor ? floor : left;
    return left < store->wanted_bytes ? left : store->wanted_bytes;
}

void store_renew_bound(struct store *store) {
    store->bound_bytes = memory_bound(store);
    store_lower_ceiling(store);
}

bool store_retry_bound(struct store *store) {
    size_t before = store->bound_bytes;
    store_renew_bound(store);
    return store->bound_bytes > before;
}

/* How long a bound that was lowered stays so, in ticks. */
#define REFUSED_TICKS 10

/* The file system has no pages left. */
static void memory_lower_bound(struct store *store) {
    size_t used = store_memory_bytes(store) + store_memory_slack(store);
    if (used < store->bound_bytes) {
        store->bound_bytes = store->ceiling_bytes = used;
    }
    store->refused_at = store->now;
}

void store_raise_bound(struct store *store) {
    bool refused = store->refused_at != 0 && store->now - store->refused_at < REFUSED_TICKS;
    if (store->bound_bytes < store->wanted_bytes && !refused) {
        size_t bound = memory_bound(store);
        store->bound_bytes = bound > store->bound_bytes ? bound : store->bound_bytes;
        if (store->ceiling_bytes < store->bound_bytes) {
            store->ceiling_bytes = store->bound_bytes;
        }
    }
}

static uint32_t memory_take_cold(struct store *store) {
    struct segment_log *log = &store->log;
    bool may_take_block = store_memory_fits(store, segment_block_bytes(log));
    uint32_t number = segment_take_cold(log, may_take_block);
    if (number == 0 && log->file.refused) {
        log->file.refused = false;
        memory_lower_bound(store);
    }
    return number;
}

void store_back_segments(struct store *store, uint32_t segments) {
    if (!store->image) {
        return;
    }
    store_raise_bound(store);
    while (store->log.warm_count < segments && store_has_free_segments(store, segments)) {
        uint32_t number = memory_take_cold(store);
        if (number == 0) {
            return;
        }
        segment_warm_add(&store->log, number);
    }
}

/* A free segment, or 0 when fewer than `reserve` would be left. */
static uint32_t memory_take_segment(struct store *store, uint32_t reserve) {
    if (!store_has_free_segments(store, reserve + 1)) {
        return 0;
    }
    uint32_t number = segment_take_warm(&store->log);
    if (number != 0) {
        return number;
    }
    return memory_take_cold(store);
}

static bool memory_space_at(struct store *store, enum segment_end end, uint32_t bytes,
                            uint32_t reserve) {
    assert(bytes <= store->log.segment_bytes);
    if (segment_has_space(&store->log, end, bytes)) {
        return true;
    }
    uint32_t number = memory_take_segment(store, reserve);
    if (number == 0) {
        return false;
    }
    segment_seal(&store->log, end);
    segment_open(&store->log, end, number, store->now);
    if (store->image) {
        store->image->state.items = store->index.entries;
    }
    return true;
}

bool store_space_at(struct store *store, enum segment_end end, uint32_t bytes) {
    return memory_space_at(store, end, bytes, store_reserved_segments(store));
}

bool store_space_to_rescue(struct store *store, uint32_t bytes) {
    return memory_space_at(store, SEGMENT_EXTENTS, bytes, 0);
}

bool store_space_to_gather(struct store *store, uint32_t source, uint32_t bytes) {
    enum segment_end end = segment_gather_end(&store->log.segments[source]);
    if (segment_has_space(&store->log, end, bytes)) {
        return true;
    }
    uint32_t number = memory_take_segment(store, 0);
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
        store_memory_fits(store, segment_block_bytes(log))) {
        segment_warm_ahead(log);
    }
}
