/* take_over: an upload that writes over the large value it will replace, where there is no memory
 * for both. Private to the store. */
#ifndef STORE_TAKE_OVER_H
#define STORE_TAKE_OVER_H

#include "store/internal.h"

/* Whether a value of this length could be written over the one that is stored under the key, if
 * that is not leased. */
bool store_may_write_over(struct store *store, const struct store_key *key, uint32_t value_length);

/* Begins an upload with the records of the item that is stored under the key, which is gone then:
 * its value must be large and no shorter. Nothing of that upload can lack memory, unless the index
 * is full when it ends, or a new CAS is longer than the old one was. STORE_OK; STORE_BUSY while the
 * old value is leased; else STORE_NO_MEMORY, and nothing has changed. The lack of memory has been
 * counted before the call. */
enum store_status store_upload_take_over(struct store *store, const struct store_key *key,
                                         uint32_t value_length, uint64_t *upload);

#endif
