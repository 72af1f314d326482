/* canned_uring: what the server calls of liburing and of the system, answered from memory, for
 * bench/turns. As a library that is loaded before all others (LD_PRELOAD) it makes any build of the
 * server meet the same clients, random numbers and times in each run: only the server's own
 * instructions, and libc's for it, are worth counting.
 *
 * The environment says what happens: CANNED_KIND and CANNED_IN_FLIGHT as in canned_requests.h,
 * CANNED_CONNECTIONS, CANNED_REQUESTS (to be sent by all together), CANNED_CORES (the server's).
 * When all clients have ended, the server receives SIGTERM.
 *
 * Reactors take their turns one after the other. Each thread's first turn is its own, before there
 * are clients.
 */
#ifndef BENCH_CANNED_URING_H
#define BENCH_CANNED_URING_H

#include <stdatomic.h>

#include "bench/canned_clients.h"

#define CANNED_RINGS_MAX 4

/* A request of the server's that waits for what comes later. */
struct canned_waiting {
    struct canned_ring *ring; /* NULL: there is none */
    uint64_t user_data;
};

struct canned_uring {
    int cores;
    atomic_int rings_count;
    atomic_int turn_of; /* the number of the ring whose reactor may go on */
    atomic_bool is_stopping;
    atomic_int_fast64_t clock_ns;
    int signal_descriptor; /* -1 before there is one */
    bool is_signal_pending;
    struct canned_waiting accept;
    struct canned_waiting signal;
    struct canned_ring rings[CANNED_RINGS_MAX];
    struct canned_clients clients;
};

#endif
