/* import: storing an item of another store, with all that belongs to it. Private to the store. */
#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include "store/internal.h"

/* An item on its way. */
struct store_moved {
    const struct store *from;
    struct store_item item; /* with its state, and access time */
    bool main;              /* it was read before: it belongs to the main queue */
    bool hit;               /* it was read since it came to its place in the queue */
};

/* Stores an item with value, flags, expiry, CAS, access time and state as they were, unless the key
 * is there (STORE_NOT_STORED). Evicts as a write does. STORE_OK, STORE_NOT_STORED,
 * STORE_TOO_LARGE, STORE_NO_MEMORY. */
enum store_status store_import(struct store *store, const struct store_key *key,
                               const struct store_moved *moved, uint32_t now);

#endif
