/* A file system without room: a store there has less memory, that is all. */
#include "image_fixture.h"
#include "large_fixture.h"
#include "store/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The bytes that the file system has left for files; negative: any number. */
static int64_t bytes_left = -1;

/* In place of the C library's: refuses what is more than is left. */
int fallocate(int fd, int mode, off_t offset, off_t bytes) {
    struct stat before, after;
    fstat(fd, &before);
    if (mode == 0 && bytes_left >= 0 && bytes > bytes_left) {
        errno = ENOSPC;
        return -1;
    }
    long result = syscall(SYS_fallocate, fd, mode, offset, bytes);
    fstat(fd, &after);
    if (bytes_left >= 0) {
        bytes_left -= mode == 0 ? bytes : ((int64_t)after.st_blocks - before.st_blocks) * 512;
    }
    return (int)result;
}

static char text[16];

static const char *key_of(uint32_t number) {
    snprintf(text, sizeof(text), "key %u", number);
    return text;
}

/* Every write finds memory, since old items go; and there is more as soon as the file system has
 * more. */
Test(store_image_full, evicts_what_is_there) {
    struct store_config config = fixture_config(16 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    bytes_left = 4 * MIB;
    uint32_t now = 5;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t length = i % 100 == 0 ? 50000 : 1000;
        now += i % 100 == 0;
        cr_assert(eq(int, fixture_set_bytes(store, key_of(i), length, 0, now), STORE_OK), "%u", i);
        if (i % 3 == 0) {
            fixture_has(store, key_of(i), now);
        }
        store_check_memory(store);
    }
    store_check(store);
    struct store_stats stats = fixture_stats(store);
    cr_assert(stats.evictions > 0);
    cr_assert(stats.item_bytes > 2 * MIB);
    cr_assert(stats.memory_bytes < 6 * MIB);
    bytes_left = -1;
    for (uint32_t i = 0; i < 20000; i++) {
        now += i % 100 == 0;
        cr_assert(eq(int, fixture_set_bytes(store, key_of(i), 1000, 0, now), STORE_OK));
    }
    cr_assert(fixture_stats(store).item_bytes > 10 * MIB);
    store_check(store);
    store = image_kill(store, &image, &config);
    cr_assert(fixture_stats(store).item_bytes > 10 * MIB);
    store_destroy(store);
    close(image.fd);
}

/* The least there can be: the head of a large item takes the place of its upload's record, which is
 * hardly longer where the key is short. */
static void full_store_large(uint32_t segments) {
    struct store_config config = fixture_config(16 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    uint32_t stored = 0;
    bytes_left = segments * (int64_t)store->log.segment_bytes;
    for (uint32_t i = 0; i < 3000; i++) {
        char name[] = "abcdefgh";
        name[1 + i % 8] = 0;
        uint32_t length = 16385 + i * 997 % 200000;
        (void)fixture_set_bytes(store, key_of(i % 50), i * 37 % 3000, 0, 1);
        if (large_write(store, name, STORE_SET, large_pattern() + i, length) == STORE_OK) {
            stored++;
            store_check(store);
            cr_assert(large_has(store, name, large_pattern() + i, length), "%u", i);
        }
    }
    cr_assert(stored > 10, "%u", segments);
    bytes_left = -1;
    store_destroy(store);
    close(image.fd);
}

Test(store_image_full, large_items) {
    for (uint32_t segments = 2; segments < 12; segments++) {
        full_store_large(segments);
    }
}

/* No room at all: writes are refused, or the image can't be created. */
Test(store_image_full, nothing_left) {
    struct store_config config = fixture_config(16 * MIB);
    struct store_image image = image_file(&config);
    struct store *store = NULL;
    bytes_left = 0;
    cr_assert(eq(int, store_image_create(&store, &config, &image), -ENOSPC));
    bytes_left = -1;
    store = image_create(&image, &config);
    bytes_left = 0;
    cr_assert(eq(int, fixture_set_bytes(store, "a", 1000, 0, 5), STORE_NO_MEMORY));
    cr_assert(eq(int, fixture_set_bytes(store, "a", 100000, 0, 5), STORE_NO_MEMORY));
    store_check(store);
    bytes_left = -1;
    cr_assert(eq(int, fixture_set_bytes(store, "a", 1000, 0, 20), STORE_OK));
    store_check(store);
    store_destroy(store);
    close(image.fd);
}

/* Where nothing may be evicted what is there stays, and can be replaced. */
Test(store_image_full, refuses) {
    struct store_config config = fixture_config(16 * MIB);
    config.no_eviction = true;
    struct store_image image = image_file(&config);
    struct store *store = image_create(&image, &config);
    bytes_left = 2 * MIB;
    uint32_t stored = 0;
    while (fixture_set_bytes(store, key_of(stored), 1000, 0, 5) == STORE_OK) {
        stored++;
    }
    cr_assert(stored > 1000);
    for (uint32_t i = 0; i < stored; i++) {
        cr_assert(eq(int, fixture_set_bytes(store, key_of(i), 900, 0, 6), STORE_OK));
    }
    store_check(store);
    bytes_left = -1;
    store = image_kill(store, &image, &config);
    cr_assert(eq(u64, fixture_stats(store).items, stored));
    store_destroy(store);
    close(image.fd);
}
