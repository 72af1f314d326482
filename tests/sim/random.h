/* random: the one source of chance in a simulation. The same seed gives the same numbers. */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t random_next(struct random *random) {
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* From 0 to bound - 1; bound is at least 1. */
static inline uint32_t random_below(struct random *random, uint64_t bound) {
    return (uint32_t)(((random_next(random) >> 32) * bound) >> 32);
}

static inline uint32_t random_between(struct random *random, uint32_t low, uint32_t high) {
    return low + random_below(random, (uint64_t)high - low + 1);
}

/* True in `parts` of 1024 cases. */
static inline bool random_chance(struct random *random, uint32_t parts) {
    return parts > 0 && random_below(random, 1024) < parts;
}

static inline bool random_one_in(struct random *random, uint32_t n) {
    return random_below(random, n) == 0;
}

/* From 1 to most, each power of two as likely as the next. */
static inline uint32_t random_size(struct random *random, uint32_t most) {
    uint32_t bits = random_below(random, 64 - (uint32_t)__builtin_clzll(most));
    uint32_t high = (uint32_t)((uint64_t)2 << bits) - 1;
    return random_between(random, 1u << bits, high < most ? high : most);
}

#endif
