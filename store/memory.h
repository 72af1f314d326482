/* memory: accounting. One bound holds for segments, index, ghosts and bookkeeping together; here it
 * is decided whether a segment or a page of the index may be taken. Nothing here evicts anything
 * (reclaim.h does). Private to the store. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/internal.h"

/* The ghosts may take this part of the memory: a fiftieth. */
#define STORE_GHOSTS_PER_MEMORY 50

/* Bytes in use: resident, or possibly resident. */
size_t store_memory_bytes(const struct store *store);

/* The bytes that one operation may add to these at most, besides a segment. */
size_t store_memory_slack(const struct store *store);

/* Whether `bytes` more stay below the ceiling, with the slack of one operation. */
bool store_memory_fits(const struct store *store, size_t bytes);

/* Whether this number of segments may be taken. */
bool store_has_free_segments(const struct store *store, uint32_t segments);

/* How many of the ends that are written to have a segment open that will soon be full. */
static inline uint32_t store_ends_nearly_full(const struct store *store) {
    const struct segment_log *log = &store->log;
    uint32_t little = (uint32_t)log->segment_bytes / 4;
    if (little < store->record_bytes_max) {
        little = store->record_bytes_max;
    }
    uint32_t ends =
        log->open[SEGMENT_NEW_SMALL] != 0 && segment_space(log, SEGMENT_NEW_SMALL) < little;
    for (int end = SEGMENT_EXTENTS; end <= SEGMENT_EXTENTS_MAIN; end++) {
        ends += log->open[end] != 0 &&
                segment_space(log, (enum segment_end)end) < log->segment_bytes / 2;
    }
    return ends;
}

/* The free segments reserved for cleaning: 1 where nothing may be evicted, since cleaning must
 * always be able to go on there, else 0. */
uint32_t store_reserved_segments(const struct store *store);

/* Whether the index may grow by the most that one operation adds, the reserve left alone. */
bool store_index_may_grow(const struct store *store);

/* A step of growing or shrinking the index, if it may grow. */
void store_maintain_index(struct store *store);

/* Makes sure that the open segment at this end has space for `bytes`, at most one segment, and if
 * need be opens a free one. Returns false when there is none. */
bool store_space_at(struct store *store, enum segment_end end, uint32_t bytes);

/* The same for the segment into which cleaning gathers what is live in `source`; may use the
 * reserve. */
bool store_space_to_gather(struct store *store, uint32_t source, uint32_t bytes);

/* The same for extents that move out of a flushed segment; may use the reserve, since the flushed
 * segment becomes free. */
bool store_space_to_rescue(struct store *store, uint32_t bytes);

/* The least that a bound on memory may be. */
size_t store_memory_floor(const struct store *store);

/* Lowers the ceiling to the memory in use, and to the bound once the memory in use is below it. */
void store_lower_ceiling(struct store *store);

/* Sets the bound to what is wanted now (store_resize()); while items are in old stores, too, to
 * what those leave. */
void store_renew_bound(struct store *store);
/* The same after memory was refused; false when that changes nothing. */
bool store_retry_bound(struct store *store);
/* Only raises it, and not soon after the file system had no pages left. */
void store_raise_bound(struct store *store);

/* For a store in a file: makes sure that so many free segments have their pages, which the file
 * system may refuse. Then the bound comes down to the memory in use for a while, so that eviction
 * frees what is wanted. */
void store_back_segments(struct store *store, uint32_t segments);

/* Makes the next huge page of segments resident before it is needed, if the bound allows. */
void store_warm_ahead(struct store *store);

#endif
