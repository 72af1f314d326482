/* A new bound on memory, and background work in slices. */
#include "store/evict.h"
#include "store/lifetime.h"
#include "store/memory.h"
#include "store/reclaim.h"
#include "store/transfer_view.h"

#include <errno.h>

/* One slice does the work of an operation that writes this many bytes, and at most this many steps
 * of the index. */
#define SLICE_BYTES 1024
#define SLICE_STEPS 256

int store_resize(struct store *store, size_t memory_bytes) {
    if (memory_bytes < STORE_MEMORY_BYTES_MIN || memory_bytes > store->config.memory_bytes_max) {
        return -EINVAL;
    }
    size_t floor = store_memory_floor(store);
    store->wanted_bytes = memory_bytes < floor ? floor : memory_bytes;
    if (store->image) {
        store->image->state.bound_bytes = store->wanted_bytes;
    }
    store_renew_bound(store);
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
    store_lower_ceiling(store);
    return store->ceiling_bytes < before || sealed;
}

static bool resize_maintain(struct store *store) {
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

bool store_maintain(struct store *store, uint32_t now) {
    store_begin_operation(store, now);
    bool moves = store->transfer && transfer_step(store, now);
    return resize_maintain(store) || moves;
}
