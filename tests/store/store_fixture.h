/* What the tests of the store share: short calls of its functions, and a hash function. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/check.h"
#include "store/internal.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)

static inline uint64_t fixture_mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

#define FIXTURE_SEED 0xcbf29ce484222325u

static inline uint64_t fixture_hash(const char *bytes, uint32_t length, uint64_t seed) {
    uint64_t hash = seed;
    for (uint32_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    }
    return fixture_mix(hash);
}

static inline struct store_config fixture_config(size_t memory_bytes) {
    return (struct store_config){.hash = fixture_hash,
                                 .seed = FIXTURE_SEED,
                                 .memory_bytes = memory_bytes,
                                 .memory_bytes_max = memory_bytes,
                                 .item_bytes_max = MIB,
                                 .shard = 1,
                                 .shards = 3};
}

static inline struct store *fixture_store_of(const struct store_config *config) {
    struct store *store = NULL;
    cr_assert(eq(int, store_create(&store, config), 0));
    return store;
}

/* A store that may be resized up to memory_bytes_max. */
static inline struct store *fixture_store_up_to(size_t memory_bytes, size_t memory_bytes_max) {
    struct store_config config = fixture_config(memory_bytes);
    config.memory_bytes_max = memory_bytes_max;
    return fixture_store_of(&config);
}

static inline struct store *fixture_store(size_t memory_bytes) {
    return fixture_store_up_to(memory_bytes, memory_bytes);
}

/* One that evicts nothing. */
static inline struct store *fixture_store_refusing(size_t memory_bytes) {
    struct store_config config = fixture_config(memory_bytes);
    config.no_eviction = true;
    return fixture_store_of(&config);
}

static inline struct store_key fixture_key(const char *text) {
    uint32_t length = (uint32_t)strlen(text);
    return (struct store_key){text, length, fixture_hash(text, length, FIXTURE_SEED)};
}

/* Writes a text as value; returns the status. */
static inline enum store_status fixture_write(struct store *store, enum store_mode mode,
                                              const char *key_text, const char *text,
                                              uint32_t now) {
    struct store_key key = fixture_key(key_text);
    struct store_write write = {
        .mode = mode, .value = text, .value_length = (uint32_t)strlen(text)};
    uint64_t cas;
    return store_write(store, &key, &write, now, &cas);
}

/* Writes a value of zero bytes, with an expiry time. Allocates nothing, since tests measure the
 * resident size. */
static inline enum store_status fixture_set_bytes(struct store *store, const char *key_text,
                                                  uint32_t length, uint32_t expires, uint32_t now) {
    static const char zeros[MIB + 1];
    struct store_key key = fixture_key(key_text);
    struct store_write write = {.value = zeros, .value_length = length, .expires = expires};
    uint64_t cas;
    return store_write(store, &key, &write, now, &cas);
}

static inline enum store_status fixture_get(struct store *store, const char *key_text, uint32_t now,
                                            struct store_item *item) {
    struct store_key key = fixture_key(key_text);
    return store_get(store, &key, now, item);
}

static inline enum store_status fixture_delete(struct store *store, const char *key_text,
                                               uint32_t now) {
    struct store_key key = fixture_key(key_text);
    struct store_removal removal = {0};
    return store_delete(store, &key, &removal, now);
}

static inline bool fixture_has(struct store *store, const char *key_text, uint32_t now) {
    struct store_item item;
    return fixture_get(store, key_text, now, &item) == STORE_OK;
}

/* Whether this is the item's value, large or not. */
static inline bool fixture_is(const struct store *store, const struct store_item *item,
                              const char *value, uint32_t length) {
    if (item->value_length != length) {
        return false;
    }
    if (item->large == 0) {
        return length == 0 || memcmp(item->value, value, length) == 0;
    }
    uint32_t at = 0;
    while (at < length) {
        const char *bytes;
        uint32_t part = store_lease_read(store, item->large, at, &bytes);
        if (memcmp(bytes, value + at, part) != 0) {
            return false;
        }
        at += part;
    }
    return !item->value && at == length;
}

/* Whether this is the value stored under the key. */
static inline bool fixture_holds(struct store *store, const char *key_text, const char *text,
                                 uint32_t now) {
    struct store_item item;
    return fixture_get(store, key_text, now, &item) == STORE_OK &&
           fixture_is(store, &item, text, (uint32_t)strlen(text));
}

static inline struct store_stats fixture_stats(const struct store *store) {
    struct store_stats stats;
    store_stats(store, &stats);
    return stats;
}

#endif
