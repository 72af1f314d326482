/* Large values of every size, and what append and prepend make of them. */
#include "large_fixture.h"

Test(large, every_size_by_upload_and_by_write) {
    static const size_t memories[] = {MIB, 8 * MIB, 64 * MIB};
    for (size_t m = 0; m < 3; m++) {
        struct store *store = fixture_store(memories[m]);
        uint32_t lengths[32];
        uint32_t count = large_lengths(store, lengths);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t length = lengths[i];
            cr_assert(
                eq(int, large_send(store, "a", STORE_SET, large_pattern(), length), STORE_OK));
            cr_assert(large_has(store, "a", large_pattern(), length));
            store_check(store);
            cr_assert(
                eq(int, large_write(store, "a", STORE_SET, large_pattern() + 1, length), STORE_OK));
            cr_assert(large_has(store, "a", large_pattern() + 1, length));
            cr_assert(eq(u64, fixture_stats(store).items, 1));
            store_check(store);
        }
        fixture_delete(store, "a", 1);
        large_check_empty(store);
        cr_assert(zero(u64, fixture_stats(store).evictions));
        store_destroy(store);
    }
}

Test(large, what_is_too_large) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    uint32_t max = store_value_length_max(store, 1);
    uint64_t upload;
    cr_assert(eq(u32, max, MIB / 4 - sizeof(struct item) - 10 - 1));
    cr_assert(eq(int, store_upload_begin(store, &key, max + 1, STORE_UPLOAD_JOINS, 1, &upload),
                 STORE_TOO_LARGE));
    cr_assert(eq(int, large_send(store, "a", STORE_SET, large_pattern(), max), STORE_OK));
    cr_assert(eq(int, large_write(store, "a", STORE_APPEND, "x", 1), STORE_NOT_STORED));
    cr_assert(eq(int, large_send(store, "a", STORE_PREPEND, "x", 1), STORE_NOT_STORED));
    cr_assert(large_has(store, "a", large_pattern(), max), "a failed append leaves the item");
    cr_assert(
        eq(int, large_write(store, "a", STORE_SET, large_pattern(), max + 1), STORE_TOO_LARGE));
    large_check_empty(store);
    store_destroy(store);
}

/* Inline and large values, appended and prepended, by an upload and by a write. */
Test(large, joins) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t lengths[32];
    uint32_t count = large_lengths(store, lengths);
    char *joined = malloc(2 * LENGTH_MAX);
    for (uint32_t i = 0; i < count * count * 4; i++) {
        uint32_t old = lengths[i / 4 / count], more = lengths[i / 4 % count];
        bool append = i % 2 == 0, upload = i % 4 < 2;
        enum store_mode mode = append ? STORE_APPEND : STORE_PREPEND;
        large_write(store, "a", STORE_SET, large_pattern(), old);
        enum store_status status = upload
                                       ? large_send(store, "a", mode, large_pattern() + 7, more)
                                       : large_write(store, "a", mode, large_pattern() + 7, more);
        bool fits = old + more <= store_value_length_max(store, 1);
        cr_assert(eq(int, status, fits ? STORE_OK : STORE_NOT_STORED));
        memcpy(joined + (append ? 0 : more), large_pattern(), old);
        memcpy(joined + (append ? old : 0), large_pattern() + 7, more);
        cr_assert(large_has(store, "a", fits ? joined : large_pattern(), fits ? old + more : old));
        store_check(store);
    }
    free(joined);
    fixture_delete(store, "a", 1);
    large_check_empty(store);
    store_destroy(store);
}

/* A value that grows by small joins is not split into many small extents. */
Test(large, many_small_joins) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t length = store_value_length_max(store, 1) / 2;
    uint32_t middle = length;
    large_send(store, "a", STORE_SET, large_pattern() + middle, length);
    for (uint32_t from = middle, i = 0; i < 4000; i++) {
        from -= i % 2 == 0 ? 100 : 0;
        const char *bytes = large_pattern() + (i % 2 == 0 ? from : from + length);
        cr_assert(eq(int,
                     large_write(store, "a", i % 2 == 0 ? STORE_PREPEND : STORE_APPEND, bytes, 100),
                     STORE_OK));
        length += 100;
        if (i % 100 == 99) {
            cr_assert(large_has(store, "a", large_pattern() + from, length));
        }
    }
    struct store_item item;
    struct store_key key = fixture_key("a");
    store_peek(store, &key, 1, &item);
    uint32_t extents = 2 * length / store_extent_length_max(store);
    cr_assert(le(u32, item.bytes, length + extents * 40 + 100));
    store_check(store);
    store_destroy(store);
}

/* Adding nothing makes a new version (a new CAS) all the same, and a large value stays large. */
Test(large, joins_with_nothing) {
    struct store *store = fixture_store(MIB);
    struct store_item before, after;
    large_send(store, "a", STORE_SET, large_pattern(), 5000);
    fixture_get(store, "a", 1, &before);
    cr_assert(eq(int, large_write(store, "a", STORE_APPEND, NULL, 0), STORE_OK));
    cr_assert(eq(int, large_write(store, "a", STORE_PREPEND, "", 0), STORE_OK));
    fixture_get(store, "a", 1, &after);
    cr_assert(ne(u64, before.cas, after.cas));
    cr_assert(fixture_is(store, &after, large_pattern(), 5000));
    fixture_write(store, STORE_SET, "b", "", 1);
    cr_assert(eq(int, large_send(store, "b", STORE_PREPEND, large_pattern(), 5000), STORE_OK));
    cr_assert(large_has(store, "b", large_pattern(), 5000));
    store_check(store);
    store_destroy(store);
}

Test(large, an_end_keeps_to_the_conditions) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    cr_assert(
        eq(int, large_send(store, "a", STORE_REPLACE, large_pattern(), 9000), STORE_NOT_STORED));
    cr_assert(
        eq(int, large_send(store, "a", STORE_APPEND, large_pattern(), 9000), STORE_NOT_STORED));
    large_check_empty(store);
    cr_assert(eq(int, large_send(store, "a", STORE_ADD, large_pattern(), 9000), STORE_OK));
    cr_assert(
        eq(int, large_send(store, "a", STORE_ADD, large_pattern() + 1, 9000), STORE_NOT_STORED));
    struct store_item item;
    fixture_get(store, "a", 1, &item);
    struct store_write write = {.value_length = 9000, .compare_cas = true, .cas = item.cas + 3};
    uint64_t cas;
    uint64_t upload = large_begin(store, "a", 9000);
    large_add(store, upload, large_pattern() + 1, 9000, 16384);
    cr_assert(eq(int, store_upload_end(store, upload, &key, &write, 1, &cas), STORE_EXISTS));
    cr_assert(large_has(store, "a", large_pattern(), 9000));
    write.cas = item.cas;
    write.client_flags = 7;
    write.expires = 50;
    upload = large_begin(store, "a", 9000);
    large_add(store, upload, large_pattern() + 1, 9000, 16384);
    cr_assert(eq(int, store_upload_end(store, upload, &key, &write, 1, &cas), STORE_OK));
    cr_assert(eq(int, store_get(store, &key, 49, &item), STORE_OK));
    cr_assert(eq(u64, item.cas, cas));
    cr_assert(eq(u32, item.client_flags, 7));
    cr_assert(fixture_is(store, &item, large_pattern() + 1, 9000));
    cr_assert(eq(int, store_get(store, &key, 50, &item), STORE_NOT_FOUND));
    large_check_empty(store);
    store_destroy(store);
}

/* Only the head is copied when it needs a field for the expiry time. */
Test(large, touched_marked_emptied) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_item item;
    large_send(store, "a", STORE_SET, large_pattern(), 100000);
    uint64_t dead_bytes = fixture_stats(store).dead_bytes;
    cr_assert(eq(int, store_touch(store, &key, 99, 1, &item), STORE_OK));
    cr_assert(fixture_is(store, &item, large_pattern(), 100000));
    cr_assert(lt(u64, fixture_stats(store).dead_bytes, dead_bytes + 1000));
    struct store_removal stale = {.mark_stale = true, .set_cas = true, .new_cas = UINT64_MAX};
    cr_assert(eq(int, store_delete(store, &key, &stale, 1), STORE_OK));
    struct store_read read = {0};
    cr_assert(eq(int, store_read(store, &key, &read, 1, &item), STORE_OK));
    cr_assert(item.expires == 99 && item.cas == UINT64_MAX);
    cr_assert(eq(u8, item.state, STORE_WON | STORE_STALE | STORE_FETCHED));
    cr_assert(fixture_is(store, &item, large_pattern(), 100000));
    store_check(store);
    struct store_removal empty = {.empty = true};
    cr_assert(eq(int, store_delete(store, &key, &empty, 1), STORE_OK));
    cr_assert(large_has(store, "a", "", 0));
    store_check(store);
    fixture_delete(store, "a", 1);
    large_check_empty(store);
    store_destroy(store);
}

Test(large, is_no_number) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_delta delta = {.delta = 1};
    struct store_item item;
    uint64_t number;
    static char digits[5000] = "7 ";
    memset(digits + 2, ' ', sizeof(digits) - 2);
    large_send(store, "a", STORE_SET, digits, sizeof(digits));
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_NON_NUMERIC));
    delta.compare_cas = true;
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_EXISTS));
    store_destroy(store);
}

/* Values of one and a half extents fill segments of four extents nearly to the end. */
Test(large, little_is_lost_between_values) {
    struct store *store = fixture_store(64 * MIB);
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "large-%d", i);
        cr_assert(eq(int, fixture_set_bytes(store, name, 100000, 0, 1), STORE_OK));
    }
    cr_assert(ge(u64, fixture_stats(store).items * 100000, 64 * MIB / 100 * 96));
    store_check(store);
    store_destroy(store);
}

/* A shard of 8 MiB takes memcached's largest items, and holds six of them. */
Test(large, items_of_1_mib_in_8_mib) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t max = store_value_length_max(store, 7);
    char name[32];
    cr_assert(lt(u32, MIB - 64, max));
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "item-%02u", i);
        cr_assert(eq(int, large_send(store, name, STORE_SET, large_pattern() + i, max), STORE_OK));
        cr_assert(large_has(store, name, large_pattern() + i, max));
        store_check(store);
    }
    cr_assert(ge(u64, fixture_stats(store).items, 6));
    cr_assert(zero(u64, fixture_stats(store).out_of_memory));
    store_destroy(store);
}
