/* index: finds items by hash. Private to the store.
 *
 * Linear hashing over buckets of one cache line, in a reserved range of addresses: it grows and
 * shrinks by one bucket at a time. What does not fit in a bucket goes to overflow buckets, a second
 * range that is kept dense (the last one moves into a hole), so that both ranges can shrink.
 *
 *   bucket, 64 bytes:  | slot 0 | slot 1 | ... | slot 6 | next 4 | filter or previous 4 |
 *   slot, 64 bits:     | tag 16 | frequency 2 | location 46 |     0: empty
 *
 * Within a bucket the slots fill from 0. In a chain only the first overflow bucket may have empty
 * slots: inserting and removing cost the same however long the chain. The filter of a primary
 * bucket has bit (tag % 32) set for each tag in its overflow chain (and perhaps for some that have
 * left), so that a miss seldom reads the chain.
 *
 * Load: 5 to 5.5 entries per primary bucket of 7 slots. Averaged over a doubling that makes about
 * 14 to 15 bytes per entry with overflow buckets, and one hit in ten reads a third cache line.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "store/item.h"
#include "store/store.h"

#define INDEX_SLOTS 7
#define INDEX_TAG_SHIFT 48
#define INDEX_LOCATION_BITS 46
#define INDEX_LOCATION_MASK (((uint64_t)1 << INDEX_LOCATION_BITS) - 1)
#define INDEX_FREQUENCY_SHIFT INDEX_LOCATION_BITS
#define INDEX_FREQUENCY_MASK ((uint64_t)3 << INDEX_FREQUENCY_SHIFT)
#define INDEX_FREQUENCY_MAX 2u
#define INDEX_PRIMARIES_MIN 64u

/* Bytes of memory from which on the index grows in huge pages. The part of the last pages that is
 * not used yet, and the memory that operations leave for its growth, are at most 2 % of such a
 * store. */
#define INDEX_HUGE_FROM ((size_t)512 << 20)

/* The most pages that one operation adds to the index, one to each range: an insertion and a step
 * take at most one primary and three overflow buckets. */
#define INDEX_PAGES_PER_OPERATION 2

struct index_bucket {
    uint64_t slots[INDEX_SLOTS];
    uint32_t next; /* an overflow bucket's number + 1, or 0 */
    union {
        uint32_t filter;   /* in a primary bucket */
        uint32_t previous; /* in an overflow bucket: the name (index.c) of the one before */
    };
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct index_bucket) == 64, "one cache line");

/* Buckets in a range of addresses, and how much of it counts as resident. */
struct index_range {
    struct index_bucket *buckets;
    uint32_t count;
    size_t resident_bytes;
};

struct index {
    struct index_range primary;
    struct index_range overflow;
    uint32_t mask; /* the smallest 2^n - 1 that reaches the last primary bucket */
    uint64_t entries;
    const char *items; /* the address of location 0: items are read for their keys */
    store_hash *hash;
    uint64_t seed;
    size_t page_bytes; /* of huge pages, if it uses them */
    size_t range_bytes;
    struct index_bucket anchor; /* holds the chain that is being split */
};

/* The place of an entry; valid until the next insertion, removal or step. */
struct index_ref {
    struct index_bucket *primary; /* NULL: there is no such entry */
    struct index_bucket *bucket;
    uint32_t slot;
};

/* Takes hash function and seed from config, and reserves config.memory_bytes_max bytes of addresses
 * for either range. Returns 0 or -ENOMEM; after a failure there is nothing to finish. */
int index_init(struct index *index, const struct store_config *config, const char *items,
               size_t page_bytes);
void index_finish(struct index *index);

/* Adds an entry for location, which must not have one. May take INDEX_PAGES_PER_OPERATION pages:
 * the caller has made sure that the memory bound allows them. */
void index_insert(struct index *index, uint64_t hash, uint64_t location);
void index_remove(struct index *index, struct index_ref ref);

/* Gives an index without entries as many buckets as this number of them needs. */
void index_presize(struct index *index, uint64_t entries);

/* Whether an entry for this hash can be added without taking a page. */
bool index_has_space(const struct index *index, uint64_t hash);

/* Finds the entry of an item by its hash and location; ref.primary is NULL when there is none. */
struct index_ref index_find_location(const struct index *index, uint32_t hash, uint64_t location);

/* Prefetches the items of a bucket, whose headers and keys are about to be read: the cache misses
 * overlap instead of following each other. */
void index_prefetch_items(const struct index *index, const struct index_bucket *primary);

/* Whether index_step() would split a bucket. */
bool index_is_dense(const struct index *index);

/* Brings the number of buckets nearer to the number of entries, by one split or one merge. */
void index_step(struct index *index);

static inline size_t index_resident_bytes(const struct index *index) {
    return index->primary.resident_bytes + index->overflow.resident_bytes;
}

/* The hash of an item's key. For an extent: bits 0 to 47 of its head's hash, all that the index
 * uses. */
static inline uint64_t index_hash(const struct index *index, struct item *item) {
    if (item_is_extent(item)) {
        return item_head_hash(item);
    }
    return index->hash(item_key(item), item->key_length, index->seed);
}

/* Bits 32 to 47 of the hash; 1 instead of 0, which marks an empty slot. */
static inline uint64_t index_tag(uint64_t hash) {
    uint64_t tag = (hash >> 32) & 0xffff;
    return tag + (tag == 0);
}

/* The number of the primary bucket for a hash (Litwin, "Linear hashing", VLDB 1980). */
static inline uint32_t index_number(const struct index *index, uint32_t hash) {
    uint32_t number = hash & index->mask;
    return number < index->primary.count ? number : number & (index->mask >> 1);
}

static inline struct index_bucket *index_primary(const struct index *index, uint32_t hash) {
    return &index->primary.buckets[index_number(index, hash)];
}

/* The next bucket of a chain, or NULL. */
static inline struct index_bucket *index_next(const struct index *index,
                                              const struct index_bucket *bucket) {
    return bucket->next == 0 ? NULL : &index->overflow.buckets[bucket->next - 1];
}

/* A bit for each slot with this tag. */
static inline uint32_t index_match(const struct index_bucket *bucket, uint64_t tag) {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < INDEX_SLOTS; i++) {
        mask |= (uint32_t)((bucket->slots[i] >> INDEX_TAG_SHIFT) == tag) << i;
    }
    return mask;
}

static inline uint32_t index_filter_bit(uint64_t tag) {
    return (uint32_t)1 << (tag % 32);
}

static inline uint64_t index_location(uint64_t slot) {
    return slot & INDEX_LOCATION_MASK;
}

/* The entry now names another location. */
static inline void index_move(struct index_ref ref, uint64_t location) {
    uint64_t *slot = &ref.bucket->slots[ref.slot];
    *slot = (*slot & ~INDEX_LOCATION_MASK) | location;
}

/* The hits of an entry since its frequency was set, counted up to INDEX_FREQUENCY_MAX. */
static inline uint32_t index_frequency(struct index_ref ref) {
    return (uint32_t)((ref.bucket->slots[ref.slot] & INDEX_FREQUENCY_MASK) >>
                      INDEX_FREQUENCY_SHIFT);
}

/* Writes only what changes: the cache line of a hot entry stays clean. */
static inline void index_hit(struct index_ref ref) {
    if (index_frequency(ref) < INDEX_FREQUENCY_MAX) {
        ref.bucket->slots[ref.slot] += (uint64_t)1 << INDEX_FREQUENCY_SHIFT;
    }
}

static inline void index_set_frequency(struct index_ref ref, uint32_t frequency) {
    uint64_t *slot = &ref.bucket->slots[ref.slot];
    *slot = (*slot & ~INDEX_FREQUENCY_MASK) | (uint64_t)frequency << INDEX_FREQUENCY_SHIFT;
}

#endif
