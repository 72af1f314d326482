/* ghost: the tags of keys whose items were evicted unread, so that a key that comes back soon is
 * recognized (the ghost queue of S3-FIFO; Yang et al., SOSP 2023). Private to the store.
 *
 * Buckets of one cache line, each a queue of 32 tags from the youngest to the oldest; linear
 * hashing as in index.h, a bucket at a time, in a reserved range of addresses. A tag has 16 bits:
 * about one new key in 2,000 is mistaken for one that was evicted.
 */
#ifndef STORE_GHOST_H
#define STORE_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GHOST_TAGS 32u
#define GHOST_BUCKETS_MAX ((uint32_t)1 << 30)

struct ghost_bucket {
    uint16_t tags[GHOST_TAGS]; /* 0: none */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct ghost_bucket) == 64, "one cache line");

struct ghost {
    struct ghost_bucket *buckets;
    uint32_t count;
    uint32_t mask; /* the smallest 2^n - 1 that reaches the last bucket */
    size_t page_bytes;
    size_t range_bytes;
    size_t resident_bytes;
};

/* Reserves range_bytes of addresses. Returns 0 or -ENOMEM; after a failure there is nothing to
 * finish. It remembers nothing before the first ghost_step(). */
int ghost_init(struct ghost *ghost, size_t range_bytes, size_t page_bytes);
void ghost_finish(struct ghost *ghost);

/* Brings the number of buckets nearer to what this number of tags needs, by one bucket. Makes at
 * most one more page resident. */
void ghost_step(struct ghost *ghost, uint64_t tags);

/* Adds a key, by bits 0 to 31 of its hash and its tag (index_tag()); the oldest of its bucket is
 * forgotten. */
void ghost_add(struct ghost *ghost, uint32_t hash, uint16_t tag);
/* Whether the key is there; if so it is removed. */
bool ghost_take(struct ghost *ghost, uint32_t hash, uint16_t tag);

static inline struct ghost_bucket *ghost_bucket(const struct ghost *ghost, uint32_t hash) {
    uint32_t number = hash & ghost->mask;
    return &ghost->buckets[number < ghost->count ? number : number & (ghost->mask >> 1)];
}

#endif
