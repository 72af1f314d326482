/* A store in a file without a name, which is ended and opened again. */
#ifndef TESTS_STORE_IMAGE_FIXTURE_H
#define TESTS_STORE_IMAGE_FIXTURE_H

#include "store/image.h"

#include "store_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

/* A file that is long enough for a store of this configuration, all of it a hole. */
static inline struct store_image image_file(const struct store_config *config) {
    struct store_image image = {.fd = memfd_create("image", 0), .bytes = store_image_bytes(config)};
    cr_assert(image.fd >= 0);
    cr_assert(image.bytes > 0);
    cr_assert(eq(int, ftruncate(image.fd, (off_t)image.bytes), 0));
    return image;
}

static inline struct store *image_create(const struct store_image *image,
                                         const struct store_config *config) {
    struct store *store = NULL;
    cr_assert(eq(int, store_image_create(&store, config, image), 0));
    return store;
}

static inline struct store *image_open(const struct store_image *image,
                                       const struct store_config *config,
                                       struct store_recovery *recovery) {
    struct store *store = NULL;
    int error = store_image_open(&store, config, image, recovery);
    if (error != 0) {
        cr_fatal("error %d, segment %u: %s", error, recovery->segment,
                 recovery->damage ? recovery->damage : "");
    }
    store_check(store);
    return store;
}

/* Ends the store as a killed process does, and opens it again. */
static inline struct store *image_kill(struct store *store, const struct store_image *image,
                                       const struct store_config *config) {
    struct store_recovery recovery;
    store_destroy(store);
    return image_open(image, config, &recovery);
}

/* Value n: its length, up to 300 bytes, or to long_max for each long_every-th, and its bytes follow
 * from the number. */
static inline uint32_t image_value(uint32_t number, uint32_t long_every, uint32_t long_max,
                                   char *bytes) {
    uint32_t length =
        (uint32_t)(fixture_mix(number + 5) % (number % long_every == 0 ? long_max : 300));
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (char)fixture_mix(number * 31 + i / 4);
    }
    return length;
}

static inline struct store_key image_key(uint32_t number, char text[16]) {
    snprintf(text, 16, "key %u", number);
    return fixture_key(text);
}

#endif
