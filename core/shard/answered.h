/* answered: what a reactor has answered in a turn, until the turn's end tells how long it took.
 *
 * The clock is read at the beginning of a turn, where what has been received is taken, and at its
 * end, before the engine is entered and sends what the turn has to send. All commands that came in
 * this turn and are answered in it take the time between: they are counted by kind, and added to
 * the histograms with one bucket. Those that came in an earlier turn are kept with the time at
 * which they came.
 *
 * Thread: the reactor that owns the shard.
 */
#ifndef CORE_SHARD_ANSWERED_H
#define CORE_SHARD_ANSWERED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/stats/latency.h"

/* Commands of one kind that came at the same time, and are answered. */
struct answered_group {
    uint64_t arrived_ns;
    uint32_t kind; /* enum latency_kind */
    uint32_t count;
};

/* Groups of earlier turns; when there are more they are added in the middle of a turn. */
#define ANSWERED_EARLIER_MAX 64

/* How many commands of each kind. */
struct answered_counts {
    union {
        uint32_t of[LATENCY_ROW];
        uint64_t pairs[LATENCY_ROW / 2]; /* the same, to look at two kinds at once */
    };
};

static inline bool answered_any(const struct answered_counts *counts) {
    return (counts->pairs[0] | counts->pairs[1] | counts->pairs[2]) != 0;
}

/* Adds the counts to others, and makes them 0. */
static inline void answered_move(struct answered_counts *to, struct answered_counts *from) {
    const struct answered_counts moved = *from;
    *from = (struct answered_counts){0};
    for (uint32_t kind = 0; kind < LATENCY_ROW; kind++) {
        to->of[kind] += moved.of[kind];
    }
}

struct answered {
    struct answered_counts now; /* of what came in this turn */
    uint32_t earlier_count;
    struct answered_group earlier[ANSWERED_EARLIER_MAX];
};

/* Adds a group of an earlier turn to those that are answered in this one. False when there are too
 * many of them: answered_add_earlier() makes room. */
static inline bool answered_note(struct answered *answered, uint64_t arrived_ns, uint32_t kind,
                                 uint32_t count) {
    if (answered->earlier_count == ANSWERED_EARLIER_MAX) {
        return false;
    }
    answered->earlier[answered->earlier_count++] = (struct answered_group){arrived_ns, kind, count};
    return true;
}

/* Adds the groups of earlier turns, which are answered at this time, to the histograms. */
void answered_add_earlier(struct answered *answered, struct latency *latency, uint64_t now_ns);

/* Adds what came in a turn of this length, for two kinds. */
static inline void answered_add_pair(struct answered *answered, struct latency *latency,
                                     uint32_t first, uint32_t bucket, uint64_t ns) {
    if (answered->now.pairs[first / 2] == 0) {
        return;
    }
    for (uint32_t kind = first; kind < first + 2; kind++) {
        if (answered->now.of[kind] > 0) {
            latency_add(latency, (enum latency_kind)kind, bucket, ns, answered->now.of[kind]);
        }
    }
    answered->now.pairs[first / 2] = 0;
}

/* The end of a turn that began at this time: adds it, and what it has answered. */
static inline void answered_end_turn(struct answered *answered, struct latency *latency,
                                     uint64_t began_ns, uint64_t now_ns) {
    uint64_t ns = now_ns - began_ns;
    uint32_t bucket = latency_bucket(ns);
    latency_add(latency, LATENCY_TURN, bucket, ns, 1);
    for (uint32_t first = 0; first < LATENCY_COMMANDS; first += 2) {
        answered_add_pair(answered, latency, first, bucket, ns);
    }
    if (answered->earlier_count > 0) {
        answered_add_earlier(answered, latency, now_ns);
    }
}

#endif
