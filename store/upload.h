/* upload: the part of uploads that storing a value takes; store.h has the rest. A large value that
 * is written by one call is an upload within that call. Private to the store. */
#ifndef STORE_UPLOAD_H
#define STORE_UPLOAD_H

#include "store/place.h"

/* Begins an upload, whatever the others have reserved. Returns 0 when there is no memory. */
uint64_t store_upload_open(struct store *store, const struct store_key *key, uint32_t value_length,
                           bool joins);

/* Asserts that the upload is complete, and that it is for this key and write. */
void store_upload_check(const struct store *store, uint64_t upload, const struct store_key *key,
                        const struct store_write *write);

/* Makes the draft the item, with the upload's value, and ends the upload. join is NULL, or the mode
 * (append or prepend) by which the value is put behind or before that of the item found. Returns
 * false when there is no memory; the upload is still there then. */
bool store_upload_place(struct store *store, uint64_t upload, struct store_draft *draft,
                        struct store_found *found, const enum store_mode *join);

#endif
