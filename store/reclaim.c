#include "store/reclaim.h"

#include "store/evict.h"
#include "store/memory.h"

/* One segment for what eviction moves, which comes in bursts, or as the reserve of cleaning; one
 * for each end that will soon need it (those of extents only where one is open); and two where a
 * segment is sparse enough to be cleaned. */
uint32_t store_free_segments_wanted(const struct store *store) {
    const struct segment_log *log = &store->log;
    uint32_t wanted = 1 + store_ends_nearly_full(store) + (log->open[SEGMENT_NEW_SMALL] == 0);
    if (log->queues[SEGMENT_SMALL].sparse != 0 || log->queues[SEGMENT_MAIN].sparse != 0) {
        wanted += 2;
    }
    return wanted;
}

/* The segments that an item, and an extent of extent_bytes, may have to open, with the reserve. In
 * a file they have their pages, if the bound on memory still allows them afterwards. */
static uint32_t reclaim_segments(struct store *store, uint32_t extent_bytes) {
    const struct segment_log *log = &store->log;
    uint32_t ends = !segment_has_space(log, SEGMENT_NEW_SMALL, store->record_bytes_max) +
                    !segment_has_space(log, SEGMENT_EXTENTS, extent_bytes);
    if (ends == 0) {
        return 0;
    }
    uint32_t wanted = ends + store_reserved_segments(store);
    store_back_segments(store, wanted);
    return wanted;
}

/* Gives the pages of a free segment to the index; never the reserve. */
static bool reclaim_pages(struct store *store) {
    return store->log.warm_count > store_reserved_segments(store) && segment_cool(&store->log);
}

void store_reclaim(struct store *store, uint32_t extent_bytes) {
    uint32_t written = store->written_bytes;
    store->written_bytes = 0;
    store_evict(store, store_free_segments_wanted(store), written);
    uint32_t wanted = reclaim_segments(store, extent_bytes);
    /* one more than needed: its pages may have to go to the index */
    uint32_t at_once = 1 + (wanted > 0 ? wanted : store_reserved_segments(store));
    bool possible = true;
    while (possible && !(store_index_may_grow(store) && store_has_free_segments(store, wanted))) {
        bool given = !store_memory_fits(store, 0) && reclaim_pages(store);
        possible = given || store_evict_at_once(store, at_once);
    }
}
