/* sampler: which of many events are looked at more closely: one of so many on average. Of the
 * numbers between two each from 1 to twice as many, less one, is as likely, so that a rhythm in the
 * events can't hide some of them.
 *
 * Thread: that of whoever has what it counts for.
 */
#ifndef CORE_STATS_SAMPLER_H
#define CORE_STATS_SAMPLER_H

#include <stdint.h>

/* How many events on the next sample is, where one of `average` is one. *random is the state of
 * what chooses, not 0: xorshift64 (Marsaglia: "Xorshift RNGs", 2003). */
static inline uint32_t sampler_next(uint64_t *random, uint32_t average) {
    uint64_t state = *random;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    *random = state;
    return 1 + (uint32_t)(((state >> 32) * (2 * (uint64_t)average - 1)) >> 32);
}

#endif
