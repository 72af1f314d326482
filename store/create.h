/* create: a store without items. Private to the store; store.h and image.h have the functions for
 * its callers. */
#ifndef STORE_CREATE_H
#define STORE_CREATE_H

#include "store/image.h"
#include "store/internal.h"

bool store_config_is_valid(const struct store_config *config);

/* As store_create(). With a mapped image (else both NULL) the log lies there; its header is read
 * for the layout only, and the store does not know of it yet (struct store.image). */
int store_build(struct store **store, const struct store_config *config,
                const struct store_image *file, struct image_header *image);

#endif
