/* stage: an upload outside of the log, for a value that may be stored only over another one, of
 * which it is not known before it is complete whether it is to be replaced (cas, replace). The
 * memory is the system's, beyond the bound, for as long as the upload takes: one value of a store
 * at a time. Private to the store. */
#ifndef STORE_STAGE_H
#define STORE_STAGE_H

#include "store/internal.h"

/* The handle of that upload; no location is so high. */
#define STAGE_UPLOAD UINT64_MAX

/* Begins it. STORE_OK, STORE_BUSY while there is another one, or STORE_NO_MEMORY. */
enum store_status stage_begin(struct store *store, uint32_t value_length);
void stage_end(struct store *store);

/* As store_upload_add() and store_upload_window(). */
void stage_add(struct store *store, const char *bytes, uint32_t length);
uint32_t stage_window(struct store *store, char **where);

#endif
