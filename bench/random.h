/* random: a sequence of 64-bit numbers that follows from its seed (splitmix64). */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdint.h>

/* Spreads what differs in a few bits over all of them. */
static inline uint64_t random_mixed(uint64_t bits) {
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return bits ^ bits >> 31;
}

static inline uint64_t random_next(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    return random_mixed(*state);
}

/* 0 to count - 1, for a count below 2^32. */
static inline uint64_t random_below(uint64_t *state, uint64_t count) {
    return (random_next(state) >> 32) * count >> 32;
}

/* 0 to below 1. */
static inline double random_fraction(uint64_t *state) {
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

/* The first of count running sums that is above a random part of the last one: a choice by weights.
 */
static inline uint32_t random_by_sums(uint64_t *state, const double *sums, uint32_t count) {
    double wanted = random_fraction(state) * sums[count - 1];
    uint32_t low = 0, high = count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sums[middle] <= wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#endif
