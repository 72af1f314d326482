/* fit: what the command line asks for, lowered to what this process can have of the machine:
 * memory, descriptors, addresses and threads. A server that does less is better than none; what is
 * lowered is told on stderr, a line for each of the four. Thread: the main one, before the others
 * start. */
#ifndef CORE_SERVER_FIT_H
#define CORE_SERVER_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"

/* Lowers memory_bytes, item_bytes_max, cores and connections_max of a valid configuration, which
 * stays valid, sets small_rings where others are too large, and raises the soft limits on
 * descriptors, as far as is needed, and on locked memory. False where there is
 * too little even for one reactor and one connection; the line has said of what. */
bool fit_to_machine(struct config *config);

/* The most memory in bytes that the process takes with this configuration, whatever its clients do:
 * -m, and what each reactor, each connection and each thread has beside that. The program's own
 * pages, which its file backs, are not in it, nor is what the kernel has for sockets. */
uint64_t fit_process_bytes(const struct config *config);

/* MiB, rounded up. */
static inline uint64_t fit_mib(uint64_t bytes) {
    return (bytes + ((uint64_t)1 << 20) - 1) >> 20;
}

#endif
