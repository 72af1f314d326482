/* transfer_view: what one new store has to do with the items that are still in old ones
 * (transfer.h). Private to the store.
 *
 * Any number of new stores read an old one at the same time, without a lock:
 *
 *   its index                      never changes
 *   its segments' headers          likewise, until a segment is given back
 *   its records                    likewise, but for ITEM_LINKED: a head's and its extents' bit is
 *                                  cleared by the thread of the store that owns its key, and may be
 *                                  read by the others (relaxed: only the owner acts on it)
 *   `waiting` of each segment      counts the views that have not passed it; the last one gives it
 *                                  back, after all others have read what they wanted there
 *
 * A view walks from segment to segment, in the order of `order`, and passes each behind its last
 * record. What it has passed it never reads again: none of its items is there. A large item moves
 * when the first of its extents is met, since these are what takes memory; the segments of such
 * heads are passed in the end, when a second walk has found nothing more there.
 */
#ifndef STORE_TRANSFER_VIEW_H
#define STORE_TRANSFER_VIEW_H

#include "store/internal.h"
#include "store/transfer.h"

#include <stdatomic.h>

/* How far a view may be ahead of the slowest one, in segments: 1/32 of them. */
#define TRANSFER_WINDOW_PART 32
#define TRANSFER_WINDOW_MIN 2u

/* One old store. */
struct transfer_source {
    struct store *store;
    uint32_t *order; /* the numbers of its segments, in the order in which they are passed */
    uint32_t *rank;  /* by segment number: the place in `order` */
    /* By rank: views that have not passed it, and that have not walked over it. Acquire and release
     * by those that do. */
    _Atomic uint32_t *waiting;
    _Atomic uint32_t *unwalked;
    uint32_t count; /* of segments */
    uint32_t window;
};

/* How far one view is with one source. */
struct transfer_place {
    bool overlaps; /* there may be items of the view; else nothing there is read */
    uint32_t next; /* the rank of the segment at hand; `count`: it has walked over all */
    bool again;    /* this is the second walk, over what was not passed */
    bool defers;   /* there are heads in the segment at hand */
    uint64_t at;   /* the location of the next record there; 0: it has not begun */
    bool *passed;  /* by rank */
};

struct transfer_view {
    struct store_transfer *transfer;
    uint32_t shard;
    bool is_void; /* a flush: what is still in the old stores is gone */
    bool waits;   /* store_transfer_waits() */
    /* What is to be moved beside the usual, for items that were moved out of turn and gave no
     * memory back. */
    uint64_t debt_bytes;
    struct transfer_place *places; /* by source */
};

struct store_transfer {
    struct transfer_source *sources;
    uint32_t count; /* of sources */
    uint32_t shards;
    store_owner *owner;
    struct transfer_view *views; /* by shard */
    uint64_t bytes_max;          /* of old and new stores together */
    uint64_t items;
    /* Relaxed, all of them: sums for those who ask. */
    _Atomic uint64_t old_bytes;
    _Atomic uint64_t moved;
    _Atomic uint64_t lost;
    _Atomic uint64_t left;
    /* Views that have not ended. Release by those that end, acquire by store_transfer_is_done(). */
    _Atomic uint32_t working;
};

/* Both are called before an operation on the key looks for it in the new store, while
 * store->transfer is set, and do nothing where the key is in no old store. */

/* Moves the item. */
void transfer_take_key(struct store *store, const struct store_key *key, uint32_t now);
/* Drops it, since the operation replaces or removes it whatever it is. True when it was alive. */
bool transfer_drop_key(struct store *store, const struct store_key *key, uint32_t now);

/* Drops all that is in old stores and begins so: before a rule counts in the new one. Takes its
 * time, by the number of items there. */
void transfer_drop_prefix(struct store *store, const char *prefix, uint32_t length);

/* One slice of moving. True when there is more that can be done now. */
bool transfer_step(struct store *store, uint32_t now);

/* What the old stores leave of the memory of all to one new store. */
static inline size_t transfer_bound(const struct transfer_view *view) {
    const struct store_transfer *transfer = view->transfer;
    uint64_t old = atomic_load_explicit(&transfer->old_bytes, memory_order_relaxed);
    uint64_t left = old < transfer->bytes_max ? transfer->bytes_max - old : 0;
    return (size_t)(left / transfer->shards);
}

#endif
