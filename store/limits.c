#include "store/limits.h"

/* Extents and inline items are small beside a segment, so that little is lost at its end (an extent
 * may be shorter where that fills a segment up). */
#define INLINE_ITEMS_PER_SEGMENT 8
#define EXTENTS_PER_SEGMENT 4
#define INLINE_BYTES_MAX ((size_t)16 << 10)
#define EXTENT_BYTES_MAX ((size_t)64 << 10)

/* An item is at most a quarter of the memory. */
#define ITEMS_PER_MEMORY 4

/* The part of the memory that may be pinned. */
#define PINNED_PART 2

/* A bulk value is more than this part of what all leases may hold. */
#define BULK_PART 4

static uint32_t limits_value_length(size_t item_bytes, uint32_t key_length) {
    assert(key_length >= 1 && key_length <= ITEM_KEY_LENGTH_MAX);
    size_t without_value =
        offsetof(struct item, body) + item_optional_bytes(ITEM_SHAPE) + key_length;
    return item_bytes > without_value ? (uint32_t)(item_bytes - without_value) : 0;
}

size_t store_item_bytes_max(const struct store *store) {
    size_t max = store->config.item_bytes_max;
    if (max > store->config.memory_bytes / ITEMS_PER_MEMORY) {
        max = store->config.memory_bytes / ITEMS_PER_MEMORY;
    }
    return max < ITEM_BYTES_MAX ? max : ITEM_BYTES_MAX;
}

/* Counted with every optional field, so that one can always be added. */
uint32_t store_value_length_max(const struct store *store, uint32_t key_length) {
    return limits_value_length(store_item_bytes_max(store), key_length);
}

bool store_is_too_large(const struct store *store, uint32_t key_length, uint64_t value_length) {
    return value_length > store_value_length_max(store, key_length);
}

static size_t limits_inline_bytes(const struct store *store) {
    size_t max = store->log.segment_bytes / INLINE_ITEMS_PER_SEGMENT;
    return max < INLINE_BYTES_MAX ? max : INLINE_BYTES_MAX;
}

uint32_t store_inline_max(const struct store *store, uint32_t key_length) {
    return limits_value_length(limits_inline_bytes(store), key_length);
}

uint32_t store_extent_length_max(const struct store *store) {
    size_t max = store->log.segment_bytes / EXTENTS_PER_SEGMENT;
    return (uint32_t)((max < EXTENT_BYTES_MAX ? max : EXTENT_BYTES_MAX) -
                      offsetof(struct item, body));
}

/* Two neighbours together are at least as long as the longest extent, except for one pair in an
 * item; and a join adds one extent of the value that was there. */
uint32_t store_extents_max(const struct store *store, uint32_t value_length) {
    return 2 * (value_length / store_extent_length_max(store)) + 2;
}

uint32_t store_record_bytes_max(const struct store *store) {
    size_t inlined = limits_inline_bytes(store);
    uint32_t list =
        item_list_bytes(store_extents_max(store, (uint32_t)store_item_bytes_max(store)));
    uint64_t head = item_bytes_of(ITEM_SHAPE, ITEM_KEY_LENGTH_MAX, list);
    assert(head <= store->log.segment_bytes);
    return (uint32_t)(inlined > head ? inlined : head);
}

bool store_is_bulk(const struct store *store, uint32_t value_length) {
    return value_length > store->bound_bytes / STORE_LEASES_PART / BULK_PART;
}

bool store_pins_exhausted(const struct store *store) {
    return store->log.pinned * store->log.segment_bytes >= store->bound_bytes / PINNED_PART;
}
