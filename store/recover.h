/* recover: finds the items of an image. Private to the store. README.md ("Images") says why what a
 * killed process has left can be read. */
#ifndef STORE_RECOVER_H
#define STORE_RECOVER_H

#include "store/image.h"
#include "store/internal.h"

/* Fills an empty store, which lies in this image, with the items there. Returns 0; -EBADMSG, and
 * then says in *recovery what is wrong; -ENOMEM; or an error of the file. After a failure the store
 * can only be destroyed. */
int store_recover(struct store *store, struct image_header *image, struct store_recovery *recovery);

#endif
