/* Reading: get, and memcached's mg and me. */
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/place.h"
#include "store/reclaim.h"
#include "store/transfer_view.h"

/* The item may be in an old store. */
static bool read_take_key(struct store *store, const struct store_key *key,
                          struct store_found *found) {
    transfer_take_key(store, key, store->now);
    store_find(store, key, found);
    return found->item;
}

enum store_status store_get(struct store *store, const struct store_key *key, uint32_t now,
                            struct store_item *item) {
    struct store_found found;
    store_begin_operation(store, now);
    store_find(store, key, &found);
    if (!found.item && (!store->transfer || !read_take_key(store, key, &found))) {
        return STORE_NOT_FOUND;
    }
    store_hit(store, &found);
    store_show(store, found.item, item);
    return STORE_OK;
}

/* Creates a missing item, empty, or leaves it missing when there is no memory. Its state is shown
 * before its bits are set, as not read yet. */
static enum store_status read_vivify(struct store *store, const struct store_key *key,
                                     const struct store_read *read, struct store_found *found,
                                     struct store_item *shown) {
    uint64_t cas = store_next_cas(store, read->set_cas, read->new_cas);
    struct store_draft draft = {
        .key = key,
        .cas = cas,
        .expires = read->vivify_expires,
        .bits = (uint8_t)(store_optional_bits(store, 0, read->vivify_expires, cas) |
                          (read->binary_key ? ITEM_BINARY_KEY : 0) | ITEM_TOKEN_SENT),
    };
    uint64_t location;
    if (!store_place(store, &draft, found, &location)) {
        return STORE_NOT_FOUND;
    }
    store_commit(store, &draft, found, location);
    store->counters.items_stored++;
    store_show_state(found->item, shown);
    shown->expires_before = 0;
    shown->created = true;
    shown->state = (shown->state & (uint8_t)~STORE_TOKEN_SENT) | STORE_WON;
    if (!read->no_bump) {
        store_mark_fetched(store, found->item);
    }
    store_show(store, found->item, shown);
    return STORE_OK;
}

static bool read_wins(const struct store_read *read, const struct item *item) {
    if (item->bits & ITEM_TOKEN_SENT) {
        return false;
    }
    if (item->bits & ITEM_STALE) {
        return true;
    }
    if (!read->recache) {
        return false;
    }
    bool touched = read->touch && read->recache_after_touch;
    uint32_t expires = touched ? read->expires : item_expires(item);
    return expires != 0 && expires < read->recache_expires;
}

/* Sets the expiry time, or that the item was won, or both; it has the field for the time. */
static void read_change(struct store *store, const struct store_read *read, bool won,
                        struct item *item) {
    uint8_t bits = item->bits | (won ? ITEM_TOKEN_SENT : 0);
    if (read->touch && won) {
        store_change_begin(item);
    }
    if (read->touch) {
        store_write_expires(store, item, read->expires);
    }
    if (won) {
        store_change_end(item, bits);
    }
}

enum store_status store_read(struct store *store, const struct store_key *key,
                             const struct store_read *read, uint32_t now,
                             struct store_item *shown) {
    struct store_found found;
    store_begin_operation(store, now);
    if (store->transfer) {
        transfer_take_key(store, key, now);
    }
    if (read->vivify || read->touch) {
        store_reclaim(store, 0);
    }
    store_find(store, key, &found);
    if (!found.item) {
        return read->vivify ? read_vivify(store, key, read, &found, shown) : STORE_NOT_FOUND;
    }
    store_show_state(found.item, shown);
    bool won = read_wins(read, found.item);
    if (read->touch && read->expires != 0 && !store_add_fields(store, key, &found, ITEM_EXPIRES)) {
        return STORE_NO_MEMORY;
    }
    read_change(store, read, won, found.item);
    if (won) {
        shown->state |= STORE_WON;
    }
    if (!read->no_bump) {
        store_hit(store, &found);
    }
    store_show(store, found.item, shown);
    return STORE_OK;
}

enum store_presence store_look(struct store *store, const struct store_key *key, uint32_t now,
                               uint32_t *value_length) {
    struct store_found found;
    store_begin_operation(store, now);
    if (store->transfer) {
        transfer_take_key(store, key, now);
    }
    enum store_presence presence = store_find_any(store, key, &found);
    if (presence == STORE_PRESENT) {
        *value_length = item_value_length(found.item);
    }
    return presence;
}

enum store_status store_peek(struct store *store, const struct store_key *key, uint32_t now,
                             struct store_item *shown) {
    struct store_found found;
    store_begin_operation(store, now);
    store_find(store, key, &found);
    if (!found.item && (!store->transfer || !read_take_key(store, key, &found))) {
        return STORE_NOT_FOUND;
    }
    store_show_all(store, found.item, shown);
    return STORE_OK;
}

void store_add_hits(struct store *store, const struct store_key *key, uint32_t hits, uint32_t now) {
    struct store_found found;
    store_begin_operation(store, now);
    store_find(store, key, &found);
    if (found.item) {
        store->counters.queues[store_queue_of(store, found.location)].hits += hits;
    }
}
