#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/canned_requests.h"

#define VALUE_BYTES 100
#define LARGE_VALUE_BYTES 100000
#define KEYS 1000
#define LARGE_KEYS 10
#define STORES_IN_BATCH (KEYS / CANNED_BATCHES)
#define MULTIGET_KEYS 50
#define STORED_BYTES 8 /* STORED and the line's end */
#define END_BYTES 5
#define BINARY_HEADER_BYTES 24
#define BINARY_GET_EXTRAS_BYTES 4
#define BINARY_SET_EXTRAS_BYTES 8
#define BINARY_OPCODE_GET 0
#define BINARY_OPCODE_SET 1

struct kind;
typedef void requests_add(struct canned_batch *batch, const struct kind *kind, int key);

struct kind {
    const char *name;
    requests_add *add;
    requests_add *add_store; /* stores the key */
    int keys;
    int step; /* how many keys one request is from the next */
    int value_length;
    int stores; /* in a batch */
};

static void requests_append(struct canned_batch *batch, const void *bytes, size_t length) {
    assert(length <= sizeof(batch->bytes) - batch->length);
    memcpy(batch->bytes + batch->length, bytes, length);
    batch->length += length;
}

__attribute__((format(printf, 2, 3))) static void requests_print(struct canned_batch *batch,
                                                                 const char *format, ...) {
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert(length >= 0);
    assert((size_t)length < sizeof(text));
    requests_append(batch, text, (size_t)length);
}

static void requests_append_value(struct canned_batch *batch, int length) {
    assert((size_t)length <= sizeof(batch->bytes) - batch->length);
    memset(batch->bytes + batch->length, 'v', (size_t)length);
    batch->length += (size_t)length;
}

/* A value in the reply to a get, without END. */
static size_t requests_hit_length(int key, int value_length) {
    int line = snprintf(NULL, 0, "VALUE key%d 0 %d\r\n", key, value_length);
    assert(line > 0);
    return (size_t)line + (size_t)value_length + 2;
}

static void requests_add_get(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_print(batch, "get key%d\r\n", key);
    batch->reply_length += requests_hit_length(key, kind->value_length) + END_BYTES;
}

static void requests_add_multiget(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_print(batch, "get");
    for (int i = 0; i < MULTIGET_KEYS; i++) {
        int next = (key + i) % kind->keys;
        requests_print(batch, " key%d", next);
        batch->reply_length += requests_hit_length(next, kind->value_length);
    }
    requests_print(batch, "\r\n");
    batch->reply_length += END_BYTES;
}

static void requests_add_set(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_print(batch, "set key%d 0 0 %d\r\n", key, kind->value_length);
    requests_append_value(batch, kind->value_length);
    requests_print(batch, "\r\n");
    batch->reply_length += STORED_BYTES;
}

static void requests_add_meta_get(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_print(batch, "mg key%d v\r\n", key);
    int line = snprintf(NULL, 0, "VA %d\r\n", kind->value_length);
    assert(line > 0);
    batch->reply_length += (size_t)line + (size_t)kind->value_length + 2;
}

static void requests_add_meta_set(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_print(batch, "ms key%d %d\r\n", key, kind->value_length);
    requests_append_value(batch, kind->value_length);
    requests_print(batch, "\r\n");
    batch->reply_length += strlen("HD\r\n");
}

/* The header, with extras that are all zeros, and the key. */
static void requests_append_binary(struct canned_batch *batch, int opcode, int key, int extras,
                                   int value_length) {
    char name[16];
    int name_length = snprintf(name, sizeof(name), "key%d", key);
    assert(name_length > 0);
    assert((size_t)name_length < sizeof(name));
    int body = extras + name_length + value_length;
    assert(body <= UINT16_MAX);
    uint8_t header[BINARY_HEADER_BYTES + BINARY_SET_EXTRAS_BYTES] = {0x80, (uint8_t)opcode};
    header[3] = (uint8_t)name_length;
    header[4] = (uint8_t)extras;
    header[10] = (uint8_t)(body >> 8);
    header[11] = (uint8_t)body;
    requests_append(batch, header, BINARY_HEADER_BYTES + (size_t)extras);
    requests_append(batch, name, (size_t)name_length);
}

static void requests_add_binary_get(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_append_binary(batch, BINARY_OPCODE_GET, key, 0, 0);
    batch->reply_length +=
        BINARY_HEADER_BYTES + BINARY_GET_EXTRAS_BYTES + (size_t)kind->value_length;
}

static void requests_add_binary_set(struct canned_batch *batch, const struct kind *kind, int key) {
    requests_append_binary(batch, BINARY_OPCODE_SET, key, BINARY_SET_EXTRAS_BYTES,
                           kind->value_length);
    requests_append_value(batch, kind->value_length);
    batch->reply_length += BINARY_HEADER_BYTES;
}

/* A multiget's step is one more than its keys, so that they are not the same every 20 requests. */
static const struct kind kinds[] = {
    {"get", requests_add_get, requests_add_set, KEYS, 1, VALUE_BYTES, STORES_IN_BATCH},
    {"set", requests_add_set, requests_add_set, KEYS, 1, VALUE_BYTES, STORES_IN_BATCH},
    {"get50", requests_add_multiget, requests_add_set, KEYS, MULTIGET_KEYS + 1, VALUE_BYTES,
     STORES_IN_BATCH},
    {"mg", requests_add_meta_get, requests_add_set, KEYS, 1, VALUE_BYTES, STORES_IN_BATCH},
    {"ms", requests_add_meta_set, requests_add_set, KEYS, 1, VALUE_BYTES, STORES_IN_BATCH},
    {"binary_get", requests_add_binary_get, requests_add_binary_set, KEYS, 1, VALUE_BYTES,
     STORES_IN_BATCH},
    {"binary_set", requests_add_binary_set, requests_add_binary_set, KEYS, 1, VALUE_BYTES,
     STORES_IN_BATCH},
    {"large_get", requests_add_get, requests_add_set, LARGE_KEYS, 1, LARGE_VALUE_BYTES, 1},
    {"large_set", requests_add_set, requests_add_set, LARGE_KEYS, 1, LARGE_VALUE_BYTES, 1},
};

static const struct kind *requests_kind(const char *name) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    fprintf(stderr, "canned_uring: no requests are called %s\n", name);
    exit(1);
}

void canned_requests_make(struct canned_requests *requests, const char *kind_name, int in_flight) {
    const struct kind *kind = requests_kind(kind_name);
    int stored = 0, key = 0;
    for (int i = 0; i < CANNED_BATCHES; i++) {
        for (int j = 0; j < kind->stores; j++) {
            kind->add_store(&requests->stores[i], kind, stored++ % kind->keys);
        }
        for (int j = 0; j < in_flight; j++) {
            kind->add(&requests->measured[i], kind, key);
            key = (key + kind->step) % kind->keys;
        }
    }
}
