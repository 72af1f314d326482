/* A new bound on memory, and the slices of work that follow. */
#include "store/internal.h"

#include <errno.h>

/* Items that one slice evicts or goes past. */
#define SLICE_ITEMS 256

/* What the index and the slack take when hardly anything is stored, generously. */
#define PAGES_MIN 16

/* Besides the largest item: less would leave room for one full segment or none, the rest being taken
 * by two that are filling up and by the index. */
#define SEGMENTS_LEAST 4

static size_t memory_floor(const struct store *store) {
    return store->struct_bytes + store->log.headers_bytes + PAGES_MIN * store->page_bytes +
           SEGMENTS_LEAST * store->log.segment_bytes + store_item_bytes_max(store);
}

/* The ceiling comes down with the memory in use, and to the bound as soon as that holds. */
static void lower_ceiling(struct store *store) {
    size_t used = store_memory_bytes(store);
    size_t ceiling = used + store_memory_slack(store);
    if (used <= store->bound_bytes)
        store->ceiling_bytes = store->bound_bytes;
    else if (ceiling < store->ceiling_bytes)
        store->ceiling_bytes = ceiling;
}

int store_resize(struct store *store, size_t memory_bytes) {
    if (memory_bytes < STORE_MEMORY_BYTES_MIN || memory_bytes > store->config.memory_bytes_max)
        return -EINVAL;
    size_t floor = memory_floor(store);
    store->bound_bytes = memory_bytes < floor ? floor : memory_bytes;
    lower_ceiling(store);
    return 0;
}

/* A step of the index for each item keeps it in size: it merges no more than a bucket of five. */
bool store_tend(struct store *store, uint32_t now) {
    store_begin(store, now);
    if (store->ceiling_bytes == store->bound_bytes)
        return false;
    if (!segment_cool(&store->log) && !store_evict(store, SLICE_ITEMS))
        segment_seal_all(&store->log);
    for (uint32_t i = 0; i < SLICE_ITEMS; i++)
        store_tend_index(store);
    lower_ceiling(store);
    return store->ceiling_bytes != store->bound_bytes;
}
