/* transfer: items of images that were made with other settings move to the stores of today, while
 * these are used.
 *
 * The old images are opened as ordinary stores, which are only read from then on. Each new store
 * moves the items that it is to own, in slices of store_maintain(), and before them those that it
 * is asked for: an operation on a key that is still in an old store finds it as if it had always
 * been here. An item is linked in the new store before it is unlinked in the old one, and an
 * operation that changes a key unlinks it there first. So a killed process leaves it in at least
 * one of both, and if in both nothing was changed since: the new one counts. Nothing that was
 * acknowledged is ever overtaken by an old copy, however often this is killed and begun again.
 *
 * The least wanted items go first, in the order in which items are evicted: then a smaller new
 * store drops those. Where nothing may be evicted they go last. Segments that no new store needs
 * any more are given back to the file system.
 *
 * A scan of a new store begins when its items are all there.
 */
#ifndef STORE_TRANSFER_H
#define STORE_TRANSFER_H

#include "store/store.h"

struct store_transfer; /* opaque */

/* Which of `count` stores owns a key with this hash. */
typedef uint32_t store_owner(uint64_t hash, uint32_t count);

/* The stores of one side, by number, opened or created with the same hash function and seed. */
struct store_side {
    struct store *const *stores;
    uint32_t count;
};

/* Begins to move all items of `from` to `to`: also CAS counters and a flush that is to come. Each
 * store of `to` may be used by a thread of its own afterwards, those of `from` by none. Memory of
 * both together is kept below 1.1 times what the larger side may have, as far as the new stores
 * allow. Returns 0 or -ENOMEM.
 *
 * The arrays are copied, the stores stay the caller's: it ends `from` when
 * store_transfer_is_done(), or when all of `to` have been ended. */
int store_transfer_begin(struct store_transfer **transfer, const struct store_side *from,
                         const struct store_side *to, store_owner *owner, uint32_t now);

/* Frees the transfer, which may be NULL. The stores of `to` must have been ended, or never be used
 * again. */
void store_transfer_end(struct store_transfer *transfer);

/* Whether all has been moved: the new stores need the old ones no longer. Any thread. */
bool store_transfer_is_done(const struct store_transfer *transfer);

struct store_transfer_progress {
    uint64_t items; /* there were in all, about */
    uint64_t moved;
    uint64_t lost; /* for which there was no room, or which are too large now */
    uint64_t left; /* to be moved */
};

/* Any thread. */
void store_transfer_read(const struct store_transfer *transfer,
                         struct store_transfer_progress *progress);

/* Whether this new store has more to move, but waits until others have moved as much. */
bool store_transfer_waits(const struct store *store);

#endif
