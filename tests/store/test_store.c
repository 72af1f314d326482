/* The operations, one by one. */
#include "store_fixture.h"

#include <errno.h>

Test(store, bounds_of_the_configuration) {
    struct store *store = NULL;
    struct store_config good = fixture_config(MIB);
    struct store_config bad[] = {good, good, good, good, good, good, good};
    bad[0].memory_bytes = STORE_MEMORY_BYTES_MIN - 1;
    bad[1].item_bytes_max = 0;
    bad[2].shards = 0;
    bad[3].shard = good.shards;
    bad[4].memory_bytes_max = MIB - 1;
    bad[5].memory_bytes_max = STORE_MEMORY_BYTES_MAX + 1;
    bad[6].hash = NULL;
    for (int i = 0; i < 7; i++) {
        cr_assert(eq(int, store_create(&store, &bad[i]), -EINVAL));
    }
    cr_assert(eq(int, store_create(&store, &good), 0));
    store_destroy(store);
    store_destroy(NULL);
}

Test(store, get_set_delete) {
    struct store *store = fixture_store(MIB);
    cr_assert(not(fixture_has(store, "a", 1)));
    cr_assert(eq(int, fixture_write(store, STORE_SET, "a", "one", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "one", 1));
    cr_assert(eq(int, fixture_write(store, STORE_SET, "a", "twenty-one characters", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "twenty-one characters", 1));
    cr_assert(eq(int, fixture_write(store, STORE_SET, "a", "", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "", 1));
    cr_assert(eq(int, fixture_delete(store, "a", 1), STORE_OK));
    cr_assert(eq(int, fixture_delete(store, "a", 1), STORE_NOT_FOUND));
    cr_assert(not(fixture_has(store, "a", 1)));
    cr_assert(eq(u64, fixture_stats(store).items, 0));
    store_check(store);
    store_destroy(store);
}

Test(store, conditions_of_the_modes) {
    struct store *store = fixture_store(MIB);
    cr_assert(eq(int, fixture_write(store, STORE_REPLACE, "a", "x", 1), STORE_NOT_STORED));
    cr_assert(eq(int, fixture_write(store, STORE_APPEND, "a", "x", 1), STORE_NOT_STORED));
    cr_assert(eq(int, fixture_write(store, STORE_PREPEND, "a", "x", 1), STORE_NOT_STORED));
    cr_assert(eq(int, fixture_write(store, STORE_ADD, "a", "m", 1), STORE_OK));
    cr_assert(eq(int, fixture_write(store, STORE_ADD, "a", "n", 1), STORE_NOT_STORED));
    cr_assert(eq(int, fixture_write(store, STORE_APPEND, "a", "-after", 1), STORE_OK));
    cr_assert(eq(int, fixture_write(store, STORE_PREPEND, "a", "before-", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "before-m-after", 1));
    cr_assert(eq(int, fixture_write(store, STORE_REPLACE, "a", "other", 1), STORE_OK));
    cr_assert(fixture_holds(store, "a", "other", 1));
    store_destroy(store);
}

/* An append, in place or not, changes the value and the CAS, and nothing else. */
Test(store, append_keeps_flags_and_expiry) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_write set = {
        .value = "12", .value_length = 2, .client_flags = 0xfffffffe, .expires = 50};
    uint64_t cas, cas_before;
    store_write(store, &key, &set, 1, &cas_before);
    for (int i = 0; i < 20; i++) {
        struct store_write append = {
            .mode = STORE_APPEND, .value = "3", .value_length = 1, .client_flags = 1, .expires = 2};
        cr_assert(eq(int, store_write(store, &key, &append, 1, &cas), STORE_OK));
        cr_assert(ne(u64, cas, cas_before));
        cas_before = cas;
    }
    struct store_item item;
    cr_assert(eq(int, fixture_get(store, "a", 49, &item), STORE_OK));
    cr_assert(eq(u32, item.client_flags, 0xfffffffe));
    cr_assert(eq(u32, item.expires, 50));
    cr_assert(eq(u64, item.cas, cas));
    cr_assert(eq(u32, item.value_length, 22));
    cr_assert(not(fixture_has(store, "a", 50)));
    store_destroy(store);
}

Test(store, cas_is_checked_and_belongs_to_the_shard) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_write write = {.value = "v", .value_length = 1, .compare_cas = true, .cas = 1};
    uint64_t cas, cas_first;
    cr_assert(eq(int, store_write(store, &key, &write, 1, &cas), STORE_NOT_FOUND));
    fixture_write(store, STORE_SET, "a", "v", 1);
    cr_assert(eq(int, store_write(store, &key, &write, 1, &cas), STORE_EXISTS));
    struct store_item item;
    fixture_get(store, "a", 1, &item);
    write.cas = cas_first = item.cas;
    cr_assert(eq(u64, cas_first % 3, 1));
    cr_assert(eq(int, store_write(store, &key, &write, 1, &cas), STORE_OK));
    cr_assert(ne(u64, cas, cas_first));
    struct store_removal removal = {.compare_cas = true, .cas = cas_first};
    cr_assert(eq(int, store_delete(store, &key, &removal, 1), STORE_EXISTS));
    removal.cas = cas;
    cr_assert(eq(int, store_delete(store, &key, &removal, 1), STORE_OK));
    store_destroy(store);
}

Test(store, the_cas_counter_starts_over_when_the_field_is_full) {
    struct store *store = fixture_store(MIB);
    store->cas_counter = ((uint64_t)1 << ITEM_CAS_BITS) / 3 - 2;
    for (int i = 0; i < 4; i++) {
        struct store_key key = fixture_key("a");
        struct store_write write = {.value = "v", .value_length = 1};
        struct store_item item;
        uint64_t cas;
        store_write(store, &key, &write, 1, &cas);
        fixture_get(store, "a", 1, &item);
        cr_assert(eq(u64, item.cas, cas));
        cr_assert(eq(u64, cas % 3, 1));
    }
    store_destroy(store);
}

Test(store, expiry_is_exact) {
    struct store *store = fixture_store(MIB);
    fixture_set_bytes(store, "a", 10, 100, 1);
    cr_assert(fixture_has(store, "a", 99));
    cr_assert(not(fixture_has(store, "a", 100)));
    cr_assert(eq(u64, fixture_stats(store).expired, 1));
    cr_assert(eq(u64, fixture_stats(store).expired_unfetched, 0));
    cr_assert(eq(int, fixture_write(store, STORE_REPLACE, "a", "x", 100), STORE_NOT_STORED));
    fixture_set_bytes(store, "a", 10, 100, 100);
    cr_assert(not(fixture_has(store, "a", 100)), "stored dead");
    cr_assert(eq(u64, fixture_stats(store).expired_unfetched, 1));
    store_check(store);
    store_destroy(store);
}

/* A new value counts as not fetched, even where it is written in place. */
Test(store, overwriting_in_place_forgets_the_fetch) {
    struct store *store = fixture_store(MIB);
    fixture_set_bytes(store, "a", 10, 100, 1);
    cr_assert(fixture_has(store, "a", 1));
    fixture_set_bytes(store, "a", 10, 100, 1);
    cr_assert(not(fixture_has(store, "a", 100)));
    cr_assert(eq(u64, fixture_stats(store).expired_unfetched, 1));
    store_destroy(store);
}

Test(store, touch_keeps_the_cas) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_item item;
    cr_assert(eq(int, store_touch(store, &key, 9, 1, &item), STORE_NOT_FOUND));
    fixture_write(store, STORE_SET, "a", "value", 1);
    fixture_get(store, "a", 1, &item);
    uint64_t cas = item.cas;
    static const uint32_t times[] = {0, 50, 0, 70};
    for (int i = 0; i < 4; i++) {
        cr_assert(eq(int, store_touch(store, &key, times[i], 1, &item), STORE_OK));
        cr_assert(eq(u32, item.expires, times[i]));
        cr_assert(eq(u64, item.cas, cas));
    }
    cr_assert(fixture_holds(store, "a", "value", 69));
    cr_assert(eq(int, store_touch(store, &key, 69, 69, &item), STORE_OK));
    cr_assert(eq(u32, item.value_length, 5), "gat with a time in the past still shows the value");
    cr_assert(not(fixture_has(store, "a", 69)));
    store_destroy(store);
}

Test(store, flush_at_once_spares_what_comes_after) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "a", "old", 5);
    fixture_write(store, STORE_SET, "b", "old", 5);
    store_flush(store, 5, 5);
    cr_assert(eq(u64, fixture_stats(store).items, 0));
    cr_assert(eq(u64, fixture_stats(store).item_bytes, 0));
    cr_assert(eq(int, fixture_write(store, STORE_ADD, "b", "new", 5), STORE_OK));
    cr_assert(not(fixture_has(store, "a", 5)));
    cr_assert(fixture_holds(store, "b", "new", 5));
    cr_assert(eq(u64, fixture_stats(store).items, 1));
    cr_assert(eq(u64, fixture_stats(store).expired, 0));
    store_check(store);
    store_destroy(store);
}

Test(store, flush_later_takes_what_came_meanwhile) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "a", "old", 5);
    store_flush(store, 10, 5);
    cr_assert(fixture_has(store, "a", 9));
    fixture_write(store, STORE_SET, "b", "meanwhile", 9);
    cr_assert(eq(int, fixture_write(store, STORE_SET, "c", "after", 10), STORE_OK));
    cr_assert(not(fixture_has(store, "a", 10)));
    cr_assert(not(fixture_has(store, "b", 10)));
    cr_assert(fixture_has(store, "c", 10));
    store_flush(store, 20, 10);
    store_flush(store, 30, 10);
    cr_assert(fixture_has(store, "c", 29), "the later call replaces the earlier one");
    cr_assert(not(fixture_has(store, "c", 30)));
    store_destroy(store);
}

Test(store, keys_of_every_length_and_byte) {
    struct store *store = fixture_store(4 * MIB);
    char bytes[250];
    for (int i = 0; i < 250; i++) {
        bytes[i] = (char)(i * 7);
    }
    struct store_item item;
    uint64_t cas;
    for (uint32_t length = 1; length <= 250; length++) {
        struct store_key key = {bytes, length, fixture_hash(bytes, length, FIXTURE_SEED)};
        struct store_write write = {.value = bytes, .value_length = length};
        cr_assert(eq(int, store_write(store, &key, &write, 1, &cas), STORE_OK));
    }
    for (uint32_t length = 1; length <= 250; length++) {
        struct store_key key = {bytes, length, fixture_hash(bytes, length, FIXTURE_SEED)};
        cr_assert(eq(int, store_get(store, &key, 1, &item), STORE_OK));
        cr_assert(eq(u32, item.value_length, length));
        cr_assert(eq(int, memcmp(item.value, bytes, length), 0));
    }
    store_destroy(store);
}

/* A look finds what a read would, tells why an item is dead, and leaves it where it is. */
Test(store, a_look_changes_nothing) {
    struct store *store = fixture_store(4 << 20);
    struct store_key key = fixture_key("a"), other = fixture_key("b");
    uint32_t length = 0;
    cr_assert(eq(int, store_look(store, &key, 1, &length), STORE_MISSING));
    fixture_set_bytes(store, "a", 10, 100, 1);
    fixture_set_bytes(store, "b", 100000, 0, 1);
    cr_assert(eq(int, store_look(store, &key, 99, &length), STORE_PRESENT));
    cr_assert(eq(u32, length, 10));
    cr_assert(eq(int, store_look(store, &other, 99, &length), STORE_PRESENT));
    cr_assert(eq(u32, length, 100000));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, store_look(store, &key, 100, &length), STORE_EXPIRED));
    }
    cr_assert(eq(u64, fixture_stats(store).small.hits, 0));
    cr_assert(eq(u64, fixture_stats(store).expired, 0));
    store_flush(store, 100, 100);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, store_look(store, &other, 100, &length), STORE_FLUSHED));
    }
    cr_assert(not(fixture_has(store, "b", 100)));
    cr_assert(eq(int, store_look(store, &other, 100, &length), STORE_MISSING));
    store_destroy(store);
}
