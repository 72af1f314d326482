#include "store/large.h"

void store_release_record(struct store *store, uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    assert(item->bits & ITEM_LINKED);
    item->bits &= (uint8_t)~ITEM_LINKED;
    segment_release(&store->log, location, item_bytes(item));
}

void store_release_extents(struct store *store, const struct item_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        store_release_record(store, list->extents[i].location);
    }
}

/* The extents first, since the list that names them lies in the head. */
void store_release_item(struct store *store, uint64_t location) {
    const struct item *item = segment_item(&store->log, location);
    if (item_is_large(item)) {
        store_release_extents(store, item_list_read(item));
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

uint32_t store_list_find(const struct item_list *list, uint32_t offset) {
    uint32_t low = 0;
    uint32_t high = list->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->extents[middle].end > offset) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void store_list_inherit(struct item_list *list, const struct item_list *old) {
    list->leases = 0;
    list->shared = old->shared || old->leases != 0;
}

/* The extent's position in the list; list->count when the list does not name it. */
static uint32_t list_find(const struct item_list *list, uint64_t extent) {
    uint32_t i = 0;
    while (i < list->count && list->extents[i].location != extent) {
        i++;
    }
    return i;
}

bool store_head_names(const struct item *head, uint64_t extent) {
    if (!item_is_large(head)) {
        return false;
    }
    const struct item_list *list = item_list_read(head);
    return list_find(list, extent) < list->count;
}

void store_list_replace(struct item *head, uint64_t from, uint64_t to) {
    struct item_list *list = item_list(head);
    uint32_t i = list_find(list, from);
    assert(i < list->count && list->leases == 0);
    list->extents[i].location = to;
}
