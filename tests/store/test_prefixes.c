/* Flushes by a prefix: what they cover, for how long, and how many there may be. */
#include "image_fixture.h"
#include "store/prefixes.h"

static bool flush(struct store *store, const char *prefix, uint32_t at, uint32_t now) {
    return store_flush_prefix(store, prefix, (uint32_t)strlen(prefix), at, now);
}

/* Returns how many items the crawl has dropped. */
static uint64_t crawl(struct store *store, uint32_t now) {
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    while (store_crawl(store, &cursor, 10, now, &checked, &reclaimed)) {
    }
    return reclaimed;
}

static const char *name_of(char text[32], const char *prefix, uint32_t number) {
    snprintf(text, 32, "%s%u", prefix, number);
    return text;
}

Test(store_prefixes, covers_what_was_stored_before) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "a", "1", 5);
    fixture_write(store, STORE_SET, "ab", "2", 5);
    fixture_write(store, STORE_SET, "abc", "3", 5);
    fixture_write(store, STORE_SET, "b", "4", 5);
    cr_assert(flush(store, "ab", 5, 5));
    cr_assert(fixture_holds(store, "a", "1", 5));
    cr_assert(not(fixture_has(store, "ab", 5)));
    fixture_write(store, STORE_SET, "ab", "5", 5);
    cr_assert(fixture_holds(store, "ab", "5", 5));
    cr_assert(eq(int, fixture_write(store, STORE_ADD, "abc", "6", 5), STORE_OK));
    cr_assert(fixture_holds(store, "abc", "6", 5));
    cr_assert(fixture_holds(store, "b", "4", 5));
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, stats.flushed, 2));
    cr_assert(eq(u64, stats.flushed_prefix, 2));
    cr_assert(eq(u64, stats.met_flushed, 2));
    cr_assert(eq(u64, stats.items, 4));
    cr_assert(eq(u64, stats.prefixes, 1));
    store_check(store);
    store_destroy(store);
}

/* Every operation finds the key missing, and what it stores is there. */
Test(store_prefixes, no_operation_finds_it) {
    struct store *store = fixture_store(MIB);
    struct store_key key = fixture_key("key");
    struct store_item item;
    uint32_t length;
    uint64_t number, cas;
    for (uint32_t i = 0; i < 8; i++) {
        fixture_write(store, STORE_SET, "key", "10", 5);
        cr_assert(flush(store, "k", 5, 5));
        cr_assert(eq(int, store_look(store, &key, 5, &length), STORE_FLUSHED));
        switch (i) {
        case 0:
            cr_assert(eq(int, store_get(store, &key, 5, &item), STORE_NOT_FOUND));
            break;
        case 1:
            cr_assert(eq(int, store_touch(store, &key, 9, 5, &item), STORE_NOT_FOUND));
            break;
        case 2:
            cr_assert(eq(
                int, store_delta(store, &key, &(struct store_delta){.delta = 1}, 5, &number, &item),
                STORE_NOT_FOUND));
            break;
        case 3:
            cr_assert(
                eq(int, store_delete(store, &key, &(struct store_removal){0}, 5), STORE_NOT_FOUND));
            break;
        case 4:
            cr_assert(eq(int, fixture_write(store, STORE_APPEND, "key", "1", 5), STORE_NOT_STORED));
            break;
        case 5:
            cr_assert(
                eq(int, fixture_write(store, STORE_REPLACE, "key", "1", 5), STORE_NOT_STORED));
            break;
        case 6:
            cr_assert(eq(int,
                         store_write(store, &key,
                                     &(struct store_write){.compare_cas = true, .cas = 1}, 5, &cas),
                         STORE_NOT_FOUND));
            break;
        case 7:
            cr_assert(eq(int,
                         store_delete(store, &key, &(struct store_removal){.mark_stale = true}, 5),
                         STORE_NOT_FOUND));
            break;
        }
        cr_assert(not(fixture_has(store, "key", 5)));
    }
    store_check(store);
    store_destroy(store);
}

/* With a key as long as a prefix may be, and one byte of it beyond the first word that is compared.
 */
Test(store_prefixes, lengths) {
    struct store *store = fixture_store(4 * MIB);
    char key[251];
    memset(key, 'x', 250);
    key[250] = '\0';
    for (uint32_t length = 1; length <= 250; length++) {
        char prefix[251];
        memcpy(prefix, key, 251);
        prefix[length] = '\0';
        fixture_write(store, STORE_SET, key, "v", 5);
        prefix[length - 1] = 'y';
        cr_assert(flush(store, prefix, 5, 5));
        cr_assert(fixture_has(store, key, 5), "%u", length);
        prefix[length - 1] = 'x';
        cr_assert(flush(store, prefix, 5, 5));
        cr_assert(not(fixture_has(store, key, 5)), "%u", length);
        crawl(store, 5);
    }
    fixture_write(store, STORE_SET, "x", "v", 5);
    cr_assert(store_flush_prefix(store, "x\0", 2, 5, 5));
    cr_assert(fixture_has(store, "x", 5));
    store_check(store);
    store_destroy(store);
}

/* A crawl ends the rules that were there when it began, and no others. */
Test(store_prefixes, end_with_a_crawl) {
    struct store *store = fixture_store(MIB);
    char text[32];
    for (uint32_t i = 0; i < 100; i++) {
        fixture_write(store, STORE_SET, name_of(text, "a", i), "1", 5);
        fixture_write(store, STORE_SET, name_of(text, "b", i), "1", 5);
    }
    cr_assert(eq(u32, store_expires_soonest(store), UINT32_MAX));
    cr_assert(flush(store, "a", 5, 5));
    cr_assert(store_flushes_prefixes(store));
    uint64_t cursor = 0, checked = 0, reclaimed = 0;
    cr_assert(store_crawl(store, &cursor, 10, 5, &checked, &reclaimed));
    cr_assert(flush(store, "b1", 5, 5));
    cr_assert(flush(store, "c", 9, 5));
    while (store_crawl(store, &cursor, 10, 5, &checked, &reclaimed)) {
    }
    cr_assert(store_flushes_prefixes(store));
    cr_assert(eq(u32, store_prefixes(store), 2));
    crawl(store, 5);
    cr_assert(not(store_flushes_prefixes(store)));
    cr_assert(eq(u32, store_prefixes(store), 1));
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, stats.items, 89));
    cr_assert(eq(u64, stats.flushed_prefix, 111));
    cr_assert(eq(u64, stats.crawl_reclaimed, 111));
    store_check(store);
    store_destroy(store);
}

/* One takes no place that makes another one void. */
Test(store_prefixes, as_many_as_there_may_be) {
    struct store *store = fixture_store(MIB);
    char text[32];
    for (uint32_t i = 0; i < STORE_PREFIXES_MAX; i++) {
        fixture_write(store, STORE_SET, name_of(text, "p", 100 + i), "1", 5);
        cr_assert(flush(store, text, i % 2 == 0 ? 5 : 9, 5));
    }
    fixture_write(store, STORE_SET, "q", "1", 5);
    cr_assert(not(flush(store, "q", 5, 5)));
    cr_assert(not(flush(store, "q", 9, 5)));
    cr_assert(fixture_has(store, "q", 5));
    cr_assert(flush(store, "p100", 5, 5)); /* the same again */
    cr_assert(flush(store, "p101", 10, 5));
    cr_assert(eq(u32, store_prefixes(store), STORE_PREFIXES_MAX));
    cr_assert(flush(store, "p1", 5, 5)); /* all that are in force, and begin so */
    cr_assert(eq(u32, store_prefixes(store), STORE_PREFIXES_MAX / 2 + 1));
    cr_assert(eq(u64, crawl(store, 5), STORE_PREFIXES_MAX));
    cr_assert(eq(u32, store_prefixes(store), STORE_PREFIXES_MAX / 2));
    store_check(store);
    store_destroy(store);
}

Test(store_prefixes, come_due) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "a", "1", 5);
    cr_assert(flush(store, "a", 20, 5));
    cr_assert(not(store_flushes_prefixes(store)));
    fixture_write(store, STORE_SET, "ab", "1", 19);
    cr_assert(fixture_has(store, "a", 19));
    cr_assert(not(fixture_has(store, "a", 20)));
    cr_assert(store_flushes_prefixes(store));
    fixture_write(store, STORE_SET, "a", "2", 20);
    cr_assert(fixture_holds(store, "a", "2", 20));
    cr_assert(not(fixture_has(store, "ab", 20)));
    /* A later one replaces it, and so does one at once. */
    cr_assert(flush(store, "a", 30, 20));
    cr_assert(flush(store, "a", 40, 20));
    cr_assert(fixture_has(store, "a", 39));
    cr_assert(flush(store, "a", 39, 39));
    fixture_write(store, STORE_SET, "a", "3", 39);
    cr_assert(fixture_has(store, "a", 50));
    store_check(store);
    store_destroy(store);
}

/* flush_all ends rules in force; those to come are to come. */
Test(store_prefixes, with_a_flush_of_all) {
    struct store *store = fixture_store(MIB);
    fixture_write(store, STORE_SET, "a", "1", 5);
    fixture_write(store, STORE_SET, "b", "1", 5);
    cr_assert(flush(store, "a", 5, 5));
    cr_assert(flush(store, "b", 20, 5));
    store_flush(store, 15, 5);
    cr_assert(fixture_has(store, "b", 14));
    cr_assert(not(fixture_has(store, "b", 15)));
    cr_assert(eq(u32, store_prefixes(store), 1));
    cr_assert(eq(u64, fixture_stats(store).items, 0));
    fixture_write(store, STORE_SET, "a", "2", 15);
    fixture_write(store, STORE_SET, "b", "2", 15);
    store_check(store);
    cr_assert(not(fixture_has(store, "b", 20)));
    cr_assert(fixture_has(store, "a", 20));
    store_check(store);
    store_destroy(store);
}

/* Segments that a flush has closed are filled, so that nearly empty ones are sparse, and cleaned: a
 * thousand flushes among some sets cost no memory for long, and evict nothing. */
Test(store_prefixes, leave_no_empty_segments) {
    struct store *store = fixture_store(8 * MIB);
    char text[32];
    for (uint32_t i = 0; i < 10000; i++) {
        fixture_write(store, STORE_SET, name_of(text, "k", i), "1", 5);
        if (i % 10 == 0) {
            cr_assert(flush(store, name_of(text, "x", i % 7), 5, 5));
            store_check_memory(store);
        }
    }
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, stats.items, 10000));
    cr_assert(eq(u64, stats.evictions, 0));
    cr_assert(lt(u64, 500, stats.segments_cleaned));
    store_check(store);
    store_destroy(store);
}

/* The head of a large value decides, wherever its extents are. */
Test(store_prefixes, large_values) {
    struct store *store = fixture_store(8 * MIB);
    struct store_key key = fixture_key("large");
    struct store_write write = {.value_length = 100000};
    uint64_t upload, cas;
    static char bytes[100000];
    fixture_set_bytes(store, "large", 100000, 0, 5);
    cr_assert(flush(store, "l", 5, 5));
    cr_assert(not(fixture_has(store, "large", 5)));
    cr_assert(
        eq(int, store_upload_begin(store, &key, 100000, STORE_UPLOAD_SETS, 5, &upload), STORE_OK));
    cr_assert(eq(int, store_upload_add(store, upload, bytes, 100000, 5), STORE_OK));
    cr_assert(flush(store, "l", 5, 5));
    cr_assert(eq(int, store_upload_end(store, upload, &key, &write, 5, &cas), STORE_OK));
    cr_assert(fixture_has(store, "large", 5));
    crawl(store, 5);
    cr_assert(fixture_has(store, "large", 5));
    store_check(store);
    store_destroy(store);
}

/* Opening an image carries rules in force out; those to come stay, and the format is the older one
 * when there are none. */
Test(store_prefixes, images) {
    struct store_config config = fixture_config(MIB);
    for (uint32_t closed = 0; closed < 2; closed++) {
        struct store_image image = image_file(&config);
        struct store *store = image_create(&image, &config);
        struct store_recovery recovery;
        struct image_header header;
        fixture_write(store, STORE_SET, "a", "1", 5);
        fixture_write(store, STORE_SET, "b", "1", 5);
        fixture_write(store, STORE_SET, "c", "1", 5);
        cr_assert(flush(store, "a", 5, 5));
        cr_assert(flush(store, "b", 20, 5));
        cr_assert(eq(u32, store->image->version, IMAGE_VERSION_PREFIXES));
        fixture_write(store, STORE_SET, "a2", "2", 5);
        if (closed) {
            store_image_close(store);
        } else {
            store_destroy(store);
        }
        store = image_open(&image, &config, &recovery);
        cr_assert(eq(u64, recovery.flushed, 1));
        cr_assert(eq(u32, store_prefixes(store), 1));
        cr_assert(not(fixture_has(store, "a", 6)));
        cr_assert(fixture_holds(store, "a2", "2", 6));
        cr_assert(fixture_has(store, "b", 19));
        cr_assert(not(fixture_has(store, "b", 20)));
        crawl(store, 20);
        fixture_write(store, STORE_SET, "b", "2", 20);
        store_image_close(store);
        cr_assert(eq(long, pread(image.fd, &header, sizeof(header), 0), sizeof(header)));
        cr_assert(eq(u32, header.version, IMAGE_VERSION));
        store = image_open(&image, &config, &recovery);
        cr_assert(eq(u64, recovery.items, 3));
        cr_assert(fixture_holds(store, "b", "2", 20));
        store_check(store);
        store_destroy(store);
        close(image.fd);
    }
}

/* All that there may be, to come, and one of them replaced. */
Test(store_prefixes, image_with_all) {
    struct store_config config = fixture_config(MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    struct store_recovery recovery;
    char text[32];
    for (uint32_t i = 0; i < STORE_PREFIXES_MAX; i++) {
        cr_assert(flush(store, name_of(text, "p", 100 + i), 20 + i, 5));
        fixture_write(store, STORE_SET, text, "1", 5);
    }
    cr_assert(flush(store, "p100", 1000, 5));
    store_destroy(store);
    store = image_open(&image, &config, &recovery);
    cr_assert(eq(u32, store_prefixes(store), STORE_PREFIXES_MAX));
    for (uint32_t i = 1; i < STORE_PREFIXES_MAX; i++) {
        cr_assert(fixture_has(store, name_of(text, "p", 100 + i), 19 + i));
        cr_assert(not(fixture_has(store, text, 20 + i)));
    }
    cr_assert(fixture_has(store, "p100", 999));
    cr_assert(not(fixture_has(store, "p100", 1000)));
    store_destroy(store);
    close(image.fd);
}
