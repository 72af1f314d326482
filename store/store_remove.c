/* Removing: delete, and what memcached's md does instead: marking stale, emptying. */
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/memory.h"
#include "store/place.h"
#include "store/reclaim.h"
#include "store/transfer_view.h"

static enum store_status delete_mark_stale(struct store *store, const struct store_key *key,
                                           const struct store_removal *removal,
                                           struct store_found *found) {
    uint64_t cas = store_next_cas(store, removal->set_cas, removal->new_cas);
    uint32_t expires = removal->touch ? removal->expires : item_expires(found->item);
    if (!store_add_fields(store, key, found, store_optional_bits(store, 0, expires, cas))) {
        return STORE_NO_MEMORY;
    }
    uint8_t bits = (found->item->bits | ITEM_STALE) & (uint8_t)~ITEM_TOKEN_SENT;
    store_change_begin(found->item);
    store_write_expires(store, found->item, expires);
    item_set_cas(found->item, cas);
    store_change_end(found->item, bits);
    return STORE_OK;
}

/* Stores an empty value; the CAS stays, unless a new one is asked for or the item is marked stale.
 */
static enum store_status delete_empty(struct store *store, const struct store_key *key,
                                      const struct store_removal *removal,
                                      struct store_found *found) {
    bool new_cas = removal->set_cas || removal->mark_stale;
    uint64_t cas =
        new_cas ? store_next_cas(store, removal->set_cas, removal->new_cas) : item_cas(found->item);
    uint32_t expires = removal->touch ? removal->expires : 0;
    struct store_draft draft = {
        .key = key,
        .cas = cas,
        .client_flags = removal->client_flags,
        .expires = expires,
        .bits = (uint8_t)(store_optional_bits(store, removal->client_flags, expires, cas) |
                          (found->item->bits & ITEM_BINARY_KEY) |
                          (removal->mark_stale ? ITEM_STALE : 0)),
    };
    uint64_t location;
    if (!store_place(store, &draft, found, &location)) {
        return STORE_NO_MEMORY;
    }
    store_commit(store, &draft, found, location);
    store->counters.items_stored++;
    return STORE_OK;
}

/* What is only removed need not come here before that. True when it was there. */
static bool delete_from_old(struct store *store, const struct store_key *key,
                            const struct store_removal *removal) {
    if (!removal->compare_cas && !removal->empty && !removal->mark_stale) {
        return transfer_drop_key(store, key, store->now);
    }
    transfer_take_key(store, key, store->now);
    return false;
}

enum store_status store_delete(struct store *store, const struct store_key *key,
                               const struct store_removal *removal, uint32_t now) {
    struct store_found found;
    bool dropped = false; /* in an old store */
    store_begin_operation(store, now);
    if (store->transfer) {
        dropped = delete_from_old(store, key, removal);
    }
    store_maintain_index(store);
    if (removal->empty || removal->mark_stale) {
        store_reclaim(store, 0);
    }
    store_find(store, key, &found);
    if (!found.item) {
        return dropped ? STORE_OK : STORE_NOT_FOUND;
    }
    if (removal->compare_cas && item_cas(found.item) != removal->cas) {
        return STORE_EXISTS;
    }
    if (removal->empty) {
        return delete_empty(store, key, removal, &found);
    }
    if (removal->mark_stale) {
        return delete_mark_stale(store, key, removal, &found);
    }
    store_unlink(store, &found);
    return STORE_OK;
}
