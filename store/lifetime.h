/* lifetime: the store's time, expiry times and flushes: what of the items is alive. Private to the
 * store.
 *
 * An item is dead when its expiry time has come (now >= expires), or when it lies in a segment that
 * was opened before the last flush. A dead item keeps its bytes and its entry in the index until an
 * operation, the crawler, cleaning or eviction comes across it.
 */
#ifndef STORE_LIFETIME_H
#define STORE_LIFETIME_H

#include "store/internal.h"

/* Carries out a flush: all that is stored so far is dead from now on. */
void store_flush_now(struct store *store);

/* Every public operation starts with this: takes the time, from 1 up, and carries out a
 * flush that has come due. */
static inline void store_begin_operation(struct store *store, uint32_t now) {
    assert(now > 0);
    store->now = now;
    if (store->flush_at != 0 && now >= store->flush_at) {
        store_flush_now(store);
    }
}

static inline bool store_is_flushed(const struct store *store, uint64_t location) {
    const struct segment_log *log = &store->log;
    return log->segments[segment_of(log, location)].sequence < store->flush_sequence;
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
