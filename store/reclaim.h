/* reclaim: memory for an operation that is about to write. Private to the store.
 *
 * An operation that may write calls store_reclaim() before it looks up its key. Afterwards nothing
 * is evicted until the operation ends, so that the item found stays where it is.
 */
#ifndef STORE_RECLAIM_H
#define STORE_RECLAIM_H

#include "store/internal.h"

/* Does a slice of the work that keeps segments free (evict.h), in proportion to the bytes that the
 * last operation wrote. Then frees memory at once, if need be, for one item, one extent of
 * extent_bytes (0: none) and the growth of the index by one operation. What store_space_at() and
 * store_index_may_grow() say afterwards tells whether that succeeded. No struct store_found is
 * valid after it. */
void store_reclaim(struct store *store, uint32_t extent_bytes);

/* The number of segments to keep free ahead of need, 1 to 6. */
uint32_t store_free_segments_wanted(const struct store *store);

#endif
