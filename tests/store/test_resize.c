/* A new bound on memory while the store is in use. */
#include "store/memory.h"

#include "memory_fixture.h"

#include <errno.h>

/* Calls store_maintain() until the work is done; checks that the memory in use only falls. */
static uint32_t maintain(struct store *store) {
    uint64_t memory_bytes = fixture_stats(store).memory_bytes + store_memory_slack(store);
    uint32_t slices = 1;
    for (; store_maintain(store, 1); slices++) {
        store_check_memory(store);
        cr_assert(le(u64, fixture_stats(store).memory_bytes, memory_bytes));
        cr_assert(lt(u32, slices, 1000000), "no end");
    }
    store_check(store);
    struct store_stats stats = fixture_stats(store);
    cr_assert(le(u64, stats.memory_bytes, stats.memory_bytes_max));
    return slices;
}

Test(resize, bounds) {
    struct store *store = fixture_store_up_to(2 * MIB, 4 * MIB);
    cr_assert(eq(int, store_resize(store, MIB - 1), -EINVAL));
    cr_assert(eq(int, store_resize(store, 4 * MIB + 1), -EINVAL));
    cr_assert(eq(u64, fixture_stats(store).memory_bytes_max, 2 * MIB));
    cr_assert(eq(int, store_resize(store, 4 * MIB), 0));
    cr_assert(eq(int, store_resize(store, MIB), 0));
    cr_assert(eq(u64, fixture_stats(store).memory_bytes_max, MIB));
    store_destroy(store);
}

/* The pages are given back to the system; the newest items stay. */
Test(resize, down) {
    struct store *store = fixture_store(64 * MIB);
    size_t before = resident_bytes();
    fill(store, 300000, 100);
    cr_assert(lt(sz, before + 40 * MIB, resident_bytes()));
    cr_assert(eq(int, store_resize(store, 16 * MIB), 0));
    cr_assert(lt(u32, 100, maintain(store)), "in slices");
    cr_assert(lt(sz, resident_bytes(), before + 17 * MIB + SANITIZER_BYTES));
    struct store_stats stats = fixture_stats(store);
    cr_assert(lt(u64, 14 * MIB, stats.memory_bytes), "and no more than need be");
    cr_assert(eq(u64, stats.items + stats.evictions, 300000));
    cr_assert(eq(u64, stats.evicted_unfetched, stats.evictions));
    cr_assert(fixture_has(store, "key-299999", 1));
    cr_assert(not(fixture_has(store, "key-0", 1)));
    fill(store, 300000, 100);
    store_check(store);
    cr_assert(lt(sz, resident_bytes(), before + 17 * MIB + SANITIZER_BYTES));
    store_destroy(store);
}

Test(resize, up) {
    struct store *store = fixture_store_up_to(4 * MIB, (size_t)1 << 40);
    fill(store, 100000, 100);
    uint64_t items = fixture_stats(store).items;
    cr_assert(lt(u64, items, 30000));
    cr_assert(eq(int, store_resize(store, 32 * MIB), 0));
    cr_assert(not(store_maintain(store, 1)));
    fill(store, 100000, 100);
    cr_assert(eq(u64, fixture_stats(store).items, 100000));
    store_check(store);
    store_destroy(store);
}

/* Without store_maintain() writes evict for themselves. */
Test(resize, writes_before_it_is_done) {
    struct store *store = fixture_store(32 * MIB);
    fill(store, 150000, 100);
    uint64_t memory_bytes = fixture_stats(store).memory_bytes;
    cr_assert(eq(int, store_resize(store, 4 * MIB), 0));
    for (int i = 0; i < 10; i++) {
        fill(store, 2000, 3000);
        cr_assert(
            le(u64, fixture_stats(store).memory_bytes, memory_bytes + store_memory_slack(store)));
        store_maintain(store, 1);
        store_check(store);
    }
    maintain(store);
    fill(store, 2000, 3000);
    cr_assert(eq(int, store_resize(store, 32 * MIB), 0));
    cr_assert(not(store_maintain(store, 1)), "growing is done at once");
    cr_assert(eq(u64, fixture_stats(store).out_of_memory, 0));
    store_check(store);
    store_destroy(store);
}

/* Another bound while memory is still being freed for the last one. */
Test(resize, up_before_down_is_done) {
    struct store *store = fixture_store(32 * MIB);
    fill(store, 150000, 100);
    store_resize(store, 4 * MIB);
    for (int i = 0; i < 100; i++) {
        store_maintain(store, 1);
    }
    uint64_t items = fixture_stats(store).items;
    cr_assert(eq(int, store_resize(store, 30 * MIB), 0));
    cr_assert(not(store_maintain(store, 1)));
    cr_assert(eq(u64, fixture_stats(store).items, items));
    store_check(store);
    store_destroy(store);
}

/* The lowest bound is the largest item, eight segments and the bookkeeping. Under it the smallest
 * items, whose index is large, and the largest item are still stored. */
Test(resize, as_low_as_it_goes) {
    struct store *store = fixture_store(64 * MIB);
    uint32_t max = store_value_length_max(store, 1);
    fill(store, 500000, 1);
    cr_assert(eq(int, store_resize(store, MIB), 0));
    maintain(store);
    struct store_stats stats = fixture_stats(store);
    cr_assert(ge(u64, stats.memory_bytes_max, 8 * stats.segment_bytes + MIB));
    cr_assert(le(u64, stats.memory_bytes_max, 9 * stats.segment_bytes + MIB));
    fill(store, 200000, 1);
    cr_assert(lt(u64, 20000, fixture_stats(store).items));
    for (int i = 0; i < 10; i++) {
        cr_assert(eq(int, fixture_set_bytes(store, "a", max, 0, 1), STORE_OK));
        cr_assert(fixture_has(store, "a", 1));
    }
    fill(store, 200000, 1);
    store_check(store);
    cr_assert(eq(u64, fixture_stats(store).out_of_memory, 0));
    store_destroy(store);
}

/* The same where the index is in huge pages, of which it keeps one that is not used. */
Test(resize, as_low_as_it_goes_with_huge_pages) {
    size_t before = resident_bytes();
    struct store *store = fixture_store(512 * MIB);
    uint32_t max = store_value_length_max(store, 1);
    fill(store, 800000, 1);
    cr_assert(eq(int, store_resize(store, MIB), 0));
    maintain(store);
    cr_assert(le(u64, fixture_stats(store).memory_bytes_max, 24 * MIB));
    cr_assert(lt(sz, resident_bytes(),
                 before + fixture_stats(store).memory_bytes + MIB + 2 * SANITIZER_BYTES));
    fill(store, 800000, 1);
    cr_assert(lt(u64, 20000, fixture_stats(store).items));
    for (int i = 0; i < 10; i++) {
        cr_assert(eq(int, fixture_set_bytes(store, "a", max, 0, 1), STORE_OK));
        cr_assert(fixture_has(store, "a", 1));
    }
    store_check(store);
    cr_assert(eq(u64, fixture_stats(store).out_of_memory, 0));
    store_destroy(store);
}

/* Reserving more address space than the machine has memory costs nothing. */
Test(resize, room_to_grow_is_free) {
    size_t before = resident_bytes();
    struct store *store = fixture_store_up_to(MIB, (size_t)4 << 40);
    fill(store, 10, 1000);
    cr_assert(lt(sz, resident_bytes(), before + MIB));
    cr_assert(lt(u64, fixture_stats(store).memory_bytes, MIB / 4));
    store_destroy(store);
}

/* Flushed segments are emptied first, and their items do not count as evicted. */
Test(resize, after_a_flush) {
    struct store *store = fixture_store(16 * MIB);
    fill(store, 50000, 100);
    store_flush(store, 1, 1);
    store_resize(store, 4 * MIB);
    maintain(store);
    cr_assert(eq(u64, fixture_stats(store).evictions, 0));
    store_destroy(store);
}

/* A leased value lies in every segment above the bound: nothing can be done until the lease ends.
 */
Test(resize, down_while_pinned) {
    struct store *store = fixture_store(16 * MIB);
    uint64_t leased[16];
    uint32_t leases = 0;
    for (uint32_t i = 0; i < 16; i++) {
        char name[32];
        struct store_item item;
        snprintf(name, sizeof(name), "large-%u", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, MIB / 2, 0, 1), STORE_OK));
        cr_assert(eq(int, fixture_get(store, name, 1, &item), STORE_OK));
        if (store_lease(store, item.large)) {
            leased[leases++] = item.large;
        }
    }
    cr_assert(lt(u32, 6, leases));
    cr_assert(eq(int, store_resize(store, 2 * MIB), 0));
    for (uint32_t i = 0; store_maintain(store, 1); i++) {
        cr_assert(lt(u32, i, 100000), "no end");
    }
    cr_assert(not(store_maintain(store, 1)));
    cr_assert(lt(u64, fixture_stats(store).memory_bytes_max, fixture_stats(store).memory_bytes));
    while (leases > 0) {
        store_lease_end(store, leased[--leases]);
    }
    maintain(store);
    store_destroy(store);
}
