#include "store/place.h"

#include "store/large.h"
#include "store/lifetime.h"
#include "store/memory.h"

/* The counter starts again when the value would no longer fit in the 48 bits of an item: two
 * versions of a key have to differ, and about 2^48 writes lie between equal values. The header of
 * an image is ahead of it, so that it needs to be written now and then only. */
void store_cas_reserve(struct store *store) {
    uint64_t end = ((uint64_t)1 << ITEM_CAS_BITS) / store->config.shards;
    if (store->cas_counter >= end) {
        store->cas_counter = 1;
    }
    store->cas_limit = end;
    if (store->image && end - store->cas_counter > IMAGE_CAS_STEP) {
        store->cas_limit = store->cas_counter + IMAGE_CAS_STEP;
    }
    if (store->image) {
        store->image->state.cas_max = store->cas_limit - 1;
        store_order();
    }
}

uint64_t store_next_cas(struct store *store, bool set_cas, uint64_t new_cas) {
    const struct store_config *config = &store->config;
    if (config->no_cas) {
        return 0;
    }
    if (set_cas) {
        return new_cas;
    }
    store->cas_counter++;
    if (store->cas_counter >= store->cas_limit) {
        store_cas_reserve(store);
    }
    return store->cas_counter * config->shards + config->shard;
}

/* Whether the draft can take the place of the item found. Pins do not matter: a lease reads lists
 * and extents only, and those are never overwritten. */
static bool place_fits(const struct store_found *found, const struct store_draft *draft) {
    return found->item && !item_is_large(found->item) && draft->extents == 0 &&
           (found->item->bits & ITEM_SHAPE) == (draft->bits & ITEM_SHAPE) &&
           item_bytes(found->item) == store_draft_bytes(draft);
}

/* A new version of an item stays in its queue. A new item goes to the small queue, or to the main
 * one if there is a ghost of its key. */
static enum segment_end place_end(struct store *store, const struct store_key *key,
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

/* Whether the draft can be written over the item found, shorter or not. A value that keeps bytes of
 * the old one (a join) is never shorter, and has no field less. The list of a large item must not
 * be overwritten while someone reads it. */
static bool place_may_overwrite(const struct store_found *found, const struct store_draft *draft) {
    struct item *old = found->item;
    if (!old || draft->extents != 0 || draft->inherits ||
        store_draft_bytes(draft) > item_bytes(old)) {
        return false;
    }
    if (item_is_large(old)) {
        return item_list_read(old)->leases == 0;
    }
    bool new_fields = draft->bits & ITEM_SHAPE & ~old->bits;
    return draft->value_length < item_value_length(old) || !new_fields;
}

void store_rewrite_begin(struct store *store, uint64_t location, uint32_t bytes) {
    if (store->image) {
        store->image->state.rewrite_bytes = bytes;
        store_order();
        store->image->state.rewrite = location;
        store_order();
    }
}

void store_rewrite_end(struct store *store) {
    if (store->image) {
        store_order();
        store->image->state.rewrite = 0;
        store_order();
    }
}

/* Where there is no memory, an item that is no longer than the old one, head or inline item, takes
 * the old one's place. What is left over of that is dead. */
__attribute__((noinline, cold)) static struct item *place_overwrite(struct store *store,
                                                                    const struct store_draft *draft,
                                                                    const struct store_found *found,
                                                                    uint64_t *location) {
    if (!place_may_overwrite(found, draft)) {
        store->counters.out_of_memory++;
        return NULL;
    }
    *location = found->location;
    struct item *item = found->item;
    uint32_t bytes = item_bytes(item);
    store_uncount_item(store, found->location);
    if (item_is_large(item)) {
        store_release_extents(store, item_list(item));
    }
    store_rewrite_begin(store, found->location, bytes);
    segment_cut(&store->log, found->location, bytes, store_draft_bytes(draft));
    item->value_length = draft->value_length;
    item->bits = draft->bits;
    memcpy(item_key(item), draft->key->bytes, draft->key->length);
    store_rewrite_end(store);
    store_count_item(store, found->location);
    return item;
}

struct item *store_allocate(struct store *store, const struct store_draft *draft,
                            const struct store_found *found, uint64_t *location) {
    return store_allocate_at(store, draft, found, place_end(store, draft->key, found), location);
}

struct item *store_allocate_at(struct store *store, const struct store_draft *draft,
                               const struct store_found *found, enum segment_end end,
                               uint64_t *location) {
    uint32_t bytes = store_draft_bytes(draft);
    if (end == SEGMENT_NEW_MAIN && !store_space_at(store, end, bytes)) {
        end = SEGMENT_NEW_SMALL;
    }
    bool index_has_room = found->item || store_index_may_grow(store);
    if (!index_has_room || !store_space_at(store, end, bytes)) {
        return place_overwrite(store, draft, found, location);
    }
    *location = segment_tail(&store->log, end);
    store->written_bytes += bytes;
    struct item *item = segment_item(&store->log, *location);
    item->value_length = store_draft_payload(draft);
    item->key_length = (uint8_t)draft->key->length;
    item->bits = draft->bits;
    segment_append(&store->log, end, bytes);
    memcpy(item_key(item), draft->key->bytes, draft->key->length);
    return item;
}

struct item *store_place(struct store *store, const struct store_draft *draft,
                         struct store_found *found, uint64_t *location) {
    if (!place_fits(found, draft)) {
        return store_allocate(store, draft, found, location);
    }
    *location = found->location;
    store_change_begin(found->item);
    return found->item;
}

/* Links the item in the index, instead of the one found, if any, which is released. */
static void place_link(struct store *store, const struct store_draft *draft,
                       const struct store_found *found, uint64_t location) {
    store_count_item(store, location);
    if (!found->item) {
        if (!draft->index_is_full) {
            index_step(&store->index);
        }
        index_insert(&store->index, draft->key->hash, location);
        return;
    }
    index_move(found->ref, location);
    store_uncount_item(store, found->location);
    if (draft->inherits) {
        store_release_record(store, found->location);
    } else {
        store_release_item(store, found->location);
    }
}

void store_commit(struct store *store, const struct store_draft *draft, struct store_found *found,
                  uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    store_order();
    item->value_length = draft->value_length | (draft->extents != 0 ? ITEM_LARGE : 0);
    item->access = store->now;
    item_set_cas(item, draft->cas);
    store_write_expires(store, item, draft->expires);
    item_set_client_flags(item, draft->client_flags);
    store_change_end(item, draft->bits);
    if (item != found->item) {
        place_link(store, draft, found, location);
    }
    found->item = item;
    found->location = location;
}

bool store_add_fields(struct store *store, const struct store_key *key, struct store_found *found,
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
        store_list_inherit(item_list(item), item_list(old));
    }
    store_commit(store, &draft, found, location);
    item->access = access;
    return true;
}

bool store_set_expires(struct store *store, const struct store_key *key, struct store_found *found,
                       uint32_t expires) {
    if (expires != 0 && !store_add_fields(store, key, found, ITEM_EXPIRES)) {
        return false;
    }
    store_write_expires(store, found->item, expires);
    return true;
}
