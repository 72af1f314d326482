/* fit: what the command line asks for, lowered to what this process can have of the machine:
 * memory, descriptors, addresses and threads. A server that does less is better than none; what is
 * lowered is told on stderr, a line for each of the four. Thread: the main one, before the others
 * start. */
#ifndef CORE_SERVER_FIT_H
#define CORE_SERVER_FIT_H

#include <stdbool.h>

#include "core/base/config.h"

/* Lowers memory_bytes, item_bytes_max, cores and connections_max of a valid configuration, which
 * stays valid, sets small_rings where others are too large, and raises the soft limits on
 * descriptors, as far as is needed, and on locked memory. False where there is
 * too little even for one reactor and one connection; the line has said of what. */
bool fit_to_machine(struct config *config);

#endif
