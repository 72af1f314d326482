/* drops: for who gives out copies of items, and has to know when one is of no use any more. Thread:
 * that of the store.
 */
#ifndef STORE_DROPS_H
#define STORE_DROPS_H

#include "store/store.h"

/* Called for each item, alive or dead, that the store drops by itself: since its time has come or
 * it was flushed, which it finds sooner or later, or to free memory. Before it is, and so before
 * any operation tells that it is gone; must not use the store. Bits 0 to 47 of hash are those of
 * its key. */
typedef void store_dropped(void *context, uint64_t hash);

/* Has a function called from now on; NULL: none, as at first. */
void store_tell_drops(struct store *store, store_dropped *dropped, void *context);

/* When the next flush comes, of all or by a prefix, that was asked for for a later time; 0: none.
 */
uint32_t store_next_flush(const struct store *store);

/* Adds to the hits of store_stats() of the queue in which the item is; none when it is missing. */
void store_add_hits(struct store *store, const struct store_key *key, uint32_t hits, uint32_t now);

#endif
