/* A new bound on memory, and background work in slices. */
#include "store/evict.h"
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/memory.h"
#include "store/reclaim.h"

#include <errno.h>

/* One slice does the work of an operation that writes this many bytes, and at most this many steps
 * of the index. */
#define SLICE_BYTES 1024
#define SLICE_STEPS 256

/* Pages that the bookkeeping, and the index with its slack, take when hardly anything is stored:
 * upper estimates. */
#define PAGES_MIN 10
#define INDEX_PAGES_MIN 6

/* Segments needed besides those of the largest item: the open ones, and the reserve. */
#define SEGMENTS_LEAST 8

static size_t resize_floor(const struct store *store) {
    return store->struct_bytes + store->log.headers_bytes + PAGES_MIN * store->page_bytes +
           INDEX_PAGES_MIN * store->index.page_bytes + SEGMENTS_LEAST * store->log.segment_bytes +
           store_item_bytes_max(store);
}

/* Lowers the ceiling to the memory in use, and to the bound once the memory in use is below it. */
static void resize_lower_ceiling(struct store *store) {
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

int store_resize(struct store *store, size_t memory_bytes) {
    if (memory_bytes < STORE_MEMORY_BYTES_MIN || memory_bytes > store->config.memory_bytes_max) {
        return -EINVAL;
    }
    size_t floor = resize_floor(store);
    store->bound_bytes = memory_bytes < floor ? floor : memory_bytes;
    if (store->image) {
        store->image->state.bound_bytes = store->bound_bytes;
    }
    resize_lower_ceiling(store);
    return 0;
}

/* Closes the open segments of writers, so that they can be evicted; segment_victim() closes those
 * of cleaning. Returns false when none was open. */
static bool resize_seal(struct store *store) {
    struct segment_log *log = &store->log;
    bool any = false;
    for (int end = 0; end < SEGMENT_GATHER_SMALL; end++) {
        any |= log->open[end] != 0;
        segment_seal(log, (enum segment_end)end);
    }
    return any;
}

/* Gives a free segment back to the system, but not the reserve. When none is free, closes the open
 * ones so that they can be evicted. Returns false when neither was possible, since everything else
 * is pinned. */
static bool resize_give_back(struct store *store) {
    size_t before = store->ceiling_bytes;
    bool sealed = false;
    if (store->log.warm_count <= store_reserved_segments(store) || !segment_cool(&store->log)) {
        sealed = resize_seal(store);
    }
    for (uint32_t i = 0; i < SLICE_STEPS; i++) {
        store_maintain_index(store);
    }
    resize_lower_ceiling(store);
    return store->ceiling_bytes < before || sealed;
}

bool store_maintain(struct store *store, uint32_t now) {
    store_begin_operation(store, now);
    bool shrinks = store->ceiling_bytes != store->bound_bytes;
    uint32_t wanted = store_free_segments_wanted(store) + shrinks;
    if (store_evict(store, wanted, SLICE_BYTES)) {
        return true;
    }
    if (!shrinks) {
        store_warm_ahead(store);
    }
    return shrinks && resize_give_back(store) && store->ceiling_bytes != store->bound_bytes;
}
