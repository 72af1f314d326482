/* Uploads: abandoned, slow, flushed meanwhile, and what bounds them. */
#include "large_fixture.h"

/* Uploads cancelled after any number of parts. */
Test(upload, abandoned_uploads_leave_nothing) {
    struct store *store = fixture_store(MIB);
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t length = 1 + i * 83 % store_value_length_max(store, 1);
        uint64_t upload = large_begin(store, "a", length);
        uint32_t sent = i % 10 * (length / 9);
        cr_assert(
            eq(int, large_add(store, upload, large_pattern(), sent, 1 + i % 16384), STORE_OK));
        store_upload_cancel(store, upload);
        if (i % 50 == 0) {
            store_check(store);
        }
    }
    large_check_empty(store);
    store_destroy(store);
}

/* The time of an upload is that of its end: a flush in between does not concern it. */
Test(upload, an_upload_outlives_a_flush) {
    struct store *store = fixture_store(MIB);
    uint64_t upload = large_begin(store, "a", 100000);
    cr_assert(eq(int, large_add(store, upload, large_pattern(), 50000, 16384), STORE_OK));
    store_flush(store, 1, 1);
    cr_assert(eq(int, large_add(store, upload, large_pattern() + 50000, 50000, 16384), STORE_OK));
    cr_assert(eq(int, large_end(store, upload, "a", STORE_SET, 100000), STORE_OK));
    cr_assert(large_has(store, "a", large_pattern(), 100000));
    cr_assert(eq(u64, fixture_stats(store).items, 1));
    store_check(store);
    store_flush(store, 1, 1);
    cr_assert(not(large_has(store, "a", large_pattern(), 100000)));
    large_check_empty(store);
    store_destroy(store);
}

/* Uploads together reserve a quarter of the memory; a single one is always granted. */
Test(upload, uploads_are_bounded) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    uint32_t max = store_value_length_max(store, 1);
    uint64_t first = large_begin(store, "a", max);
    uint64_t other;
    cr_assert(
        eq(int, store_upload_begin(store, &key, 100, STORE_UPLOAD_JOINS, 1, &other), STORE_BUSY));
    cr_assert(eq(int, large_write(store, "b", STORE_SET, large_pattern(), max), STORE_OK));
    store_upload_cancel(store, first);
    uint64_t uploads[4];
    for (int i = 0; i < 4; i++) {
        uploads[i] = large_begin(store, "a", max / 4);
    }
    cr_assert(
        eq(int, store_upload_begin(store, &key, 1000, STORE_UPLOAD_JOINS, 1, &other), STORE_BUSY));
    cr_assert(eq(u64, fixture_stats(store).upload_reserved_bytes, max / 4 * 4));
    for (int i = 0; i < 4; i++) {
        store_upload_cancel(store, uploads[i]);
    }
    store_check(store);
    store_destroy(store);
}

/* A slow upload does not pin the segments that other writers fill meanwhile. */
Test(upload, a_slow_upload_pins_little) {
    struct store *store = fixture_store(MIB);
    uint64_t upload = large_begin(store, "slow", 100000);
    for (uint32_t sent = 0; sent < 100000; sent += 1000) {
        cr_assert(eq(int, large_add(store, upload, large_pattern() + sent, 1000, 1000), STORE_OK));
        fill(store, 300, 500);
    }
    cr_assert(le(u64, fixture_stats(store).pinned_bytes, 100000 + 3 * store->log.segment_bytes));
    cr_assert(eq(int, large_end(store, upload, "slow", STORE_SET, 100000), STORE_OK));
    cr_assert(large_has(store, "slow", large_pattern(), 100000));
    store_check(store);
    store_destroy(store);
}

/* Memory becomes resident only as the value arrives. */
Test(upload, an_item_of_256_mib_in_1_gib) {
    struct store_config config = fixture_config(1024 * MIB);
    config.item_bytes_max = 1024 * MIB;
    struct store *store = fixture_store_of(&config);
    uint32_t length = store_value_length_max(store, 1);
    cr_assert(lt(u32, 256 * MIB - 64, length));
    size_t before = resident_bytes();
    uint64_t upload = large_begin(store, "a", length);
    cr_assert(lt(sz, resident_bytes(), before + 4 * MIB));
    for (uint32_t at = 0, part; at < length; at += part) {
        part = length - at < 16384 ? length - at : 16384;
        cr_assert(eq(int, store_upload_add(store, upload, large_pattern() + at % MIB, part, 1),
                     STORE_OK));
    }
    cr_assert(eq(int, large_end(store, upload, "a", STORE_SET, length), STORE_OK));
    cr_assert(lt(sz, resident_bytes(), before + 264 * MIB + SANITIZER_BYTES * 5));
    uint64_t large = large_lease(store, "a");
    const char *bytes;
    for (uint32_t at = 0; at < length; at += 4096) {
        uint32_t part = store_lease_read(store, large, at, &bytes);
        cr_assert(eq(int, memcmp(bytes, large_pattern() + at % MIB, part < 4096 ? part : 4096), 0));
    }
    fixture_delete(store, "a", 1);
    store_lease_end(store, large);
    large_check_empty(store);
    store_destroy(store);
}
