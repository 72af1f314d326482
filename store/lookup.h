/* lookup: finds items by key or by one of their extents, drops those found dead, and shows them to
 * the caller of the store. Private to the store. */
#ifndef STORE_LOOKUP_H
#define STORE_LOOKUP_H

#include "store/internal.h"

/* The result of a look-up. Valid until the next call that inserts, removes or moves an item. */
struct store_found {
    struct item *item; /* NULL: the key is missing */
    uint64_t location;
    struct index_ref ref;
};

/* Looks up a live item. A dead one is dropped, counted and reported as missing. */
void store_find(struct store *store, const struct store_key *key, struct store_found *found);

/* The same, but a dead item is left, and told of. */
enum store_presence store_find_any(const struct store *store, const struct store_key *key,
                                   struct store_found *found);

/* Finds the linked head whose list names this extent, whether it is alive or dead. Returns false
 * when there is none: the extent belongs to an upload. */
bool store_find_head(const struct store *store, uint64_t extent, struct store_found *found);

/* Drops the item when it is dead, and counts it as expired or flushed. Returns false when it is
 * alive. hash: bits 0 to 47 of its key's. */
bool store_drop_dead(struct store *store, const struct store_found *found, uint64_t hash);

/* Before an item is dropped that its caller has not named: tells who asked for that. */
static inline void store_note_drop(const struct store *store, uint64_t hash) {
    if (store->dropped) {
        store->dropped(store->dropped_context, hash);
    }
}

/* Removes an item from the index and releases its bytes, those of its extents too. */
void store_unlink(struct store *store, const struct store_found *found);

/* Adds an item to the counts of the queue in which its head lies, or takes it off them. The item
 * must not be flushed: those are off the counts already. */
void store_count_item(struct store *store, uint64_t location);
void store_uncount_item(struct store *store, uint64_t location);

static inline enum segment_queue_name store_queue_of(const struct store *store, uint64_t location) {
    return store->log.segments[segment_of(&store->log, location)].queue;
}

/* Notes that the item was read now. */
void store_mark_fetched(struct store *store, struct item *item);
/* The same, and counts the hit for eviction: found->ref must be valid. */
void store_hit(struct store *store, const struct store_found *found);

/* Three parts of struct store_item: what every read reports, the state before the call, and
 * everything, `bytes` included. */
void store_show(const struct store *store, struct item *item, struct store_item *shown);
static inline void store_show_state(const struct item *item, struct store_item *shown) {
    shown->expires_before = item_expires(item);
    shown->access = item->access;
    shown->state = item->bits & ITEM_STATE;
    shown->created = false;
}
void store_show_all(const struct store *store, struct item *item, struct store_item *shown);

#endif
