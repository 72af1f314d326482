#include "store/upload_record.h"

#include "store/large.h"
#include "store/memory.h"

struct upload *upload_at(const struct store *store, uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    assert(item_is_extent(item) && item->bits == ITEM_LINKED);
    return (void *)item->body;
}

struct item_list *upload_list(const struct store *store, uint64_t location) {
    return (void *)(upload_at(store, location) + 1);
}

uint64_t upload_hash(const struct store *store, uint64_t location) {
    return item_head_hash(segment_item(&store->log, location));
}

uint64_t upload_record_create(struct store *store, uint64_t hash, uint32_t length) {
    uint32_t bytes = item_extent_bytes(length);
    if (!store_space_at(store, SEGMENT_EXTENTS, bytes)) {
        store->counters.out_of_memory++;
        return 0;
    }
    store->written_bytes += bytes;
    uint64_t location = segment_tail(&store->log, SEGMENT_EXTENTS);
    struct item *item = segment_item(&store->log, location);
    *item = (struct item){.value_length = length, .access = store->now, .bits = ITEM_LINKED};
    item_set_cas(item, hash);
    segment_append(&store->log, SEGMENT_EXTENTS, bytes);
    segment_pin(&store->log, segment_of(&store->log, location));
    store->upload_bytes += bytes;
    return location;
}

void upload_record_detach(struct store *store, uint64_t location) {
    store->upload_bytes -= item_bytes(segment_item(&store->log, location));
    segment_unpin(&store->log, segment_of(&store->log, location));
}

void upload_record_drop(struct store *store, uint64_t location) {
    store_release_record(store, location);
    upload_record_detach(store, location);
}

void upload_count(struct store *store, uint64_t location) {
    store->uploads++;
    store->upload_reserved_bytes += upload_at(store, location)->value_length;
}

void upload_uncount(struct store *store, uint64_t location) {
    store->uploads--;
    store->upload_reserved_bytes -= upload_at(store, location)->value_length;
}
