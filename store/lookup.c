#include "store/lookup.h"

#include "store/large.h"
#include "store/lifetime.h"

void store_prefetch_bucket(const struct store *store, uint64_t hash) {
    __builtin_prefetch(index_primary(&store->index, (uint32_t)hash));
}

void store_prefetch_item(const struct store *store, uint64_t hash) {
    const struct index_bucket *bucket = index_primary(&store->index, (uint32_t)hash);
    uint32_t match = index_match(bucket, index_tag(hash));
    if (match == 0) {
        return;
    }
    uint64_t location = index_location(bucket->slots[__builtin_ctz(match)]);
    const char *item = (const char *)segment_item(&store->log, location);
    __builtin_prefetch(item);
    __builtin_prefetch(item + sizeof(struct index_bucket));
}

/* Finds an item, dead or alive. Compiled into each caller: a call takes 15 instructions of a get.
 */
__attribute__((always_inline)) static inline void
lookup_linked(const struct store *store, const struct store_key *key, struct store_found *found) {
    const struct index *index = &store->index;
    uint64_t tag = index_tag(key->hash);
    struct index_bucket *primary = index_primary(index, (uint32_t)key->hash);
    struct index_bucket *bucket = primary;
    do {
        for (uint32_t match = index_match(bucket, tag); match != 0; match &= match - 1) {
            uint32_t slot = (uint32_t)__builtin_ctz(match);
            found->location = index_location(bucket->slots[slot]);
            found->item = segment_item(&store->log, found->location);
            found->ref = (struct index_ref){primary, bucket, slot};
            if (item_has_key(found->item, key->bytes, key->length)) {
                return;
            }
        }
        if (bucket == primary && !(primary->filter & index_filter_bit(tag))) {
            break;
        }
        bucket = index_next(index, bucket);
    } while (bucket);
    found->item = NULL;
}

static bool lookup_is_dead(const struct store *store, const struct store_found *found) {
    return store_is_flushed(store, found->location) || store_is_expired(store, found->item);
}

/* Drops a dead item and counts why it was dead. */
static void lookup_drop(struct store *store, const struct store_found *found, uint64_t hash) {
    store_note_drop(store, hash);
    if (store_is_flushed(store, found->location)) {
        store->counters.flushed++;
        store->counters.flushed_prefix += !store_is_below_flush(store, found->location);
    } else {
        store->counters.expired++;
        store->counters.expired_unfetched += !(found->item->bits & ITEM_FETCHED);
    }
    store_unlink(store, found);
}

bool store_drop_dead(struct store *store, const struct store_found *found, uint64_t hash) {
    if (!lookup_is_dead(store, found)) {
        return false;
    }
    lookup_drop(store, found, hash);
    return true;
}

__attribute__((cold)) enum store_presence
store_find_any(const struct store *store, const struct store_key *key, struct store_found *found) {
    lookup_linked(store, key, found);
    if (!found->item) {
        return STORE_MISSING;
    }
    if (store_is_flushed(store, found->location)) {
        return STORE_FLUSHED;
    }
    return store_is_expired(store, found->item) ? STORE_EXPIRED : STORE_PRESENT;
}

void store_find(struct store *store, const struct store_key *key, struct store_found *found) {
    assert(key->length >= 1 && key->length <= ITEM_KEY_LENGTH_MAX);
    lookup_linked(store, key, found);
    if (!found->item || !lookup_is_dead(store, found)) {
        return;
    }
    bool flushed = store_is_flushed(store, found->location);
    store->counters.met_flushed += flushed;
    store->counters.met_expired += !flushed;
    lookup_drop(store, found, key->hash);
    found->item = NULL;
}

bool store_find_head(const struct store *store, uint64_t extent, struct store_found *found) {
    const struct index *index = &store->index;
    struct index_ref *ref = &found->ref;
    uint64_t hash = item_head_hash(segment_item(&store->log, extent));
    ref->primary = index_primary(index, (uint32_t)hash);
    for (ref->bucket = ref->primary; ref->bucket; ref->bucket = index_next(index, ref->bucket)) {
        uint32_t match = index_match(ref->bucket, index_tag(hash));
        for (; match != 0; match &= match - 1) {
            ref->slot = (uint32_t)__builtin_ctz(match);
            found->location = index_location(ref->bucket->slots[ref->slot]);
            found->item = segment_item(&store->log, found->location);
            if (store_head_names(found->item, extent)) {
                return true;
            }
        }
    }
    *found = (struct store_found){0};
    return false;
}

void store_count_item(struct store *store, uint64_t location) {
    enum segment_queue_name name = store_queue_of(store, location);
    store->items[name]++;
    store->item_bytes[name] += item_bytes_whole(segment_item(&store->log, location));
}

void store_uncount_item(struct store *store, uint64_t location) {
    enum segment_queue_name name = store_queue_of(store, location);
    store->items[name]--;
    store->item_bytes[name] -= item_bytes_whole(segment_item(&store->log, location));
}

void store_unlink(struct store *store, const struct store_found *found) {
    index_remove(&store->index, found->ref);
    if (!store_is_below_flush(store, found->location)) {
        store_uncount_item(store, found->location);
    }
    store_release_item(store, found->location);
}

/* Writes only what changes, so that a get of a hot item leaves its cache line clean. */
void store_mark_fetched(struct store *store, struct item *item) {
    if (!(item->bits & ITEM_FETCHED)) {
        item->bits |= ITEM_FETCHED;
    }
    if (item->access != store->now) {
        item->access = store->now;
    }
}

void store_hit(struct store *store, const struct store_found *found) {
    store_mark_fetched(store, found->item);
    index_hit(found->ref);
    store->counters.queues[store_queue_of(store, found->location)].hits++;
}

/* Sets single fields: clearing the whole struct would cost the hot paths. */
void store_show(const struct store *store, struct item *item, struct store_item *shown) {
    char *value = item_value(item);
    bool large = item_is_large(item);
    shown->value = large ? NULL : value;
    shown->large = large ? (uint64_t)(value - store->log.base) : 0;
    shown->value_length = item_value_length(item);
    shown->client_flags = item_client_flags(item);
    shown->expires = item_expires(item);
    shown->cas = item_cas(item);
}

void store_show_all(const struct store *store, struct item *item, struct store_item *shown) {
    store_show_state(item, shown);
    store_show(store, item, shown);
    shown->bytes = item_bytes_whole(item) + (uint32_t)sizeof(uint64_t);
}
