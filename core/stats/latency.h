/* latency: how long commands take, and turns, as a histogram for each kind.
 *
 * The time of a command runs from the turn whose completions brought the last byte of its request
 * to the end of the turn that hands the send with its reply to the kernel: see
 * core/pipeline/timing.h. The clock is read at the ends of a turn, so all that begins and ends in
 * one turn takes the same time, and is added at once.
 *
 * Buckets are logarithmic, 8 to each power of two from 256 ns to 17 s; one more takes what is
 * below, and one what is above. What is told of a bucket is its middle, which is off by at most
 * 1/16 of the time.
 *
 * A histogram is plain numbers with one writer, the reactor. It reaches another one as a copy, in a
 * message; the copies of all reactors are merged where it was asked for.
 */
#ifndef CORE_STATS_LATENCY_H
#define CORE_STATS_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

enum latency_kind {
    LATENCY_GET,        /* get, gets, mg, me: a line of keys is one command, as is a binary get */
    LATENCY_SET,        /* set, add, replace, append, prepend, cas, ms */
    LATENCY_TOUCH,      /* touch, gat, gats */
    LATENCY_DELETE,     /* delete, md */
    LATENCY_ARITHMETIC, /* incr, decr, ma */
    LATENCY_OTHER,      /* whatever else is answered, errors too */
    LATENCY_TURN,       /* no command: a turn of the reactor without its time in the kernel */
};

#define LATENCY_COMMANDS LATENCY_TURN /* the kinds of commands come first */
#define LATENCY_KINDS (LATENCY_TURN + 1)

/* Eight fit a cache line. */
#define LATENCY_ROW 8

/* The octaves from 2^8 to 2^33 ns, each of 8, one bucket below and one above. */
#define LATENCY_BUCKETS (26 * 8 + 2)

/* Kinds lie side by side, since a turn adds to several of them in one bucket. 13,504 bytes. */
struct latency {
    uint64_t counts[LATENCY_BUCKETS][LATENCY_ROW];
    uint64_t max_ns[LATENCY_ROW]; /* the longest time, exactly */
};

/* The bucket of a time. */
static inline uint32_t latency_bucket(uint64_t ns) {
    const uint64_t least = 255; /* in the octave below the first */
    uint64_t raised = ns < least ? least : ns;
    uint32_t exponent = 63 ^ (uint32_t)__builtin_clzll(raised);
    uint32_t bucket = (uint32_t)(raised >> (exponent - 3)) + 8 * exponent - 71;
    return __builtin_expect(bucket < LATENCY_BUCKETS, true) ? bucket : LATENCY_BUCKETS - 1;
}

/* The least time of a bucket, in nanoseconds; that of LATENCY_BUCKETS is the end of the last but
 * one. */
uint64_t latency_bucket_begin_ns(uint32_t bucket);

/* What is told of the times in a bucket: its middle. */
uint64_t latency_bucket_ns(uint32_t bucket);

/* Adds n times of `ns`, of which latency_bucket() is `bucket`. */
static inline void latency_add(struct latency *latency, enum latency_kind kind, uint32_t bucket,
                               uint64_t ns, uint64_t n) {
    uint64_t *count = &latency->counts[bucket][kind];
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
    if (ns > latency->max_ns[kind]) {
        __atomic_store_n(&latency->max_ns[kind], ns, __ATOMIC_RELAXED);
    }
}

/* A copy of one that its reactor may be adding to at this moment: any thread. Each number is one
 * that was there, but they needn't be of the same moment. The loads are relaxed, as the stores of
 * latency_add() are: nothing else depends on them. */
void latency_peek(struct latency *copy, const struct latency *latency);

/* sum += part. */
void latency_merge(struct latency *sum, const struct latency *part);

/* `stats reset`: forgets all. */
void latency_reset(struct latency *latency);

/* How many times there are of a kind. */
uint64_t latency_count(const struct latency *latency, enum latency_kind kind);

/* All times of a kind together, in nanoseconds, from the middles of their buckets. */
uint64_t latency_sum_ns(const struct latency *latency, enum latency_kind kind);

/* The time within which so many of 10,000 ended, in nanoseconds, off by at most 1/16; 0 without
 * any.
 */
uint64_t latency_percentile_ns(const struct latency *latency, enum latency_kind kind,
                               uint32_t of_10000);

/* How many times of a kind are at most `ns`, where those of the bucket that this divides are taken
 * to be spread evenly over it. It grows with `ns`, and with every time that is added. */
uint64_t latency_below(const struct latency *latency, enum latency_kind kind, uint64_t ns);

/* The bounds in which Prometheus gets histograms, in nanoseconds: 1, 2, 5 and so on, from 1 µs to
 * 10 s. */
#define LATENCY_BOUNDS 22
extern const uint64_t latency_bounds_ns[LATENCY_BOUNDS];

/* "get", "set", "touch", "delete", "arithmetic", "other", "turn". */
const char *latency_kind_name(enum latency_kind kind);

#endif
