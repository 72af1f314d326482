/* What a head and its extents have in common: they die, stay and are found together. */
#include "store/internal.h"

void store_release_record(struct store *store, uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    assert(item->bits & ITEM_LINKED);
    item->bits &= (uint8_t)~ITEM_LINKED;
    segment_release(&store->log, location, item_bytes(item));
}

/* The extents first: the list lies in the head. */
void store_release(struct store *store, uint64_t location) {
    const struct item *item = segment_item(&store->log, location);
    if (item_is_large(item)) {
        const struct item_list *list = item_list_read(item);
        for (uint32_t i = 0; i < list->count; i++) {
            store_release_record(store, list->extents[i].location);
        }
    }
    store_release_record(store, location);
}

void store_pin_extents(struct store *store, const struct item_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        segment_pin(&store->log, segment_of(&store->log, list->extents[i].location));
    }
}

void store_unpin_extents(struct store *store, const struct item_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        segment_unpin(&store->log, segment_of(&store->log, list->extents[i].location));
    }
}

bool store_is_bulk(const struct store *store, uint32_t value_length) {
    return value_length > store->bound_bytes / STORE_LEASES_PART / 4;
}

bool store_is_pinned_full(const struct store *store) {
    return store->log.pinned * store->log.segment_bytes >= store->bound_bytes / STORE_PINNED_PART;
}

/* Where in the list; its count when it does not name the extent. */
static uint32_t place_in(const struct item_list *list, uint64_t extent) {
    uint32_t i = 0;
    while (i < list->count && list->extents[i].location != extent) {
        i++;
    }
    return i;
}

static bool names(const struct item *head, uint64_t extent) {
    if (!item_is_large(head)) {
        return false;
    }
    const struct item_list *list = item_list_read(head);
    return place_in(list, extent) < list->count;
}

void store_list_move(struct item *head, uint64_t from, uint64_t to) {
    struct item_list *list = item_list(head);
    uint32_t i = place_in(list, from);
    assert(i < list->count && list->leases == 0);
    list->extents[i].location = to;
}

bool store_find_owner(const struct store *store, uint64_t extent, struct store_found *found) {
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
            if (names(found->item, extent)) {
                return true;
            }
        }
    }
    *found = (struct store_found){0};
    return false;
}
