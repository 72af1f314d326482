/* Seeded random numbers, so that a failure can be played again. */
#ifndef TESTS_PROTO_RANDOM_H
#define TESTS_PROTO_RANDOM_H

#include <stdint.h>

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t random_next(uint64_t *state);

/* Below the limit. */
uint64_t random_below(uint64_t *state, uint64_t limit);

#endif
