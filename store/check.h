/* check: the invariants of a store, for tests. A failed one ends the program (assert). Never called
 * by the server. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/store.h"

/* The bounds on memory and on the work of the last operation; O(1). */
void store_check_memory(const struct store *store);

/* All invariants: counts, queues, lists of extents, and each entry of the index against the item it
 * names. Visits everything. Not between two calls of one operation. */
void store_check(const struct store *store);

#endif
