/* Where new items go. */
#include "store/internal.h"

uint8_t store_shape(uint32_t client_flags, uint32_t expires, uint64_t cas) {
    return (uint8_t)((expires != 0 ? ITEM_EXPIRES : 0) |
                     (client_flags != 0 ? ITEM_CLIENT_FLAGS : 0) |
                     (cas >> ITEM_CAS_BITS != 0 ? ITEM_LONG_CAS : 0));
}

/* Counted with every optional field, so that one can always be added. */
bool store_is_too_large(const struct store *store, uint32_t key_length, uint64_t value_length) {
    return value_length > store_value_length_max(store, key_length);
}

uint32_t store_value_length_max(const struct store *store, uint32_t key_length) {
    assert(key_length >= 1 && key_length <= ITEM_KEY_LENGTH_MAX);
    size_t max = store->config.item_bytes_max;
    if (max > store->log.segment_bytes)
        max = store->log.segment_bytes;
    size_t without_value =
        offsetof(struct item, body) + item_optional_bytes(ITEM_SHAPE) + key_length;
    return max > without_value ? (uint32_t)(max - without_value) : 0;
}

static uint32_t draft_bytes(const struct store_draft *draft) {
    return (uint32_t)item_bytes_of(draft->bits, draft->key->length, draft->value_length);
}

static bool fits_in_place(const struct store *store, const struct store_found *found,
                          const struct store_draft *draft) {
    if (found->item == NULL)
        return false;
    const struct segment *segment = &store->log.segments[segment_of(&store->log, found->location)];
    return (found->item->bits & ITEM_SHAPE) == (draft->bits & ITEM_SHAPE) &&
           item_bytes(found->item) == draft_bytes(draft) && segment->pins == 0;
}

/* A new version goes to the queue that the item found is in. */
static enum segment_end end_for(struct store *store, const struct store_key *key,
                                const struct store_found *found) {
    const struct segment_log *log = &store->log;
    bool main;
    if (found->item != NULL) {
        main = log->segments[segment_of(log, found->location)].queue == SEGMENT_MAIN;
    } else {
        main = ghost_take(&store->ghost, (uint32_t)key->hash, (uint16_t)index_tag(key->hash));
        store->counters.ghost_hits += main;
    }
    return main ? SEGMENT_NEW_MAIN : SEGMENT_NEW_SMALL;
}

/* A new place, with the key in it. */
static struct item *allocate(struct store *store, const struct store_draft *draft,
                             const struct store_found *found, uint64_t *location) {
    uint32_t bytes = draft_bytes(draft);
    enum segment_end end = end_for(store, draft->key, found);
    if (!store_room_at(store, end, bytes)) {
        store->counters.out_of_memory++;
        return NULL;
    }
    *location = segment_append(&store->log, end, bytes);
    store->written_bytes += bytes;
    struct item *item = segment_item(&store->log, *location);
    item->hash = (uint32_t)draft->key->hash;
    item->key_length = (uint8_t)draft->key->length;
    item->bits = draft->bits;
    memcpy(item_key(item), draft->key->bytes, draft->key->length);
    return item;
}

struct item *store_place(struct store *store, const struct store_draft *draft,
                         struct store_found *found, uint64_t *location) {
    if (!fits_in_place(store, found, draft))
        return allocate(store, draft, found, location);
    *location = found->location;
    return found->item;
}

/* Puts the item into the index, in the place of the one found, if any, which dies. */
static void link(struct store *store, const struct store_key *key, const struct store_found *found,
                 const struct item *item, uint64_t location) {
    store->items++;
    store->item_bytes += item_bytes(item);
    if (found->item == NULL) {
        index_insert(&store->index, key->hash, location);
        return;
    }
    index_move(found->ref, location);
    found->item->bits &= (uint8_t)~ITEM_LINKED;
    store->items--;
    store->item_bytes -= item_bytes(found->item);
    segment_release(&store->log, found->location, item_bytes(found->item));
}

void store_settle(struct store *store, const struct store_draft *draft, struct store_found *found,
                  uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    item->value_length = draft->value_length;
    item->access = store->now;
    item->bits = draft->bits | ITEM_LINKED;
    item_set_cas(item, draft->cas);
    store_date(store, item, draft->expires);
    item_set_client_flags(item, draft->client_flags);
    if (item != found->item)
        link(store, draft->key, found, item, location);
    found->item = item;
    found->location = location;
}

bool store_reshape(struct store *store, const struct store_key *key, struct store_found *found,
                   uint8_t bits) {
    struct item *old = found->item;
    if ((old->bits & bits) == bits)
        return true;
    struct store_draft draft = {
        .key = key,
        .cas = item_cas(old),
        .value_length = old->value_length,
        .client_flags = item_client_flags(old),
        .expires = item_expires(old),
        .bits = (old->bits & (uint8_t)~ITEM_LINKED) | bits,
    };
    uint32_t access = old->access;
    uint64_t location;
    struct item *item = allocate(store, &draft, found, &location);
    if (item == NULL)
        return false;
    memcpy(item_value(item), item_value(old), old->value_length);
    store_settle(store, &draft, found, location);
    item->access = access;
    return true;
}

bool store_set_expires(struct store *store, const struct store_key *key, struct store_found *found,
                       uint32_t expires) {
    if (expires != 0 && !store_reshape(store, key, found, ITEM_EXPIRES))
        return false;
    store_date(store, found->item, expires);
    return true;
}
