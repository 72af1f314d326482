/* Seeded random streams of commands, whose replies don't depend on the number of shards. */
#ifndef TESTS_CORE_SCRIPT_H
#define TESTS_CORE_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

struct script {
    char *bytes; /* malloc'd */
    size_t length;
};

/* A small generator of its own, so that a seed means the same everywhere. */
uint32_t random_next(uint64_t *state);
uint32_t random_below(uint64_t *state, uint32_t bound);

struct script script_text(uint64_t seed, uint32_t commands);
struct script script_binary(uint64_t seed, uint32_t commands);
struct script script_meta(uint64_t seed, uint32_t commands);

/* Words with a $ for the key, and <N> for a value of N bytes of which each tells its place. Takes
 * no more memory than that: what is allocated is filled by meson's MALLOC_PERTURB_. */
struct script script_expand(const char *words, const char *key);

#endif
