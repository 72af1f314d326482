#include "store/lifetime.h"

/* All open segments are closed first, so that the watermark separates what was stored before the
 * flush from what is stored after it in the same tick. */
void store_flush_now(struct store *store) {
    segment_seal_all(&store->log);
    store->flush_sequence = store->log.sequence_next;
    if (store->image) {
        store->image->state.flushed_at = store->now;
        store_order();
        store->image->state.flush_sequence = store->flush_sequence;
        store_order();
        store->image->state.flush_at = 0;
    }
    store->emptying.how = EMPTYING_FLUSHED; /* applies to the segment being emptied, if any */
    store->flush_at = 0;
    store->flushed_at = store->now;
    store_note_expires(store, store->now); /* there are dead items: a crawl is worth its while */
    memset(store->items, 0, sizeof(store->items));
    memset(store->item_bytes, 0, sizeof(store->item_bytes));
}

void store_flush(struct store *store, uint32_t at, uint32_t now) {
    store_begin_operation(store, now);
    if (at <= now) {
        store_flush_now(store);
    } else {
        store->flush_at = at;
    }
    if (at > now && store->image) {
        store->image->state.flush_at = at;
    }
}

uint32_t store_expires_soonest(const struct store *store) {
    return store->crawl_unfinished ? 0 : store->expires_soonest;
}
