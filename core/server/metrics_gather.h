/* metrics_gather: reactor 0's end of the metrics: it has a snapshot written, shard by shard.
 *
 *     thread of HTTP ── asked ────▶ reactor 0 ─▶ its own part
 *                                      │    ├──▶ of shards whose reactors are in the kernel:
 * borrows │    │    them (core/pipeline/lend.h), and wakes nobody │    └──▶ of the others: a
 * message, answered in their turn ◀── answered ─────┘
 *
 * One pair of rings with one producer and one consumer each, and an eventfd for either side to
 * sleep on. One snapshot at most is under way. Neither side ever waits for the other here.
 */
#ifndef CORE_SERVER_METRICS_GATHER_H
#define CORE_SERVER_METRICS_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/io/io.h"
#include "core/io/timer.h"
#include "core/mesh/ring.h"
#include "core/net/net.h"
#include "core/stats/snapshot.h"

#define METRICS_GATHER_SLOTS 2

struct metrics_gather {
    struct ring asked;
    struct ring answered;
    void *asked_slots[METRICS_GATHER_SLOTS];
    void *answered_slots[METRICS_GATHER_SLOTS];
    int reactor_wake; /* eventfds: each is read by the side that it names */
    int thread_wake;

    /* Reactor 0's. */
    struct completion asked_event;
    struct timer retry;
    struct snapshot *snapshot; /* that is being gathered, or NULL */
    uint32_t next;             /* the shard that is asked next */
    uint32_t outstanding;      /* messages that have not come back */
};

/* Returns 0, or -errno without a descriptor. Thread: the main one, as of the end. */
int metrics_gather_init(struct metrics_gather *gather);
void metrics_gather_finish(struct metrics_gather *gather);

/* The thread of HTTP: hands a snapshot over, which is reactor 0's until it comes back; takes it, or
 * NULL when it has not come back yet. */
void metrics_gather_ask(struct metrics_gather *gather, struct snapshot *snapshot);
struct snapshot *metrics_gather_collect(struct metrics_gather *gather);

/* Reactor 0, before its first turn. */
void metrics_gather_start(struct metrics_gather *gather, struct net *net);

#endif
