/* The records of a large value become those of an upload. */
#include "store/take_over.h"

#include "store/large.h"
#include "store/limits.h"
#include "store/place.h"
#include "store/upload_record.h"

/* How many extents of the old value the new one takes, the last one made shorter; 0 when that would
 * make a second pair of neighbours that is shorter than the longest extent. */
static uint32_t take_over_count(const struct store *store, const struct item_list *list,
                                uint32_t value_length) {
    uint32_t last = store_list_find(list, value_length - 1);
    uint32_t before = store_extent_length_max(store);
    uint32_t short_pairs = 0;
    for (uint32_t i = 0; i <= last; i++) {
        uint32_t length = upload_extent_length(list, i);
        if (i == last) {
            length -= list->extents[i].end - value_length;
        }
        short_pairs += before + length < store_extent_length_max(store);
        before = length;
    }
    return short_pairs <= 1 ? last + 1 : 0;
}

/* Makes the list name the first extents only; the others are released. */
static void take_over_cut(struct store *store, struct item_list *list, uint32_t count,
                          uint32_t value_length) {
    uint32_t last = count - 1;
    uint32_t length = upload_extent_length(list, last) - (list->extents[last].end - value_length);
    uint64_t location = list->extents[last].location;
    struct item *extent = segment_item(&store->log, location);
    segment_cut(&store->log, location, item_bytes(extent), item_extent_bytes(length));
    extent->value_length = length;
    list->extents[last].end = value_length;
    for (uint32_t i = count; i < list->count; i++) {
        store_release_record(store, list->extents[i].location);
    }
    list->count = count;
    list->bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        list->bytes += item_extent_bytes(upload_extent_length(list, i));
    }
}

/* The head found, of this many bytes, becomes the record of an upload. */
static void take_over_head(struct store *store, const struct store_found *found, uint32_t bytes,
                           const struct upload *upload, uint64_t hash) {
    struct item *item = found->item;
    const struct item_list *list = item_list(item);
    memmove(item->body + sizeof(struct upload), list, item_list_bytes(list->count));
    *item = (struct item){.value_length = bytes - (uint32_t)offsetof(struct item, body),
                          .access = store->now,
                          .bits = ITEM_LINKED};
    item_set_cas(item, hash);
    *upload_at(store, found->location) = *upload;
}

/* Counts and pins the records as those of an upload. */
static void take_over_pin(struct store *store, uint64_t location) {
    const struct item_list *list = upload_list(store, location);
    store_pin_extents(store, list);
    segment_pin(&store->log, segment_of(&store->log, location));
    upload_count(store, location);
    store->upload_bytes += list->bytes + item_bytes(segment_item(&store->log, location));
}

/* The extents that a new value would take of the item's, leased or not; 0: it can't have them. */
static uint32_t take_over_extents(const struct store *store, const struct item *item,
                                  uint32_t value_length) {
    if (!item_is_large(item) || item_value_length(item) < value_length) {
        return 0;
    }
    const struct item_list *list = item_list_read(item);
    bool fits = item_optional_bytes(item->bits) + item->key_length >= sizeof(struct upload);
    return fits && !list->shared ? take_over_count(store, list, value_length) : 0;
}

bool store_may_write_over(struct store *store, const struct store_key *key, uint32_t value_length) {
    struct store_found found;
    store_find(store, key, &found);
    if (!found.item) {
        return false;
    }
    bool is_inline = !item_is_large(found.item) && found.item->value_length >= value_length;
    return is_inline || take_over_extents(store, found.item, value_length) != 0;
}

enum store_status store_upload_take_over(struct store *store, const struct store_key *key,
                                         uint32_t value_length, uint64_t *upload) {
    struct store_found found;
    store_find(store, key, &found);
    uint32_t count = found.item ? take_over_extents(store, found.item, value_length) : 0;
    if (count == 0) {
        return STORE_NO_MEMORY;
    }
    struct item_list *list = item_list(found.item);
    store->counters.out_of_memory--; /* was counted, but is not refused */
    if (list->leases != 0) {
        return STORE_BUSY;
    }
    index_remove(&store->index, found.ref);
    store_uncount_item(store, found.location);
    uint32_t bytes = item_bytes(found.item);
    store_rewrite_begin(store, found.location, bytes);
    take_over_cut(store, list, count, value_length);
    take_over_head(store, &found, bytes, &(struct upload){.value_length = value_length}, key->hash);
    store_rewrite_end(store);
    take_over_pin(store, found.location);
    *upload = found.location;
    return STORE_OK;
}
