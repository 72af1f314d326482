#include "store_fixture.h"

Test(store, get_set_delete) {
    struct store *store = fixture_store(MIB);
    cr_assert(not(fixture_has(store, "a", 1)));
    cr_assert(eq(int, fixture_write(store, STORE_SET, "a", "one", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "one", 1));
    cr_assert(eq(int, fixture_write(store, STORE_SET, "a", "twenty-one characters", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "twenty-one characters", 1));
    struct store_key key = fixture_key("a");
    cr_assert(eq(int, store_delete(store, &key, false, 0, 1), STORE_OK));
    cr_assert(eq(int, store_delete(store, &key, false, 0, 1), STORE_NOT_FOUND));
    cr_assert(not(fixture_has(store, "a", 1)));
    cr_assert(eq(u64, fixture_stats(store).items, 0));
    store_check(store);
    store_destroy(store);
}

Test(store, many_items_evict_the_oldest) {
    struct store *store = fixture_store(MIB);
    char name[32];
    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "key-%d", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, (uint32_t)i % 300, 0, 1), STORE_OK));
        cr_assert(fixture_has(store, name, 1));
        store_check_memory(store);
        if (i % 512 == 0)
            store_check(store);
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(not(fixture_has(store, "key-1", 1)));
    cr_assert(eq(u64, stats.evictions + stats.items, 50000));
    store_check(store);
    store_destroy(store);
}
