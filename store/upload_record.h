/* upload_record: how an upload lies in the log. Private to the store.
 *
 * A record with the header of an extent holds the list of the extents received so far, its location
 * is the handle of the upload:
 *
 *   | header | value length, joins 4 | received 4 |
 *                              count 4 | bytes 4 | leases 4 | location 8, end 4 | ...
 *
 * This record and the extents are pinned until the upload is ended or cancelled. It is long enough
 * for the head of the item that the upload becomes.
 */
#ifndef STORE_UPLOAD_RECORD_H
#define STORE_UPLOAD_RECORD_H

#include "store/internal.h"

/* The body of an upload's record, before the list. */
struct upload {
    uint32_t value_length : 30;
    uint32_t joins : 1; /* it may end as append or prepend */
    uint32_t received;
};

_Static_assert(ITEM_BYTES_MAX < (size_t)1 << 30, "a value's length has 30 bits");

struct upload *upload_at(const struct store *store, uint64_t location);
struct item_list *upload_list(const struct store *store, uint64_t location);

/* Bits 0 to 47 of the hash of the key, which all records of an upload have. */
uint64_t upload_hash(const struct store *store, uint64_t location);

/* Creates a pinned record of an upload, the first one or an extent; returns its location, or 0 when
 * there is no memory. */
uint64_t upload_record_create(struct store *store, uint64_t hash, uint32_t length);
/* Unpins a record, which no longer belongs to the upload. */
void upload_record_detach(struct store *store, uint64_t location);
void upload_record_drop(struct store *store, uint64_t location);

/* Counts an upload whose record is complete but for the extents, or one that ends. */
void upload_count(struct store *store, uint64_t location);
void upload_uncount(struct store *store, uint64_t location);

/* The length of an extent in a list, and of all of them. */
static inline uint32_t upload_extent_length(const struct item_list *list, uint32_t i) {
    return list->extents[i].end - (i == 0 ? 0 : list->extents[i - 1].end);
}

static inline uint32_t upload_list_length(const struct item_list *list) {
    return list->count == 0 ? 0 : list->extents[list->count - 1].end;
}

#endif
