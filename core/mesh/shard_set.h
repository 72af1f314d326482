/* shard_set: a set of shards, by their numbers. */
#ifndef CORE_MESH_SHARD_SET_H
#define CORE_MESH_SHARD_SET_H

#include <stdbool.h>
#include <stdint.h>

/* Of a server. */
#define SHARD_SET_MAX 256

/* The number of no shard. */
#define SHARD_NONE UINT32_MAX

/* All zeros: empty. */
struct shard_set {
    uint32_t count;
    uint64_t bits[SHARD_SET_MAX / 64];
};

static inline bool shard_set_has(const struct shard_set *set, uint32_t shard) {
    return set->count > 0 && (set->bits[shard / 64] >> (shard % 64) & 1);
}

/* Nothing changes when it is in the set. */
static inline void shard_set_add(struct shard_set *set, uint32_t shard) {
    set->count += !shard_set_has(set, shard);
    set->bits[shard / 64] |= (uint64_t)1 << (shard % 64);
}

/* It is in the set. */
static inline void shard_set_remove(struct shard_set *set, uint32_t shard) {
    set->count--;
    set->bits[shard / 64] &= ~((uint64_t)1 << (shard % 64));
}

/* Takes the one with the lowest number out; SHARD_NONE when it is empty. */
static inline uint32_t shard_set_take(struct shard_set *set) {
    for (uint32_t word = 0; set->count > 0; word++) {
        if (set->bits[word]) {
            uint32_t shard = word * 64 + (uint32_t)__builtin_ctzll(set->bits[word]);
            shard_set_remove(set, shard);
            return shard;
        }
    }
    return SHARD_NONE;
}

#endif
