/* random: random bytes of the kernel's. Thread: any. */
#ifndef CORE_BASE_RANDOM_H
#define CORE_BASE_RANDOM_H

#include <stddef.h>

/* Fills `bytes` from getrandom(2), or from /dev/urandom where a sandbox refuses that call. Returns
 * 0, or -errno of getrandom(2) when the bytes can be had from neither. `refused`, unless NULL,
 * becomes the error of the call where the file was read instead, else 0. */
int random_fill(void *bytes, size_t length, int *refused);

#endif
