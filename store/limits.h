/* limits: how large items, extents and lists of extents may be, and how much uploads and leases may
 * hold together. They follow from the configuration and the size of a segment. Private to the
 * store; store.h has store_value_length_max(), store_inline_max() and store_is_bulk(). */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

#include "store/internal.h"

/* The part of the memory bound that all uploads together may reserve, and that all leases together
 * may keep: a quarter each. One upload and one lease are always granted. */
#define STORE_UPLOADS_PART 4
#define STORE_LEASES_PART 4

/* The largest item: header, key and value; the headers of extents do not count. */
size_t store_item_bytes_max(const struct store *store);

/* Whether such an item is larger than any may be. */
bool store_is_too_large(const struct store *store, uint32_t key_length, uint64_t value_length);

/* Bytes of the longest record: an inline item, or the head of a large one. */
uint32_t store_record_bytes_max(const struct store *store);

/* Bytes of a value that one extent can hold. */
uint32_t store_extent_length_max(const struct store *store);

/* The most extents that a value of this length is split into. */
uint32_t store_extents_max(const struct store *store, uint32_t value_length);

/* Whether the pinned segments are half the memory bound or more: no further upload or lease is
 * granted then, unless it is the only one. */
bool store_pins_exhausted(const struct store *store);

#endif
