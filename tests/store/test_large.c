/* Large values: uploads, what joins make of them, leases, and what bounds them. */
#include "store/limits.h"

#include "memory_fixture.h"

#define LENGTH_MAX (3 * MIB)

/* Bytes that differ from place to place. */
static const char *pattern(void) {
    static uint64_t words[LENGTH_MAX / sizeof(uint64_t)];
    size_t count = words[0] == 0 ? sizeof(words) / sizeof(words[0]) : 0;
    for (size_t i = 0; i < count; i++) {
        words[i] = fixture_mix(i + 1);
    }
    return (const char *)words;
}

static enum store_status add(struct store *store, uint64_t upload, const char *value,
                             uint32_t length, uint32_t part) {
    for (uint32_t at = 0; at < length; at += part) {
        uint32_t rest = length - at;
        enum store_status status =
            store_upload_add(store, upload, value + at, rest < part ? rest : part, 1);
        if (status != STORE_OK) {
            return status;
        }
    }
    return STORE_OK;
}

static uint64_t begin(struct store *store, const char *key_text, uint32_t length) {
    struct store_key key = fixture_key(key_text);
    uint64_t upload = 0;
    cr_assert(eq(int, store_upload_begin(store, &key, length, true, 1, &upload), STORE_OK));
    cr_assert(ne(u64, upload, 0));
    return upload;
}

static enum store_status end(struct store *store, uint64_t upload, const char *key_text,
                             enum store_mode mode, uint32_t length) {
    struct store_key key = fixture_key(key_text);
    struct store_write write = {.mode = mode, .value_length = length};
    uint64_t cas;
    return store_upload_end(store, upload, &key, &write, 1, &cas);
}

static enum store_status send(struct store *store, const char *key_text, enum store_mode mode,
                              const char *value, uint32_t length) {
    uint64_t upload = begin(store, key_text, length);
    cr_assert(eq(int, add(store, upload, value, length, 16384), STORE_OK));
    return end(store, upload, key_text, mode, length);
}

static enum store_status write_bytes(struct store *store, const char *key_text,
                                     enum store_mode mode, const char *value, uint32_t length) {
    struct store_key key = fixture_key(key_text);
    struct store_write write = {.mode = mode, .value = value, .value_length = length};
    uint64_t cas;
    return store_write(store, &key, &write, 1, &cas);
}

static bool has(struct store *store, const char *key_text, const char *value, uint32_t length) {
    struct store_item item;
    return fixture_get(store, key_text, 1, &item) == STORE_OK &&
           fixture_is(store, &item, value, length);
}

static uint64_t lease(struct store *store, const char *key_text) {
    struct store_item item;
    cr_assert(eq(int, fixture_get(store, key_text, 1, &item), STORE_OK));
    cr_assert(ne(u64, item.large, 0));
    return store_lease(store, item.large) ? item.large : 0;
}

static bool reads(const struct store *store, uint64_t large, const char *value, uint32_t length) {
    struct store_item item = {.large = large, .value_length = length};
    return fixture_is(store, &item, value, length);
}

/* Nothing is left of what was stored. */
static void check_empty(struct store *store) {
    store_check(store);
    struct store_stats stats = fixture_stats(store);
    cr_assert(zero(u64, stats.items + stats.item_bytes + stats.uploads + stats.leases));
    cr_assert(zero(u64, stats.upload_reserved_bytes + stats.leased_bytes + stats.pinned_bytes));
    uint32_t open = 0;
    for (int i = 0; i < SEGMENT_ENDS; i++) {
        open += store->log.open[i] != 0;
    }
    cr_assert(eq(u32, store->log.segments_used, open));
}

/* Each size where something changes, one less and one more. */
static uint32_t lengths_of(const struct store *store, uint32_t *lengths) {
    uint32_t extent = store_extent_length_max(store);
    uint32_t segment = (uint32_t)store->log.segment_bytes;
    uint32_t bounds[] = {2,          store_inline_max(store, 1),   extent,  2 * extent, 3 * extent,
                         extent / 2, store_inline_max(store, 250), segment, 2 * segment};
    uint32_t count = 0;
    uint32_t max = store_value_length_max(store, 1);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        for (uint32_t length = bounds[i] - 1; length <= bounds[i] + 1 && length < max; length++) {
            lengths[count++] = length;
        }
    }
    lengths[count++] = max;
    return count;
}

Test(large, every_size_by_upload_and_by_write) {
    static const size_t memories[] = {MIB, 8 * MIB, 64 * MIB};
    for (size_t m = 0; m < 3; m++) {
        struct store *store = fixture_store(memories[m]);
        uint32_t lengths[32];
        uint32_t count = lengths_of(store, lengths);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t length = lengths[i];
            cr_assert(eq(int, send(store, "a", STORE_SET, pattern(), length), STORE_OK));
            cr_assert(has(store, "a", pattern(), length));
            store_check(store);
            cr_assert(eq(int, write_bytes(store, "a", STORE_SET, pattern() + 1, length), STORE_OK));
            cr_assert(has(store, "a", pattern() + 1, length));
            cr_assert(eq(u64, fixture_stats(store).items, 1));
            store_check(store);
        }
        fixture_delete(store, "a", 1);
        check_empty(store);
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
    cr_assert(eq(int, store_upload_begin(store, &key, max + 1, true, 1, &upload), STORE_TOO_LARGE));
    cr_assert(eq(int, send(store, "a", STORE_SET, pattern(), max), STORE_OK));
    cr_assert(eq(int, write_bytes(store, "a", STORE_APPEND, "x", 1), STORE_NOT_STORED));
    cr_assert(eq(int, send(store, "a", STORE_PREPEND, "x", 1), STORE_NOT_STORED));
    cr_assert(has(store, "a", pattern(), max), "a failed append leaves the item");
    cr_assert(eq(int, write_bytes(store, "a", STORE_SET, pattern(), max + 1), STORE_TOO_LARGE));
    check_empty(store);
    store_destroy(store);
}

/* Inline and large, to the front and to the back, by either way. */
Test(large, joins) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t lengths[32];
    uint32_t count = lengths_of(store, lengths);
    char *joined = malloc(2 * LENGTH_MAX);
    for (uint32_t i = 0; i < count * count * 4; i++) {
        uint32_t old = lengths[i / 4 / count], more = lengths[i / 4 % count];
        bool append = i % 2 == 0, upload = i % 4 < 2;
        enum store_mode mode = append ? STORE_APPEND : STORE_PREPEND;
        write_bytes(store, "a", STORE_SET, pattern(), old);
        enum store_status status = upload ? send(store, "a", mode, pattern() + 7, more)
                                          : write_bytes(store, "a", mode, pattern() + 7, more);
        bool fits = old + more <= store_value_length_max(store, 1);
        cr_assert(eq(int, status, fits ? STORE_OK : STORE_NOT_STORED));
        memcpy(joined + (append ? 0 : more), pattern(), old);
        memcpy(joined + (append ? old : 0), pattern() + 7, more);
        cr_assert(has(store, "a", fits ? joined : pattern(), fits ? old + more : old));
        store_check(store);
    }
    free(joined);
    fixture_delete(store, "a", 1);
    check_empty(store);
    store_destroy(store);
}

/* Growing by little: the extents don't become a row of small ones, and no more is copied. */
Test(large, many_small_joins) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t length = store_value_length_max(store, 1) / 2;
    uint32_t middle = length;
    send(store, "a", STORE_SET, pattern() + middle, length);
    for (uint32_t from = middle, i = 0; i < 4000; i++) {
        from -= i % 2 == 0 ? 100 : 0;
        const char *bytes = pattern() + (i % 2 == 0 ? from : from + length);
        cr_assert(eq(int,
                     write_bytes(store, "a", i % 2 == 0 ? STORE_PREPEND : STORE_APPEND, bytes, 100),
                     STORE_OK));
        length += 100;
        if (i % 100 == 99) {
            cr_assert(has(store, "a", pattern() + from, length));
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

/* An empty addition is a new version all the same, and large stays large. */
Test(large, joins_with_nothing) {
    struct store *store = fixture_store(MIB);
    struct store_item before, after;
    send(store, "a", STORE_SET, pattern(), 5000);
    fixture_get(store, "a", 1, &before);
    cr_assert(eq(int, write_bytes(store, "a", STORE_APPEND, NULL, 0), STORE_OK));
    cr_assert(eq(int, write_bytes(store, "a", STORE_PREPEND, "", 0), STORE_OK));
    fixture_get(store, "a", 1, &after);
    cr_assert(ne(u64, before.cas, after.cas));
    cr_assert(fixture_is(store, &after, pattern(), 5000));
    fixture_write(store, STORE_SET, "b", "", 1);
    cr_assert(eq(int, send(store, "b", STORE_PREPEND, pattern(), 5000), STORE_OK));
    cr_assert(has(store, "b", pattern(), 5000));
    store_check(store);
    store_destroy(store);
}

Test(large, an_end_keeps_to_the_conditions) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    cr_assert(eq(int, send(store, "a", STORE_REPLACE, pattern(), 9000), STORE_NOT_STORED));
    cr_assert(eq(int, send(store, "a", STORE_APPEND, pattern(), 9000), STORE_NOT_STORED));
    check_empty(store);
    cr_assert(eq(int, send(store, "a", STORE_ADD, pattern(), 9000), STORE_OK));
    cr_assert(eq(int, send(store, "a", STORE_ADD, pattern() + 1, 9000), STORE_NOT_STORED));
    struct store_item item;
    fixture_get(store, "a", 1, &item);
    struct store_write write = {.value_length = 9000, .compare_cas = true, .cas = item.cas + 3};
    uint64_t cas;
    uint64_t upload = begin(store, "a", 9000);
    add(store, upload, pattern() + 1, 9000, 16384);
    cr_assert(eq(int, store_upload_end(store, upload, &key, &write, 1, &cas), STORE_EXISTS));
    cr_assert(has(store, "a", pattern(), 9000));
    write.cas = item.cas;
    write.client_flags = 7;
    write.expires = 50;
    upload = begin(store, "a", 9000);
    add(store, upload, pattern() + 1, 9000, 16384);
    cr_assert(eq(int, store_upload_end(store, upload, &key, &write, 1, &cas), STORE_OK));
    cr_assert(eq(int, store_get(store, &key, 49, &item), STORE_OK));
    cr_assert(eq(u64, item.cas, cas));
    cr_assert(eq(u32, item.client_flags, 7));
    cr_assert(fixture_is(store, &item, pattern() + 1, 9000));
    cr_assert(eq(int, store_get(store, &key, 50, &item), STORE_NOT_FOUND));
    check_empty(store);
    store_destroy(store);
}

/* Only the head is copied when it needs a new shape. */
Test(large, touched_marked_emptied) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    struct store_item item;
    send(store, "a", STORE_SET, pattern(), 100000);
    uint64_t dead_bytes = fixture_stats(store).dead_bytes;
    cr_assert(eq(int, store_touch(store, &key, 99, 1, &item), STORE_OK));
    cr_assert(fixture_is(store, &item, pattern(), 100000));
    cr_assert(lt(u64, fixture_stats(store).dead_bytes, dead_bytes + 1000));
    struct store_removal stale = {.mark_stale = true, .set_cas = true, .new_cas = UINT64_MAX};
    cr_assert(eq(int, store_delete(store, &key, &stale, 1), STORE_OK));
    struct store_read read = {0};
    cr_assert(eq(int, store_read(store, &key, &read, 1, &item), STORE_OK));
    cr_assert(item.expires == 99 && item.cas == UINT64_MAX);
    cr_assert(eq(u8, item.state, STORE_WON | STORE_STALE | STORE_FETCHED));
    cr_assert(fixture_is(store, &item, pattern(), 100000));
    store_check(store);
    struct store_removal empty = {.empty = true};
    cr_assert(eq(int, store_delete(store, &key, &empty, 1), STORE_OK));
    cr_assert(has(store, "a", "", 0));
    store_check(store);
    fixture_delete(store, "a", 1);
    check_empty(store);
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
    send(store, "a", STORE_SET, digits, sizeof(digits));
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_NON_NUMERIC));
    delta.compare_cas = true;
    cr_assert(eq(int, store_delta(store, &key, &delta, 1, &number, &item), STORE_EXISTS));
    store_destroy(store);
}

/* Abandoned after every part, among values that come and go. */
Test(large, abandoned_uploads_leave_nothing) {
    struct store *store = fixture_store(MIB);
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t length = 1 + i * 83 % store_value_length_max(store, 1);
        uint64_t upload = begin(store, "a", length);
        uint32_t sent = i % 10 * (length / 9);
        cr_assert(eq(int, add(store, upload, pattern(), sent, 1 + i % 16384), STORE_OK));
        store_upload_cancel(store, upload);
        if (i % 50 == 0) {
            store_check(store);
        }
    }
    check_empty(store);
    store_destroy(store);
}

/* It is as new as its end. */
Test(large, an_upload_outlives_a_flush) {
    struct store *store = fixture_store(MIB);
    uint64_t upload = begin(store, "a", 100000);
    cr_assert(eq(int, add(store, upload, pattern(), 50000, 16384), STORE_OK));
    store_flush(store, 1, 1);
    cr_assert(eq(int, add(store, upload, pattern() + 50000, 50000, 16384), STORE_OK));
    cr_assert(eq(int, end(store, upload, "a", STORE_SET, 100000), STORE_OK));
    cr_assert(has(store, "a", pattern(), 100000));
    cr_assert(eq(u64, fixture_stats(store).items, 1));
    store_check(store);
    store_flush(store, 1, 1);
    cr_assert(not(has(store, "a", pattern(), 100000)));
    check_empty(store);
    store_destroy(store);
}

/* Together they reserve a quarter; a lone one always begins. */
Test(large, uploads_are_bounded) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("a");
    uint32_t max = store_value_length_max(store, 1);
    uint64_t first = begin(store, "a", max);
    uint64_t other;
    cr_assert(eq(int, store_upload_begin(store, &key, 100, true, 1, &other), STORE_BUSY));
    cr_assert(eq(int, write_bytes(store, "b", STORE_SET, pattern(), max), STORE_OK));
    store_upload_cancel(store, first);
    uint64_t uploads[4];
    for (int i = 0; i < 4; i++) {
        uploads[i] = begin(store, "a", max / 4);
    }
    cr_assert(eq(int, store_upload_begin(store, &key, 1000, true, 1, &other), STORE_BUSY));
    cr_assert(eq(u64, fixture_stats(store).upload_reserved_bytes, max / 4 * 4));
    for (int i = 0; i < 4; i++) {
        store_upload_cancel(store, uploads[i]);
    }
    store_check(store);
    store_destroy(store);
}

/* Slow uploads don't pin the segments that others fill meanwhile. */
Test(large, a_slow_upload_pins_little) {
    struct store *store = fixture_store(MIB);
    uint64_t upload = begin(store, "slow", 100000);
    for (uint32_t sent = 0; sent < 100000; sent += 1000) {
        cr_assert(eq(int, add(store, upload, pattern() + sent, 1000, 1000), STORE_OK));
        fill(store, 300, 500);
    }
    cr_assert(le(u64, fixture_stats(store).pinned_bytes, 100000 + 3 * store->log.segment_bytes));
    cr_assert(eq(int, end(store, upload, "slow", STORE_SET, 100000), STORE_OK));
    cr_assert(has(store, "slow", pattern(), 100000));
    store_check(store);
    store_destroy(store);
}

/* Whatever becomes of the key, what was leased stays as it was. */
Test(large, leases_outlive_everything) {
    struct store *store = fixture_store(2 * MIB);
    static const char *const names[] = {"deleted", "small",   "again",
                                        "joined",  "touched", "evicted"};
    struct store_item item;
    uint64_t leases[6];
    for (int i = 0; i < 6; i++) {
        send(store, names[i], STORE_SET, pattern() + i, 60000 + (uint32_t)i);
        leases[i] = lease(store, names[i]);
        cr_assert(ne(u64, leases[i], 0));
    }
    struct store_key touched = fixture_key("touched");
    fixture_delete(store, "deleted", 1);
    fixture_write(store, STORE_SET, "small", "v", 1);
    send(store, "again", STORE_SET, pattern() + 50, 60002);
    write_bytes(store, "joined", STORE_PREPEND, "front", 5);
    store_touch(store, &touched, 77, 1, &item);
    store_check(store);
    store_flush(store, 1, 1);
    fill(store, 10000, 1000);
    for (int i = 0; i < 6; i++) {
        cr_assert(reads(store, leases[i], pattern() + i, 60000 + (uint32_t)i));
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

/* A value counts once, however many read it; a quarter of the memory, but one always. */
Test(large, leases_are_bounded) {
    struct store *store = fixture_store(MIB);
    uint32_t length = (uint32_t)MIB / 10;
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        send(store, names[i], STORE_SET, pattern(), length);
    }
    uint64_t a = lease(store, "a");
    for (int i = 0; i < 1000; i++) {
        cr_assert(eq(u64, lease(store, "a"), a));
    }
    cr_assert(eq(u64, fixture_stats(store).leases, 1001));
    cr_assert(le(u64, fixture_stats(store).leased_bytes, length + 1000));
    uint64_t b = lease(store, "b");
    cr_assert(ne(u64, b, 0));
    cr_assert(zero(u64, lease(store, "c")));
    store_lease_end(store, b);
    uint64_t c = lease(store, "c");
    cr_assert(ne(u64, c, 0));
    store_lease_end(store, c);
    for (int i = 0; i < 1001; i++) {
        store_lease_end(store, a);
    }
    for (int i = 0; i < 3; i++) {
        fixture_delete(store, names[i], 1);
    }
    check_empty(store);
    uint32_t max = store_value_length_max(store, 1);
    send(store, "a", STORE_SET, pattern(), max);
    a = lease(store, "a");
    cr_assert(ne(u64, a, 0), "larger than what all may keep, but alone");
    store_lease_end(store, a);
    store_check(store);
    store_destroy(store);
}

/* The pieces of a value: in order, without a gap, each to its end. */
Test(large, read_from_any_offset) {
    struct store *store = fixture_store(MIB);
    uint32_t length = 200000;
    send(store, "a", STORE_SET, pattern(), length);
    struct store_item item;
    fixture_get(store, "a", 1, &item);
    for (uint32_t offset = 0; offset < length; offset++) {
        const char *bytes, *next;
        uint32_t part = store_lease_read(store, item.large, offset, &bytes);
        cr_assert(ge(u32, part, 1));
        cr_assert(le(u32, offset + part, length));
        cr_assert(eq(int, bytes[0], pattern()[offset]));
        cr_assert(eq(int, bytes[part - 1], pattern()[offset + part - 1]));
        if (part > 1) {
            cr_assert(eq(u32, store_lease_read(store, item.large, offset + 1, &next), part - 1));
        }
    }
    store_destroy(store);
}

/* Values of one extent and a half fill segments of four all the same. */
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

/* A shard of 8 MiB takes memcached's largest items, and most of its memory is theirs. */
Test(large, items_of_1_mib_in_8_mib) {
    struct store *store = fixture_store(8 * MIB);
    uint32_t max = store_value_length_max(store, 7);
    char name[32];
    cr_assert(gt(u32, max, MIB - 64));
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "item-%02u", i);
        cr_assert(eq(int, send(store, name, STORE_SET, pattern() + i, max), STORE_OK));
        cr_assert(has(store, name, pattern() + i, max));
        store_check(store);
    }
    cr_assert(ge(u64, fixture_stats(store).items, 6));
    cr_assert(zero(u64, fixture_stats(store).out_of_memory));
    store_destroy(store);
}

/* Memory is touched as the value comes. */
Test(large, an_item_of_256_mib_in_1_gib) {
    struct store_config config = fixture_config(1024 * MIB);
    config.item_bytes_max = 1024 * MIB;
    struct store *store = fixture_store_of(&config);
    uint32_t length = store_value_length_max(store, 1);
    cr_assert(gt(u32, length, 256 * MIB - 64));
    size_t before = resident_bytes();
    uint64_t upload = begin(store, "a", length);
    cr_assert(lt(sz, resident_bytes(), before + 4 * MIB));
    for (uint32_t at = 0, part; at < length; at += part) {
        part = length - at < 16384 ? length - at : 16384;
        cr_assert(
            eq(int, store_upload_add(store, upload, pattern() + at % MIB, part, 1), STORE_OK));
    }
    cr_assert(eq(int, end(store, upload, "a", STORE_SET, length), STORE_OK));
    cr_assert(lt(sz, resident_bytes(), before + 264 * MIB + SANITIZER_BYTES * 5));
    uint64_t large = lease(store, "a");
    const char *bytes;
    for (uint32_t at = 0; at < length; at += 4096) {
        uint32_t part = store_lease_read(store, large, at, &bytes);
        cr_assert(eq(int, memcmp(bytes, pattern() + at % MIB, part < 4096 ? part : 4096), 0));
    }
    fixture_delete(store, "a", 1);
    store_lease_end(store, large);
    check_empty(store);
    store_destroy(store);
}
