/* A flush by a prefix, of what is still in old stores. */
#include "store/transfer_record.h"

/* The record is a linked head, perhaps of another view. */
static void flush_visit(const struct transfer_view *view, const struct view_found *found,
                        uint8_t bits, const char *prefix, uint32_t length) {
    struct item *item = found->item;
    if (!(bits & ITEM_LINKED) || item->key_length < length ||
        memcmp(view_key(item, bits), prefix, length) != 0) {
        return;
    }
    if (view_owns(view, view_hash(found->source, item, bits))) {
        view_drop(view, found);
    }
}

static void flush_segment(const struct transfer_view *view, const struct transfer_source *source,
                          uint32_t number, const char *prefix, uint32_t length) {
    const struct segment_log *log = &source->store->log;
    uint64_t at = segment_first(log, number);
    uint64_t until = at + log->segments[number].used_bytes / ITEM_ALIGN;
    while (at < until) {
        const struct view_found found = {source, segment_item(log, at), at};
        if (found.item->value_length == ITEM_PAD) {
            at++;
            continue;
        }
        uint8_t bits = view_bits(found.item);
        flush_visit(view, &found, bits, prefix, length);
        at += view_record_bytes(found.item, bits) / ITEM_ALIGN;
    }
}

void transfer_drop_prefix(struct store *store, const char *prefix, uint32_t length) {
    const struct transfer_view *view = store->transfer;
    for (uint32_t i = 0; i < view->transfer->count; i++) {
        const struct transfer_source *source = &view->transfer->sources[i];
        if (!view->places[i].overlaps) {
            continue;
        }
        for (uint32_t rank = 0; rank < source->count; rank++) {
            if (!view->places[i].passed[rank]) {
                flush_segment(view, source, source->order[rank], prefix, length);
            }
        }
    }
    store_order();
}
