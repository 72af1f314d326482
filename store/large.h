/* large: what the head of a large item and its extents have in common: they are released, pinned
 * and listed together. The layout is in item.h. Private to the store. */
#ifndef STORE_LARGE_H
#define STORE_LARGE_H

#include "store/internal.h"

/* The bytes of an item die, and those of its extents with them. */
void store_release_item(struct store *store, uint64_t location);
/* The bytes of one record die: of an item without its extents, or of one extent. */
void store_release_record(struct store *store, uint64_t location);

/* The same of all extents in a list. */
void store_release_extents(struct store *store, const struct item_list *list);

/* Pins the segments of an item's extents: they are neither moved nor evicted, and their bytes stay
 * even when they die meanwhile. */
void store_pin_extents(struct store *store, const struct item_list *list);
void store_unpin_extents(struct store *store, const struct item_list *list);

/* The first extent that ends behind this byte of the value, which must be below its length. */
uint32_t store_list_find(const struct item_list *list, uint32_t offset);

/* The list of a new head names extents of an old one, whose leases are not its own. */
void store_list_inherit(struct item_list *list, const struct item_list *old);

/* Whether this is a large item whose list names the extent. */
bool store_head_names(const struct item *head, uint64_t extent);
/* An extent has moved: the head's list is corrected. The item must not be leased. */
void store_list_replace(struct item *head, uint64_t from, uint64_t to);

#endif
