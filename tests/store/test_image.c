/* Stores in files: what the next process finds there. */
#include "image_fixture.h"
#include "store/pages.h"

#include <errno.h>
#include <sys/stat.h>

#define KEYS 3000

static uint32_t value_of(uint32_t number, char *bytes) {
    return image_value(number, 50, 40000, bytes);
}

static void put(struct store *store, uint32_t number, uint32_t version, uint32_t now) {
    static char bytes[40000];
    char text[16];
    struct store_key key = image_key(number, text);
    struct store_write write = {.value = bytes,
                                .value_length = value_of(number + version, bytes),
                                .client_flags = number % 3 == 0 ? number : 0,
                                .expires = number % 4 == 0 ? 1000 + number : 0};
    uint64_t cas;
    cr_assert(eq(int, store_write(store, &key, &write, now, &cas), STORE_OK));
}

static void check(struct store *store, uint32_t number, uint32_t version, uint32_t now) {
    static char bytes[40000];
    char text[16];
    struct store_key key = image_key(number, text);
    uint32_t length = value_of(number + version, bytes);
    struct store_item item;
    cr_assert(eq(int, store_get(store, &key, now, &item), STORE_OK));
    cr_assert(fixture_is(store, &item, bytes, length));
    cr_assert(eq(u32, item.client_flags, number % 3 == 0 ? number : 0));
    cr_assert(eq(u32, item.expires, number % 4 == 0 ? 1000 + number : 0));
}

/* Items of every kind, some written again, some removed. */
static void fill(struct store *store) {
    char text[16];
    for (uint32_t i = 0; i < KEYS; i++) {
        put(store, i, 0, 5);
    }
    for (uint32_t i = 0; i < KEYS; i += 7) {
        put(store, i, 1000000, 6);
    }
    for (uint32_t i = 0; i < KEYS; i += 11) {
        struct store_key key = image_key(i, text);
        struct store_removal removal = {0};
        cr_assert(eq(int, store_delete(store, &key, &removal, 7), STORE_OK));
    }
}

static void check_filled(struct store *store) {
    char text[16];
    for (uint32_t i = 0; i < KEYS; i++) {
        if (i % 11 == 0) {
            cr_assert(not(fixture_has(store, (image_key(i, text), text), 8)));
        } else {
            check(store, i, i % 7 == 0 ? 1000000 : 0, 8);
        }
    }
}

Test(store_image, everything_is_there_again) {
    struct store_config config = fixture_config(16 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    fill(store);
    check_filled(store);
    struct store_stats before = fixture_stats(store);
    for (uint32_t i = 0; i < 5; i++) {
        store = image_kill(store, &image, &config);
        check_filled(store);
        struct store_stats stats = fixture_stats(store);
        cr_assert(eq(u64, stats.items, before.items));
        cr_assert(eq(u64, stats.item_bytes, before.item_bytes));
    }
    store_image_close(store);
    struct store_image_info info;
    cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_GOOD));
    cr_assert(info.clean);
    cr_assert(eq(u64, info.items, before.items));
    struct store_recovery recovery;
    store = image_open(&image, &config, &recovery);
    cr_assert(eq(u64, recovery.items, before.items));
    cr_assert(eq(u64, recovery.copies + recovery.torn + recovery.flushed + recovery.extents, 0));
    check_filled(store);
    store_destroy(store);
    close(image.fd);
}

/* Above SEGMENTS_HUGE_ABOVE segments share huge pages. */
Test(store_image, blocks) {
    struct store_config config = fixture_config(80 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            char text[16];
            image_key(i, text);
            fixture_set_bytes(store, text, 1000000, 0, 5);
        }
        fill(store);
        check_filled(store);
        store = image_kill(store, &image, &config);
        check_filled(store);
    }
    store_destroy(store);
    close(image.fd);
}

Test(store_image, flushed_items_stay_so) {
    struct store_config config = fixture_config(4 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    fixture_write(store, STORE_SET, "old", "1", 5);
    store_flush(store, 6, 6);
    fixture_write(store, STORE_SET, "new", "2", 6);
    store_flush(store, 20, 6);
    store = image_kill(store, &image, &config);
    cr_assert(not(fixture_has(store, "old", 7)));
    cr_assert(fixture_holds(store, "new", "2", 7));
    struct store_image_info info;
    cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_GOOD));
    cr_assert(eq(u32, info.flush_at, 20));
    cr_assert(fixture_holds(store, "new", "2", 19));
    store = image_kill(store, &image, &config);
    cr_assert(not(fixture_has(store, "new", 20)));
    fixture_write(store, STORE_SET, "newer", "3", 21);
    store = image_kill(store, &image, &config);
    cr_assert(fixture_holds(store, "newer", "3", 21));
    cr_assert(not(fixture_has(store, "new", 21)));
    store_destroy(store);
    close(image.fd);
}

/* No CAS is given out twice, and the counter stays where it was when the store was closed. */
Test(store_image, cas_goes_on) {
    struct store_config config = fixture_config(4 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    struct store_recovery recovery;
    uint64_t last = 0;
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 20000; i++) {
            uint64_t cas;
            struct store_key key = fixture_key("key");
            struct store_write write = {.value = "x", .value_length = 1};
            cr_assert(eq(int, store_write(store, &key, &write, 5, &cas), STORE_OK));
            cr_assert(cas > last);
            cr_assert(eq(u64, cas % 3, 1));
            last = cas;
        }
        if (round % 2 == 0) {
            store = image_kill(store, &image, &config);
        } else {
            store_image_close(store);
            struct store_image_info info;
            cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_GOOD));
            cr_assert(eq(u64, info.cas_max, last));
            store = image_open(&image, &config, &recovery);
        }
    }
    store_raise_cas(store, last + 1000000);
    uint64_t cas;
    struct store_key key = fixture_key("key");
    struct store_write write = {.value = "x", .value_length = 1};
    store_write(store, &key, &write, 5, &cas);
    cr_assert(cas > last + 1000000);
    store_destroy(store);
    close(image.fd);
}

/* Uploads are gone, their memory is free; leases are void. */
Test(store_image, nothing_stays_pinned) {
    struct store_config config = fixture_config(4 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    static char value[300000];
    uint64_t upload;
    struct store_item item;
    fixture_set_bytes(store, "large", 300000, 0, 5);
    cr_assert(eq(int, fixture_get(store, "large", 5, &item), STORE_OK));
    cr_assert(store_lease(store, item.large));
    struct store_key key = fixture_key("large");
    cr_assert(eq(int, store_upload_begin(store, &key, 300000, STORE_UPLOAD_STORES, 5, &upload),
                 STORE_OK));
    cr_assert(eq(int, store_upload_add(store, upload, value, 200000, 5), STORE_OK));
    store_destroy(store);
    struct store_recovery recovery;
    store = image_open(&image, &config, &recovery);
    cr_assert(eq(u64, recovery.items, 1));
    cr_assert(recovery.extents > 1);
    struct store_stats stats = fixture_stats(store);
    cr_assert(eq(u64, stats.uploads + stats.leases + stats.pinned_bytes, 0));
    cr_assert(eq(u64, stats.item_bytes + stats.dead_bytes, store->log.used_bytes));
    cr_assert(fixture_has(store, "large", 5));
    store_destroy(store);
    close(image.fd);
}

static uint64_t blocks_bytes(const struct store_image *image) {
    struct stat stat;
    fstat(image->fd, &stat);
    return (uint64_t)stat.st_blocks * 512;
}

/* The file holds what is in use, and no more after the memory was given back. */
Test(store_image, file_stays_small) {
    struct store_config config = fixture_config(32 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    cr_assert(blocks_bytes(&image) < 100000);
    fixture_write(store, STORE_SET, "key", "value", 5);
    cr_assert(blocks_bytes(&image) < 500000);
    for (uint32_t i = 0; i < 1000; i++) {
        char text[16];
        image_key(i, text);
        fixture_set_bytes(store, text, 50000, 0, 5);
    }
    cr_assert(blocks_bytes(&image) > 28 * MIB);
    cr_assert(blocks_bytes(&image) <= 33 * MIB);
    cr_assert(eq(int, store_resize(store, 8 * MIB), 0));
    while (store_maintain(store, 6)) {
    }
    cr_assert(blocks_bytes(&image) <= 9 * MIB);
    uint64_t items = fixture_stats(store).items;
    store = image_kill(store, &image, &config);
    cr_assert(eq(u64, fixture_stats(store).items, items));
    cr_assert(eq(u64, fixture_stats(store).memory_bytes_max, 8 * MIB));
    cr_assert(blocks_bytes(&image) <= 9 * MIB);
    store_destroy(store);
    close(image.fd);
}
