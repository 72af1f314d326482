/* transfer_record: reading and dropping records of old stores (transfer_view.h). Private to it. */
#ifndef STORE_TRANSFER_RECORD_H
#define STORE_TRANSFER_RECORD_H

#include "store/order.h"
#include "store/transfer_view.h"

/* An item in an old store, and its place in the view. */
struct view_found {
    const struct transfer_source *source;
    struct item *item;
    uint64_t location;
};

/* Of a record that another thread may unlink. */
static inline uint8_t view_bits(const struct item *item) {
    return __atomic_load_n(&item->bits, __ATOMIC_RELAXED);
}

static inline void view_unlink(struct item *item) {
    uint8_t bits = view_bits(item) & (uint8_t)~ITEM_LINKED;
    __atomic_store_n(&item->bits, bits, __ATOMIC_RELAXED);
}

/* item_key() and item_bytes() of a record whose bits these are. */
static inline char *view_key(struct item *item, uint8_t bits) {
    return item->body + item_optional_bytes(bits);
}

static inline uint32_t view_record_bytes(struct item *item, uint8_t bits) {
    uint32_t payload = item->value_length;
    if (item_is_large(item)) {
        struct item_list list;
        memcpy(&list, view_key(item, bits) + item->key_length, sizeof(list));
        payload = item_list_bytes(list.count);
    }
    return (uint32_t)item_bytes_of(bits, item->key_length, payload);
}

static inline uint64_t view_hash(const struct transfer_source *source, struct item *item,
                                 uint8_t bits) {
    const struct index *index = &source->store->index;
    return index->hash(view_key(item, bits), item->key_length, index->seed);
}

static inline bool view_owns(const struct transfer_view *view, uint64_t hash) {
    return view->transfer->owner(hash, view->transfer->shards) == view->shard;
}

static inline struct transfer_place *view_place(const struct transfer_view *view,
                                                const struct transfer_source *source) {
    return &view->places[source - view->transfer->sources];
}

/* Whether the view may still read what lies there, and there may be something of its own. */
static inline bool view_reads(const struct transfer_view *view,
                              const struct transfer_source *source, uint64_t location) {
    uint32_t rank = source->rank[segment_of(&source->store->log, location)];
    return !view_place(view, source)->passed[rank];
}

/* The head first: extents of no head are dropped by whoever opens the image. */
static inline void view_drop(const struct transfer_view *view, const struct view_found *found) {
    struct item *item = found->item;
    view_unlink(item);
    store_order();
    if (item_is_large(item)) {
        const struct item_list *list = item_list_read(item);
        for (uint32_t i = 0; i < list->count; i++) {
            view_unlink(segment_item(&found->source->store->log, list->extents[i].location));
        }
    }
    atomic_fetch_sub_explicit(&view->transfer->left, 1, memory_order_relaxed);
}

#endif
