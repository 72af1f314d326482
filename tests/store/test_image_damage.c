/* Damaged, foreign and cut images: they are refused, or hold what was stored, and nothing else. */
#include "image_fixture.h"
#include "store/pages.h"

#include <errno.h>

#define KEYS 2000

static char text[16];

static const char *key_of(uint32_t number) {
    snprintf(text, sizeof(text), "key %u", number);
    return text;
}

static char bytes[40000];

static uint32_t value_of(uint32_t number) {
    uint32_t length = (uint32_t)(fixture_mix(number + 5) % (number % 50 == 0 ? 40000 : 300));
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (char)fixture_mix(number * 31 + i / 4);
    }
    return length;
}

static void fill(struct store *store) {
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t cas;
        struct store_key key = fixture_key(key_of(i));
        struct store_write write = {.value = bytes, .value_length = value_of(i)};
        cr_assert(eq(int, store_write(store, &key, &write, 5, &cas), STORE_OK));
    }
}

/* Opens a damaged image. Returns whether it could be opened; with `values` nothing else than what
 * was stored may be there then. */
static bool try_open(const struct store_image *image, const struct store_config *config,
                     bool values) {
    struct store_image_info info;
    struct store_recovery recovery;
    struct store *store = NULL;
    enum store_image_kind kind = store_image_read(image, &info);
    int error = store_image_open(&store, config, image, &recovery);
    cr_assert(kind == STORE_IMAGE_GOOD || error == -EINVAL);
    cr_assert(error == 0 || error == -EINVAL || error == -EBADMSG);
    bool named = recovery.damage;
    cr_assert(eq(int, error == -EBADMSG, named));
    if (error != 0) {
        cr_assert(eq(ptr, store, NULL));
        return false;
    }
    store_check(store);
    for (uint32_t i = 0; values && i < KEYS; i++) {
        struct store_item item;
        if (fixture_get(store, key_of(i), 6, &item) == STORE_OK) {
            cr_assert(fixture_is(store, &item, bytes, value_of(i)), "%u", i);
        }
    }
    store_destroy(store);
    return true;
}

static void flip(const struct store_image *image, uint64_t at, uint32_t bit) {
    unsigned char byte;
    cr_assert(eq(long, pread(image->fd, &byte, 1, (off_t)at), 1));
    byte ^= (unsigned char)(1u << bit);
    cr_assert(eq(long, pwrite(image->fd, &byte, 1, (off_t)at), 1));
}

/* A copy of the file, since opening repairs. */
static void restore(const struct store_image *image, const char *copy) {
    cr_assert(eq(long, pwrite(image->fd, copy, image->bytes, 0), (ssize_t)image->bytes));
}

/* Flips a bit in a number of places between two offsets; returns how many images were opened. */
static uint32_t flip_bits(const struct store_config *config, bool closed, bool by_prefix,
                          uint64_t from, uint64_t to, uint32_t times) {
    struct store_image image = image_file(config);
    struct store *store = image_create(&image, config);
    uint32_t opened = 0;
    fill(store);
    if (by_prefix) {
        cr_assert(store_flush_prefix(store, "key 1", 5, 100, 5));
        cr_assert(store_flush_prefix(store, "other", 5, 5, 5));
    }
    if (closed) {
        store_image_close(store);
    } else {
        store_destroy(store);
    }
    char *copy = malloc(image.bytes);
    cr_assert(eq(long, pread(image.fd, copy, image.bytes, 0), (ssize_t)image.bytes));
    for (uint32_t i = 0; i < times; i++) {
        uint64_t random = fixture_mix(i + from + 1);
        flip(&image, from + random % (to - from), (uint32_t)(random >> 40) % 8);
        opened += try_open(&image, config, closed);
        restore(&image, copy);
    }
    cr_assert(try_open(&image, config, true));
    free(copy);
    close(image.fd);
    return opened;
}

/* All of an image that was closed is under a sum: no wrong value, whatever bit it is. */
Test(store_image_damage, bits_of_a_closed_one) {
    struct store_config config = fixture_config(MIB);
    uint64_t log = store_image_bytes(&config) - STORE_IMAGE_ALIGN;
    uint64_t header = offsetof(struct image_header, prefixes);
    uint32_t opened = flip_bits(&config, true, false, 0, header, 300);
    cr_assert(opened < 100); /* a lost `clean`, and what is not used yet, are no damage */
    flip_bits(&config, true, false, 4096, 4096 + 64 * sizeof(struct segment), 200);
    flip_bits(&config, true, false, log, log + MIB, 300);
}

/* After a kill there are no sums: then an image is refused, or can be used. */
Test(store_image_damage, bits_after_a_kill) {
    struct store_config config = fixture_config(MIB);
    uint64_t log = store_image_bytes(&config) - STORE_IMAGE_ALIGN;
    flip_bits(&config, false, false, 0, offsetof(struct image_header, prefixes), 300);
    flip_bits(&config, false, false, 4096, 4096 + 64 * sizeof(struct segment), 300);
    flip_bits(&config, false, false, log, log + MIB, 300);
}

/* Rules of flushes by a prefix are under the sum as long as there are any. */
Test(store_image_damage, bits_of_rules) {
    struct store_config config = fixture_config(MIB);
    uint64_t log = store_image_bytes(&config) - STORE_IMAGE_ALIGN;
    uint64_t first = offsetof(struct image_header, prefixes);
    cr_assert(eq(u32, flip_bits(&config, true, true, first, first + 2 * 16, 50), 0));
    cr_assert(eq(u32, flip_bits(&config, true, true, first, sizeof(struct image_header), 50), 0));
    cr_assert(eq(u32, flip_bits(&config, true, true, log, log + IMAGE_PREFIXES_BYTES, 50), 0));
    flip_bits(&config, false, true, first, first + 2 * 16, 100);
}

Test(store_image_damage, other_files) {
    struct store_config config = fixture_config(MIB);
    struct store_image image = image_file(&config);
    struct store_image_info info;
    cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_FOREIGN));
    cr_assert(not(try_open(&image, &config, true)));
    struct store *store = image_create(&image, &config);
    fill(store);
    store_image_close(store);
    struct store_config other = config;
    other.memory_bytes = other.memory_bytes_max = 2 * MIB;
    cr_assert(not(try_open(&image, &other, true)));
    other = config;
    other.seed++;
    cr_assert(not(try_open(&image, &other, true)));
    struct image_header header;
    cr_assert(eq(long, pread(image.fd, &header, sizeof(header), 0), sizeof(header)));
    header.version += 2;
    cr_assert(eq(long, pwrite(image.fd, &header, sizeof(header), 0), sizeof(header)));
    cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_OTHER));
    cr_assert(not(try_open(&image, &config, true)));
    header.version -= 2;
    cr_assert(eq(long, pwrite(image.fd, &header, sizeof(header), 0), sizeof(header)));
    cr_assert(eq(int, ftruncate(image.fd, (off_t)image.bytes - 4096), 0));
    cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_DAMAGED));
    cr_assert(not(try_open(&image, &config, true)));
    cr_assert(eq(int, ftruncate(image.fd, 100), 0));
    cr_assert(eq(int, store_image_read(&image, &info), STORE_IMAGE_FOREIGN));
    cr_assert(eq(int, ftruncate(image.fd, (off_t)image.bytes), 0));
    cr_assert(not(try_open(&image, &config, true)));
    close(image.fd);
}
