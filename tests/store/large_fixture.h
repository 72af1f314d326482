/* What the tests of large values, uploads and leases share. */
#ifndef TESTS_STORE_LARGE_FIXTURE_H
#define TESTS_STORE_LARGE_FIXTURE_H

#include "store/limits.h"

#include "memory_fixture.h"

#define LENGTH_MAX (3 * MIB)

/* LENGTH_MAX bytes, no two parts of which are equal, so that a part at the wrong place is noticed.
 */
static inline const char *large_pattern(void) {
    static uint64_t words[LENGTH_MAX / sizeof(uint64_t)];
    size_t count = words[0] == 0 ? sizeof(words) / sizeof(words[0]) : 0;
    for (size_t i = 0; i < count; i++) {
        words[i] = fixture_mix(i + 1);
    }
    return (const char *)words;
}

static inline enum store_status large_add(struct store *store, uint64_t upload, const char *value,
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

static inline uint64_t large_begin(struct store *store, const char *key_text, uint32_t length) {
    struct store_key key = fixture_key(key_text);
    uint64_t upload = 0;
    cr_assert(
        eq(int, store_upload_begin(store, &key, length, STORE_UPLOAD_JOINS, 1, &upload), STORE_OK));
    cr_assert(ne(u64, upload, 0));
    return upload;
}

static inline enum store_status large_end(struct store *store, uint64_t upload,
                                          const char *key_text, enum store_mode mode,
                                          uint32_t length) {
    struct store_key key = fixture_key(key_text);
    struct store_write write = {.mode = mode, .value_length = length};
    uint64_t cas;
    return store_upload_end(store, upload, &key, &write, 1, &cas);
}

static inline enum store_status large_send(struct store *store, const char *key_text,
                                           enum store_mode mode, const char *value,
                                           uint32_t length) {
    uint64_t upload = large_begin(store, key_text, length);
    cr_assert(eq(int, large_add(store, upload, value, length, 16384), STORE_OK));
    return large_end(store, upload, key_text, mode, length);
}

static inline enum store_status large_write(struct store *store, const char *key_text,
                                            enum store_mode mode, const char *value,
                                            uint32_t length) {
    struct store_key key = fixture_key(key_text);
    struct store_write write = {.mode = mode, .value = value, .value_length = length};
    uint64_t cas;
    return store_write(store, &key, &write, 1, &cas);
}

static inline bool large_has(struct store *store, const char *key_text, const char *value,
                             uint32_t length) {
    struct store_item item;
    return fixture_get(store, key_text, 1, &item) == STORE_OK &&
           fixture_is(store, &item, value, length);
}

static inline uint64_t large_lease(struct store *store, const char *key_text) {
    struct store_item item;
    cr_assert(eq(int, fixture_get(store, key_text, 1, &item), STORE_OK));
    cr_assert(ne(u64, item.large, 0));
    return store_lease(store, item.large) ? item.large : 0;
}

static inline bool large_reads(const struct store *store, uint64_t large, const char *value,
                               uint32_t length) {
    struct store_item item = {.large = large, .value_length = length};
    return fixture_is(store, &item, value, length);
}

/* Checks that nothing is left of what was stored: only open segments are in use. */
static inline void large_check_empty(struct store *store) {
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

/* The lengths at which the layout changes, with one less and one more; returns their number, at
 * most 32. */
static inline uint32_t large_lengths(const struct store *store, uint32_t *lengths) {
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

#endif
