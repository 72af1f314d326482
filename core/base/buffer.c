#include "core/base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct free_buffer {
    struct free_buffer *next;
};

void buffer_pool_init(struct buffer_pool *pool) {
    *pool = (struct buffer_pool){0};
}

void buffer_pool_finish(struct buffer_pool *pool) {
    while (pool->free) {
        struct free_buffer *first = pool->free;
        pool->free = first->next;
        free(first);
    }
    pool->bytes -= pool->free_count * BUFFER_STANDARD_BYTES;
    pool->free_count = 0;
}

static char *buffer_pool_take(struct buffer_pool *pool, size_t capacity) {
    if (capacity == BUFFER_STANDARD_BYTES && pool->free) {
        struct free_buffer *first = pool->free;
        pool->free = first->next;
        pool->free_count--;
        return (char *)first;
    }
    char *bytes = malloc(capacity);
    if (bytes) {
        pool->bytes += capacity;
    }
    return bytes;
}

static void buffer_pool_give(struct buffer_pool *pool, char *bytes, size_t capacity) {
    if (capacity == BUFFER_STANDARD_BYTES && pool->free_count < BUFFER_POOL_FREE_MAX) {
        struct free_buffer *first = (struct free_buffer *)bytes;
        first->next = pool->free;
        pool->free = first;
        pool->free_count++;
        return;
    }
    pool->bytes -= capacity;
    free(bytes);
}

/* The standard size; above it at least 1.5 times the capacity, so that the bytes copied in growing
 * are proportional to the final length. */
static size_t buffer_capacity_for(const struct buffer *buffer, size_t wanted) {
    if (wanted <= BUFFER_STANDARD_BYTES) {
        return BUFFER_STANDARD_BYTES;
    }
    size_t grown = buffer->capacity + buffer->capacity / 2;
    return wanted > grown ? wanted : grown;
}

bool buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t extra) {
    size_t wanted = buffer->length + extra;
    if (wanted <= buffer->capacity) {
        return true;
    }
    size_t capacity = buffer_capacity_for(buffer, wanted);
    char *bytes = buffer_pool_take(pool, capacity);
    if (!bytes) {
        return false;
    }
    if (buffer->length) {
        memcpy(bytes, buffer->bytes, buffer->length);
    }
    if (buffer->capacity) {
        buffer_pool_give(pool, buffer->bytes, buffer->capacity);
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

bool buffer_append(struct buffer_pool *pool, struct buffer *buffer, const char *bytes,
                   size_t length) {
    if (length == 0) {
        return true; /* an empty buffer may have no memory, and needs none for 0 bytes */
    }
    if (!buffer_reserve(pool, buffer, length)) {
        return false;
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    return true;
}

void buffer_consume(struct buffer *buffer, size_t length) {
    assert(length <= buffer->length);
    if (length == 0) {
        return;
    }
    buffer->length -= length;
    memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

void buffer_release(struct buffer_pool *pool, struct buffer *buffer) {
    if (buffer->capacity) {
        buffer_pool_give(pool, buffer->bytes, buffer->capacity);
    }
    *buffer = (struct buffer){0};
}

void buffer_leave(struct buffer_pool *pool, const struct buffer *buffer) {
    pool->bytes -= buffer->capacity;
}

void buffer_come(struct buffer_pool *pool, const struct buffer *buffer) {
    pool->bytes += buffer->capacity;
}
