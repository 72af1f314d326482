/* Where new items go, and how large they may be. */
#include "store/internal.h"

/* Little is lost at the end of a segment: an extent may be shorter when that fills one up. */
#define INLINE_ITEMS_PER_SEGMENT 8
#define EXTENTS_PER_SEGMENT 4
#define INLINE_BYTES_MAX ((size_t)16 << 10)
#define EXTENT_BYTES_MAX ((size_t)64 << 10)

/* An item is at most a quarter of the memory. */
#define ITEMS_PER_MEMORY 4

uint8_t store_shape(uint32_t client_flags, uint32_t expires, uint64_t cas) {
    return (uint8_t)((expires != 0 ? ITEM_EXPIRES : 0) |
                     (client_flags != 0 ? ITEM_CLIENT_FLAGS : 0) |
                     (cas >> ITEM_CAS_BITS != 0 ? ITEM_LONG_CAS : 0));
}

/* Counted with every optional field, so that one can always be added. */
bool store_is_too_large(const struct store *store, uint32_t key_length, uint64_t value_length) {
    return value_length > store_value_length_max(store, key_length);
}

static uint32_t value_length_within(size_t bytes, uint32_t key_length) {
    assert(key_length >= 1 && key_length <= ITEM_KEY_LENGTH_MAX);
    size_t without_value =
        offsetof(struct item, body) + item_optional_bytes(ITEM_SHAPE) + key_length;
    return bytes > without_value ? (uint32_t)(bytes - without_value) : 0;
}

size_t store_item_bytes_max(const struct store *store) {
    size_t max = store->config.item_bytes_max;
    if (max > store->config.memory_bytes / ITEMS_PER_MEMORY) {
        max = store->config.memory_bytes / ITEMS_PER_MEMORY;
    }
    return max < ITEM_BYTES_MAX ? max : ITEM_BYTES_MAX;
}

uint32_t store_value_length_max(const struct store *store, uint32_t key_length) {
    return value_length_within(store_item_bytes_max(store), key_length);
}

static size_t inline_bytes_max(const struct store *store) {
    size_t max = store->log.segment_bytes / INLINE_ITEMS_PER_SEGMENT;
    return max < INLINE_BYTES_MAX ? max : INLINE_BYTES_MAX;
}

uint32_t store_inline_max(const struct store *store, uint32_t key_length) {
    return value_length_within(inline_bytes_max(store), key_length);
}

uint32_t store_extent_length_max(const struct store *store) {
    size_t max = store->log.segment_bytes / EXTENTS_PER_SEGMENT;
    return (uint32_t)((max < EXTENT_BYTES_MAX ? max : EXTENT_BYTES_MAX) -
                      offsetof(struct item, body));
}

/* Any two neighbours but one pair are together as long as one may be; and one more comes from the
 * value before, when they are joined. */
uint32_t store_extents_max(const struct store *store, uint32_t value_length) {
    return 2 * (value_length / store_extent_length_max(store)) + 2;
}

uint32_t store_record_bytes_max(const struct store *store) {
    size_t inlined = inline_bytes_max(store);
    uint32_t list =
        item_list_bytes(store_extents_max(store, (uint32_t)store_item_bytes_max(store)));
    uint64_t head = item_bytes_of(ITEM_SHAPE, ITEM_KEY_LENGTH_MAX, list);
    assert(head <= store->log.segment_bytes);
    return (uint32_t)(inlined > head ? inlined : head);
}

static uint32_t draft_bytes(const struct store_draft *draft) {
    uint32_t payload = draft->extents != 0 ? item_list_bytes(draft->extents) : draft->value_length;
    return (uint32_t)item_bytes_of(draft->bits, draft->key->length, payload);
}

/* A lease reads lists and extents only: a pinned segment does not matter. */
static bool fits_in_place(const struct store_found *found, const struct store_draft *draft) {
    return found->item && !item_is_large(found->item) && draft->extents == 0 &&
           (found->item->bits & ITEM_SHAPE) == (draft->bits & ITEM_SHAPE) &&
           item_bytes(found->item) == draft_bytes(draft);
}

/* A new version goes to the queue that the item found is in. */
static enum segment_end end_for(struct store *store, const struct store_key *key,
                                const struct store_found *found) {
    bool main;
    if (found->item) {
        main = store_queue_of(store, found->location) == SEGMENT_MAIN;
    } else {
        main = ghost_take(&store->ghost, (uint32_t)key->hash, (uint16_t)index_tag(key->hash));
        store->counters.ghost_hits += main;
    }
    return main ? SEGMENT_NEW_MAIN : SEGMENT_NEW_SMALL;
}

struct item *store_allocate(struct store *store, const struct store_draft *draft,
                            const struct store_found *found, uint64_t *location) {
    uint32_t bytes = draft_bytes(draft);
    enum segment_end end = end_for(store, draft->key, found);
    if (end == SEGMENT_NEW_MAIN && !store_room_at(store, end, bytes)) {
        end = SEGMENT_NEW_SMALL;
    }
    bool index_has_room = found->item || store_index_has_room(store);
    if (!index_has_room || !store_room_at(store, end, bytes)) {
        store->counters.out_of_memory++;
        return NULL;
    }
    *location = segment_append(&store->log, end, bytes);
    store->written_bytes += bytes;
    struct item *item = segment_item(&store->log, *location);
    item->key_length = (uint8_t)draft->key->length;
    item->bits = draft->bits;
    memcpy(item_key(item), draft->key->bytes, draft->key->length);
    return item;
}

struct item *store_place(struct store *store, const struct store_draft *draft,
                         struct store_found *found, uint64_t *location) {
    if (!fits_in_place(found, draft)) {
        return store_allocate(store, draft, found, location);
    }
    *location = found->location;
    return found->item;
}

/* Puts the item into the index, in the place of the one found, if any, which dies. */
static void link(struct store *store, const struct store_draft *draft,
                 const struct store_found *found, uint64_t location) {
    store_count(store, location);
    if (!found->item) {
        index_step(&store->index);
        index_insert(&store->index, draft->key->hash, location);
        return;
    }
    index_move(found->ref, location);
    store_discount(store, found->location);
    if (draft->inherits) {
        store_release_record(store, found->location);
    } else {
        store_release(store, found->location);
    }
}

void store_settle(struct store *store, const struct store_draft *draft, struct store_found *found,
                  uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    item->value_length = draft->value_length | (draft->extents != 0 ? ITEM_LARGE : 0);
    item->access = store->now;
    item->bits = draft->bits | ITEM_LINKED;
    item_set_cas(item, draft->cas);
    store_date(store, item, draft->expires);
    item_set_client_flags(item, draft->client_flags);
    if (item != found->item) {
        link(store, draft, found, location);
    }
    found->item = item;
    found->location = location;
}

bool store_reshape(struct store *store, const struct store_key *key, struct store_found *found,
                   uint8_t bits) {
    struct item *old = found->item;
    if ((old->bits & bits) == bits) {
        return true;
    }
    struct store_draft draft = {
        .key = key,
        .cas = item_cas(old),
        .value_length = item_value_length(old),
        .extents = item_is_large(old) ? item_list(old)->count : 0,
        .client_flags = item_client_flags(old),
        .expires = item_expires(old),
        .bits = (old->bits & (uint8_t)~ITEM_LINKED) | bits,
        .inherits = true,
    };
    uint32_t access = old->access;
    uint64_t location;
    struct item *item = store_allocate(store, &draft, found, &location);
    if (!item) {
        return false;
    }
    memcpy(item_value(item), item_value(old), item_payload_bytes(old));
    if (draft.extents != 0) {
        item_list(item)->leases = 0;
    }
    store_settle(store, &draft, found, location);
    item->access = access;
    return true;
}

bool store_set_expires(struct store *store, const struct store_key *key, struct store_found *found,
                       uint32_t expires) {
    if (expires != 0 && !store_reshape(store, key, found, ITEM_EXPIRES)) {
        return false;
    }
    store_date(store, found->item, expires);
    return true;
}
