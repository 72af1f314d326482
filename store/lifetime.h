/* lifetime: the store's time, expiry times and flushes: what of the items is alive. Private to the
 * store.
 *
 * An item is dead when its expiry time has come (now >= expires), or when it lies in a segment that
 * was opened before the last flush, or before a rule that its key begins with (prefixes.h). A dead
 * item keeps its bytes and its entry in the index until an operation, the crawler, cleaning or
 * eviction comes across it. Whoever moves an item looks first, so it never gets younger by that.
 */
#ifndef STORE_LIFETIME_H
#define STORE_LIFETIME_H

#include "store/internal.h"

/* Carries out what is due: a flush of all that is stored so far, or of what a rule covers. */
void store_flush_due(struct store *store);

/* For opening an image, once flush_sequence, flush_at and the rules are restored: what follows from
 * them. And when all items were read: no rule in force covers any. */
void store_flush_restored(struct store *store);
void store_flush_recovered(struct store *store);

/* The crawl that is about to begin, or has ended. */
void store_flush_crawl_begins(struct store *store);
void store_flush_crawl_ends(struct store *store);

/* Every public operation starts with this: takes the time, from 1 up, and carries out a
 * flush that has come due. */
static inline void store_begin_operation(struct store *store, uint32_t now) {
    assert(now > 0);
    store->now = now;
    if (store->due_at != 0 && now >= store->due_at) {
        store_flush_due(store);
    }
}

static inline uint64_t store_sequence_of(const struct store *store, uint64_t location) {
    return store->log.segments[segment_of(&store->log, location)].sequence;
}

/* Whether a flush of all concerns what lies there, which is not counted any more then. */
static inline bool store_is_below_flush(const struct store *store, uint64_t location) {
    return store_sequence_of(store, location) < store->flush_sequence;
}

/* Whether an item of this key would be flushed in a segment of this sequence; flush_newest is above
 * that. */
bool store_flush_covers(const struct store *store, uint64_t sequence, const char *key,
                        uint32_t key_length);
bool store_flush_covers_item(const struct store *store, uint64_t location);

/* Whether the item there is flushed, by a flush of all or by its key. */
static inline bool store_is_flushed(const struct store *store, uint64_t location) {
    return store_sequence_of(store, location) < store->flush_newest &&
           store_flush_covers_item(store, location);
}

static inline bool store_is_expired(const struct store *store, const struct item *item) {
    uint32_t expires = item_expires(item);
    return expires != 0 && expires <= store->now;
}

/* Keeps store_expires_soonest() right for an item that expires then; 0: it never does. */
static inline void store_note_expires(struct store *store, uint32_t expires) {
    if (expires != 0 && expires < store->expires_soonest) {
        store->expires_soonest = expires;
    }
}

/* Sets an item's expiry time. The item must have the field (ITEM_EXPIRES), unless expires is 0. */
static inline void store_write_expires(struct store *store, struct item *item, uint32_t expires) {
    item_set_expires(item, expires);
    store_note_expires(store, expires);
}

#endif
