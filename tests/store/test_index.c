/* The index alone, over items that consist of a key, which is its own hash. */
#include "store_fixture.h"

#include <unistd.h>

#define ITEMS 20000u
#define ITEM_BYTES (sizeof(struct item) + sizeof(uint64_t))

struct fixture {
    struct index index;
    char *items; /* location 0 is never used */
};

static uint64_t location_of(uint32_t i) {
    return (i + 1) * ITEM_BYTES / ITEM_ALIGN;
}

static struct item *item_at(struct fixture *fixture, uint32_t i) {
    return (struct item *)(void *)(fixture->items + location_of(i) * ITEM_ALIGN);
}

static uint64_t key_itself(const char *key, uint32_t length, uint64_t seed) {
    uint64_t hash;
    assert(length == sizeof(hash));
    memcpy(&hash, key, sizeof(hash));
    return hash ^ seed;
}

static void fixture_init(struct fixture *fixture) {
    struct store_config config = {.hash = key_itself, .seed = 1, .memory_bytes_max = 16 * MIB};
    fixture->items = calloc(ITEMS + 2, ITEM_BYTES);
    int error = index_init(&fixture->index, &config, fixture->items, (size_t)sysconf(_SC_PAGESIZE));
    cr_assert(eq(int, error, 0));
}

static void fixture_finish(struct fixture *fixture) {
    index_finish(&fixture->index);
    free(fixture->items);
}

static void add(struct fixture *fixture, uint32_t i, uint64_t hash) {
    struct item *item = item_at(fixture, i);
    uint64_t key = hash ^ fixture->index.seed;
    item->key_length = sizeof(key);
    memcpy(item_key(item), &key, sizeof(key));
    index_insert(&fixture->index, hash, location_of(i));
    index_step(&fixture->index);
}

static struct index_ref find(struct fixture *fixture, uint32_t i) {
    uint64_t hash = index_hash(&fixture->index, item_at(fixture, i));
    return index_find_location(&fixture->index, (uint32_t)hash, location_of(i));
}

static bool has(struct fixture *fixture, uint32_t i) {
    return find(fixture, i).primary;
}

static void take(struct fixture *fixture, uint32_t i) {
    index_remove(&fixture->index, find(fixture, i));
    index_step(&fixture->index);
}

Test(index, grows_and_shrinks_by_a_bucket_at_a_time) {
    struct fixture f;
    fixture_init(&f);
    size_t bytes_empty = index_resident_bytes(&f.index);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t before = f.index.primary.count;
        add(&f, i, fixture_mix(i));
        cr_assert(f.index.primary.count - before <= 1);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        cr_assert(has(&f, i));
    }
    cr_assert(ge(u64, f.index.primary.count * 11u, ITEMS * 2u));
    cr_assert(lt(u64, index_resident_bytes(&f.index), ITEMS * 16u));
    for (uint32_t i = 0; i < ITEMS; i++) {
        take(&f, i);
        cr_assert(not(has(&f, i)));
        cr_assert(i + 1 == ITEMS || has(&f, ITEMS - 1));
    }
    cr_assert(eq(u64, f.index.entries, 0));
    cr_assert(eq(u32, f.index.overflow.count, 0));
    cr_assert(eq(u32, f.index.primary.count, INDEX_PRIMARIES_MIN));
    cr_assert(le(u64, index_resident_bytes(&f.index), bytes_empty + 3 * f.index.page_bytes));
    fixture_finish(&f);
}

Test(index, one_chain_for_equal_hashes) {
    struct fixture f;
    fixture_init(&f);
    for (uint32_t i = 0; i < 2000; i++) {
        add(&f, i, 7);
    }
    cr_assert(ge(u32, f.index.overflow.count, (2000 - INDEX_SLOTS) / INDEX_SLOTS));
    for (uint32_t i = 0; i < 2000; i += 2) {
        take(&f, i);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        cr_assert(has(&f, i) == (i % 2 == 1));
    }
    for (uint32_t i = 1; i < 2000; i += 2) {
        take(&f, i);
    }
    cr_assert(eq(u32, f.index.overflow.count, 0));
    fixture_finish(&f);
}

/* Two chains share the range of overflow buckets: a hole in one moves a bucket of the other. */
Test(index, overflow_buckets_stay_dense) {
    struct fixture f;
    fixture_init(&f);
    for (uint32_t i = 0; i < 600; i++) {
        add(&f, i, i % 3);
    }
    for (uint32_t i = 0; i < 600; i += 3) {
        take(&f, i);
    }
    uint32_t buckets = 2 * ((200 - INDEX_SLOTS + INDEX_SLOTS - 1) / INDEX_SLOTS);
    cr_assert(eq(u32, f.index.overflow.count, buckets));
    for (uint32_t i = 0; i < 600; i++) {
        cr_assert(has(&f, i) == (i % 3 != 0));
    }
    fixture_finish(&f);
}

Test(index, a_tag_is_never_zero) {
    cr_assert(eq(u64, index_tag(0), 1));
    cr_assert(eq(u64, index_tag((uint64_t)0xabcd << 32), 0xabcd));
    struct index_bucket bucket = {0};
    cr_assert(eq(u32, index_match(&bucket, index_tag(0)), 0));
    bucket.slots[2] = bucket.slots[5] = index_tag(0) << INDEX_TAG_SHIFT | 1;
    cr_assert(eq(u32, index_match(&bucket, index_tag(0)), 1 << 2 | 1 << 5));
}
