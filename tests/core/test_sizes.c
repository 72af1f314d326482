/* stats sizes: the histogram, the chunks that fill it, and what is written of it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats/sizes.h"

static struct store_entry item_of(uint32_t bytes) {
    return (struct store_entry){.item = {.bytes = bytes}};
}

static char *sizes_answer(const struct sizes_histogram *histogram) {
    struct buffer_pool pool;
    struct buffer output = {0};
    struct request request = {.op = OP_STATS, .protocol = PROTOCOL_TEXT};
    buffer_pool_init(&pool);
    cr_assert(sizes_write(&pool, &output, &request, histogram));
    char *copy = calloc(1, output.length + 1);
    memcpy(copy, output.bytes, output.length);
    buffer_release(&pool, &output);
    buffer_pool_finish(&pool);
    return copy;
}

Test(sizes, classes_of_32_bytes) {
    struct sizes_chunk chunk;
    struct sizes_histogram *histogram = sizes_create(1000);
    const uint32_t sizes[] = {64, 65, 96, 96, 97, 999, 1000, 5000};
    sizes_chunk_init(&chunk);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct store_entry entry = item_of(sizes[i]);
        cr_assert(sizes_visit(&chunk, &entry));
    }
    sizes_add(histogram, &chunk);
    sizes_add(histogram, &chunk);
    char *answer = sizes_answer(histogram);
    cr_assert(eq(str, answer,
                 (char *)"STAT 64 2\r\nSTAT 96 6\r\nSTAT 128 2\r\nSTAT 1024 4\r\nSTAT 1056 2\r\n"
                         "END\r\n"));
    free(answer);
    free(histogram);
}

/* Classes that fall on the same slot, and more of them than a chunk takes. */
Test(sizes, a_full_chunk_refuses_and_loses_nothing) {
    enum { CLASSES = 3000 };
    struct sizes_chunk chunk;
    struct sizes_histogram *histogram = sizes_create(CLASSES * 1024 * SIZES_CLASS_BYTES);
    sizes_chunk_init(&chunk);
    uint32_t chunks = 0;
    for (uint32_t i = 0; i < CLASSES; i++) {
        struct store_entry entry = item_of((i % 2 ? i : i * 1024) * SIZES_CLASS_BYTES);
        if (sizes_visit(&chunk, &entry)) {
            continue;
        }
        sizes_add(histogram, &chunk);
        sizes_chunk_init(&chunk);
        cr_assert(sizes_visit(&chunk, &entry));
        chunks++;
    }
    sizes_add(histogram, &chunk);
    cr_assert(eq(u32, chunks, (CLASSES - 1) / SIZES_CHUNK_CLASSES_MAX));
    uint64_t items = 0;
    for (uint32_t i = 0; i < histogram->classes; i++) {
        items += histogram->items[i];
    }
    cr_assert(eq(u64, items, CLASSES));
    free(histogram);
}

/* While memory is scarce: then nothing is appended. */
Test(sizes, a_long_answer_is_refused_whole) {
    enum { CLASSES = 2000 };
    struct buffer_pool pool;
    struct buffer output = {0};
    const struct request text = {.op = OP_STATS, .protocol = PROTOCOL_TEXT},
                         binary = {.op = OP_STATS, .protocol = PROTOCOL_BINARY, .opcode = 0x10};
    struct sizes_histogram *histogram = sizes_create(CLASSES * SIZES_CLASS_BYTES);
    buffer_pool_init(&pool);
    for (uint32_t i = 0; i < CLASSES; i++) {
        histogram->items[i] = i + 1;
    }
    buffer_pool_limit(&pool, 1);
    cr_assert(buffer_append(&pool, &output, "before", 6));
    cr_assert(not(sizes_write(&pool, &output, &text, histogram)));
    cr_assert(not(sizes_write(&pool, &output, &binary, histogram)));
    cr_assert(eq(sz, output.length, 6));
    buffer_pool_limit(&pool, SIZE_MAX);
    cr_assert(sizes_write(&pool, &output, &text, histogram));
    cr_assert(sizes_write(&pool, &output, &binary, histogram));
    cr_assert(zero(int, memcmp(output.bytes, "beforeSTAT 0 1\r\nSTAT 32 2\r\n",
                               strlen("beforeSTAT 0 1\r\nSTAT 32 2\r\n"))));
    buffer_release(&pool, &output);
    buffer_pool_finish(&pool);
    free(histogram);
}

static uint64_t hash_number(const char *key, uint32_t length, uint64_t seed) {
    uint64_t number;
    cr_assert(eq(u32, length, sizeof(number)));
    memcpy(&number, key, sizeof(number));
    return number * seed;
}

/* Every item of a store once, whatever the slices. */
Test(sizes, a_walk_fills_chunks) {
    enum { ITEMS = 2000 };
    struct store *store;
    const struct store_config config = {.hash = hash_number,
                                        .seed = 0x9e3779b97f4a7c15u,
                                        .memory_bytes = 8 << 20,
                                        .memory_bytes_max = 8 << 20,
                                        .item_bytes_max = 1 << 16,
                                        .shards = 1};
    static const char value[ITEMS];
    uint64_t cursor = 0, items = 0, cas;
    cr_assert(zero(int, store_create(&store, &config)));
    for (uint64_t i = 0; i < ITEMS; i++) {
        struct store_key key = {
            .bytes = (const char *)&i, .length = sizeof(i), .hash = i * config.seed};
        struct store_write write = {.value = value, .value_length = (uint32_t)i};
        cr_assert(eq(int, store_write(store, &key, &write, 2, &cas), STORE_OK));
    }
    struct sizes_histogram *histogram = sizes_create(config.item_bytes_max);
    struct sizes_chunk chunk;
    bool more = true;
    while (more) {
        sizes_chunk_init(&chunk);
        more = store_scan(store, &cursor, 300, 2, sizes_visit, &chunk);
        sizes_add(histogram, &chunk);
    }
    for (uint32_t i = 0; i < histogram->classes; i++) {
        items += histogram->items[i];
    }
    cr_assert(eq(u64, items, ITEMS));
    /* Each length of value was there once. */
    cr_assert(eq(u64, histogram->items[1000 / SIZES_CLASS_BYTES], SIZES_CLASS_BYTES));
    free(histogram);
    store_destroy(store);
}
