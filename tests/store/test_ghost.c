/* Ghosts alone: which keys are remembered, for how long, and in how much memory. */
#include "store/ghost.h"

#include "store_fixture.h"

#define PAGE_BYTES ((size_t)4096)

static void add(struct ghost *ghost, uint32_t i) {
    uint64_t hash = fixture_mix(i + 1);
    ghost_add(ghost, (uint32_t)hash, (uint16_t)index_tag(hash));
}

static bool take(struct ghost *ghost, uint32_t i) {
    uint64_t hash = fixture_mix(i + 1);
    return ghost_take(ghost, (uint32_t)hash, (uint16_t)index_tag(hash));
}

static void size_for(struct ghost *ghost, uint64_t tags) {
    for (uint32_t i = 0; i < 100000; i++) {
        ghost_step(ghost, tags);
    }
}

static uint32_t count_taken(struct ghost *ghost, uint32_t first, uint32_t count) {
    uint32_t taken = 0;
    for (uint32_t i = first; i < first + count; i++) {
        taken += take(ghost, i);
    }
    return taken;
}

Test(ghost, without_buckets_nothing_is_remembered) {
    struct ghost ghost;
    cr_assert(eq(int, ghost_init(&ghost, MIB, PAGE_BYTES), 0));
    add(&ghost, 1);
    cr_assert(not(take(&ghost, 1)));
    cr_assert(eq(sz, ghost.resident_bytes, 0));
    ghost_finish(&ghost);
}

Test(ghost, each_is_taken_once) {
    struct ghost ghost;
    ghost_init(&ghost, MIB, PAGE_BYTES);
    size_for(&ghost, 2000);
    for (uint32_t i = 0; i < 500; i++) {
        add(&ghost, i);
    }
    cr_assert(eq(u32, count_taken(&ghost, 0, 500), 500));
    cr_assert(le(u32, count_taken(&ghost, 0, 500), 2), "but for equal tags");
    cr_assert(le(u32, count_taken(&ghost, 1000, 10000), 50), "strangers");
    ghost_finish(&ghost);
}

/* It remembers the number of tags it was grown for, and not many more. */
Test(ghost, the_oldest_are_forgotten) {
    struct ghost ghost;
    ghost_init(&ghost, MIB, PAGE_BYTES);
    size_for(&ghost, 32000);
    for (uint32_t i = 0; i < 200000; i++) {
        add(&ghost, i);
    }
    cr_assert(ge(u32, count_taken(&ghost, 180000, 20000), 18000));
    cr_assert(le(u32, count_taken(&ghost, 100000, 20000), 1000));
    ghost_finish(&ghost);
}

/* Growing forgets nothing; memory follows the number of tags, and stays within the range. */
Test(ghost, grows_and_shrinks) {
    struct ghost ghost;
    ghost_init(&ghost, MIB, PAGE_BYTES);
    size_for(&ghost, 1000);
    for (uint32_t i = 0; i < 500; i++) {
        add(&ghost, i);
    }
    size_for(&ghost, 50000);
    cr_assert(ge(sz, ghost.resident_bytes, 100000));
    cr_assert(le(sz, ghost.resident_bytes, 100000 + 2 * PAGE_BYTES));
    cr_assert(eq(u32, count_taken(&ghost, 0, 500), 500));
    size_for(&ghost, 1 << 30);
    cr_assert(eq(sz, ghost.resident_bytes, MIB));
    for (uint32_t i = 0; i < 20000; i++) {
        add(&ghost, i);
    }
    size_for(&ghost, 0);
    cr_assert(eq(u32, ghost.count, 1));
    cr_assert(le(sz, ghost.resident_bytes, 2 * PAGE_BYTES));
    ghost_finish(&ghost);
}
