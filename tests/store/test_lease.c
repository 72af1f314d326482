/* Leases: a leased value stays readable, within bounds. */
#include "large_fixture.h"

/* A leased value stays unchanged, whatever becomes of its key. */
Test(lease, leases_outlive_everything) {
    struct store *store = fixture_store(2 * MIB);
    static const char *const names[] = {"deleted", "small",   "again",
                                        "joined",  "touched", "evicted"};
    struct store_item item;
    uint64_t leases[6];
    for (int i = 0; i < 6; i++) {
        large_send(store, names[i], STORE_SET, large_pattern() + i, 60000 + (uint32_t)i);
        leases[i] = large_lease(store, names[i]);
        cr_assert(ne(u64, leases[i], 0));
    }
    struct store_key touched = fixture_key("touched");
    fixture_delete(store, "deleted", 1);
    fixture_write(store, STORE_SET, "small", "v", 1);
    large_send(store, "again", STORE_SET, large_pattern() + 50, 60002);
    large_write(store, "joined", STORE_PREPEND, "front", 5);
    store_touch(store, &touched, 77, 1, &item);
    store_check(store);
    store_flush(store, 1, 1);
    fill(store, 10000, 1000);
    for (int i = 0; i < 6; i++) {
        cr_assert(large_reads(store, leases[i], large_pattern() + i, 60000 + (uint32_t)i));
    }
    cr_assert(ge(u64, fixture_stats(store).leased_bytes, 360000));
    store_check(store);
    for (int i = 0; i < 6; i++) {
        store_lease_end(store, leases[i]);
    }
    store_check(store);
    cr_assert(zero(u64, fixture_stats(store).pinned_bytes));
    store_destroy(store);
}

/* A value counts once, however often it is leased. Leases together keep a quarter of the memory; a
 * single one is always granted. */
Test(lease, leases_are_bounded) {
    struct store *store = fixture_store(MIB);
    uint32_t length = (uint32_t)MIB / 10;
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        large_send(store, names[i], STORE_SET, large_pattern(), length);
    }
    uint64_t a = large_lease(store, "a");
    for (int i = 0; i < 1000; i++) {
        cr_assert(eq(u64, large_lease(store, "a"), a));
    }
    cr_assert(eq(u64, fixture_stats(store).leases, 1001));
    cr_assert(le(u64, fixture_stats(store).leased_bytes, length + 1000));
    uint64_t b = large_lease(store, "b");
    cr_assert(ne(u64, b, 0));
    cr_assert(zero(u64, large_lease(store, "c")));
    store_lease_end(store, b);
    uint64_t c = large_lease(store, "c");
    cr_assert(ne(u64, c, 0));
    store_lease_end(store, c);
    for (int i = 0; i < 1001; i++) {
        store_lease_end(store, a);
    }
    for (int i = 0; i < 3; i++) {
        fixture_delete(store, names[i], 1);
    }
    large_check_empty(store);
    uint32_t max = store_value_length_max(store, 1);
    large_send(store, "a", STORE_SET, large_pattern(), max);
    a = large_lease(store, "a");
    cr_assert(ne(u64, a, 0), "larger than what all may keep, but alone");
    store_lease_end(store, a);
    store_check(store);
    store_destroy(store);
}

/* From any offset the rest of one extent is read, without a gap between extents. */
Test(lease, read_from_any_offset) {
    struct store *store = fixture_store(MIB);
    uint32_t length = 200000;
    large_send(store, "a", STORE_SET, large_pattern(), length);
    struct store_item item;
    fixture_get(store, "a", 1, &item);
    for (uint32_t offset = 0; offset < length; offset++) {
        const char *bytes, *next;
        uint32_t part = store_lease_read(store, item.large, offset, &bytes);
        cr_assert(ge(u32, part, 1));
        cr_assert(le(u32, offset + part, length));
        cr_assert(eq(int, bytes[0], large_pattern()[offset]));
        cr_assert(eq(int, bytes[part - 1], large_pattern()[offset + part - 1]));
        if (part > 1) {
            cr_assert(eq(u32, store_lease_read(store, item.large, offset + 1, &next), part - 1));
        }
    }
    store_destroy(store);
}
