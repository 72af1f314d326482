/* histogram: how often each time occurred, within a 128th of it, in a fixed amount of memory.
 *
 *   ns      0 .. 255   256 .. 511   512 .. 1023   ...   up to 2^HISTOGRAM_BITS - 1
 *          +---------+------------+-------------+-----
 *   width  | 1 each  |   2 each   |   4 each    | 8 ...       128 buckets each, the first 256
 *          +---------+------------+-------------+-----
 *
 * Times are nanoseconds. One thread.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS 40 /* 18 minutes; what takes longer counts as that, but for the maximum */
#define HISTOGRAM_FINE_BITS 7
#define HISTOGRAM_BUCKETS ((HISTOGRAM_BITS - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS)

/* All zero: empty. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t max_ns;
};

static inline uint32_t histogram_bucket(uint64_t ns) {
    if (ns >> HISTOGRAM_BITS > 0) {
        return HISTOGRAM_BUCKETS - 1;
    }
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(ns | 1);
    uint32_t dropped = bits > HISTOGRAM_FINE_BITS + 1 ? bits - HISTOGRAM_FINE_BITS - 1 : 0;
    return (dropped << HISTOGRAM_FINE_BITS) + (uint32_t)(ns >> dropped);
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns) {
    histogram->counts[histogram_bucket(ns)]++;
    histogram->count++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

/* Adds all that the other one holds. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* The greatest time of a bucket. */
uint64_t histogram_bucket_end_ns(uint32_t bucket);

/* The time that this share (0 to 1) of all times doesn't exceed, rounded up to the end of its
 * bucket, but never above the maximum. 0 when there are none. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

/* Writes a line for each bucket that isn't empty: its end in microseconds, its count, and the share
 * of all times up to its end, between spaces. */
void histogram_write(const struct histogram *histogram, FILE *file);

#endif
