#include "core/base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct free_buffer {
    struct free_buffer *next;
};

void buffer_pool_init(struct buffer_pool *pool) {
    *pool = (struct buffer_pool){.scarce_bytes = SIZE_MAX, .share_below = BUFFER_SHARE_BYTES + 1};
}

/* Memory is scarce until an eighth of the limit is free again, so that this does not change with
 * each buffer. */
static void buffer_pool_share(struct buffer_pool *pool) {
    size_t scarce = pool->scarce_bytes;
    if (buffer_pool_is_scarce(pool)) {
        scarce -= scarce / 8;
    }
    pool->share_below =
        (pool->bytes <= scarce ? BUFFER_SHARE_BYTES : BUFFER_SHARE_SCARCE_BYTES) + 1;
}

void buffer_pool_limit(struct buffer_pool *pool, size_t scarce_bytes) {
    pool->scarce_bytes = scarce_bytes;
    buffer_pool_share(pool);
}

static void buffer_pool_free_kept(struct buffer_pool *pool) {
    struct free_buffer *first = pool->free;
    pool->free = first->next;
    pool->free_count--;
    pool->bytes -= BUFFER_STANDARD_BYTES;
    free(first);
}

size_t buffer_pool_trim(struct buffer_pool *pool) {
    uint32_t half = pool->free_count / 2;
    size_t before = pool->bytes;
    while (pool->free_count > half && pool->free_count > BUFFER_POOL_FREE_MIN) {
        buffer_pool_free_kept(pool);
    }
    buffer_pool_share(pool);
    return before - pool->bytes;
}

void buffer_pool_finish(struct buffer_pool *pool) {
    while (pool->free) {
        buffer_pool_free_kept(pool);
    }
}

/* From the system, and back to it: apart, so that the ways with kept ones are short. */
__attribute__((noinline)) static char *buffer_pool_allocate(struct buffer_pool *pool,
                                                            size_t capacity) {
    while (pool->free && pool->bytes + capacity > pool->scarce_bytes) {
        buffer_pool_free_kept(pool);
    }
    char *bytes = malloc(capacity);
    if (bytes) {
        pool->bytes += capacity;
        buffer_pool_share(pool);
    }
    return bytes;
}

__attribute__((noinline)) static void buffer_pool_free(struct buffer_pool *pool, char *bytes,
                                                       size_t capacity) {
    pool->bytes -= capacity;
    free(bytes);
    buffer_pool_share(pool);
}

static char *buffer_pool_take(struct buffer_pool *pool, size_t capacity) {
    if (capacity == BUFFER_STANDARD_BYTES && pool->free) {
        struct free_buffer *first = pool->free;
        pool->free = first->next;
        pool->free_count--;
        return (char *)first;
    }
    return buffer_pool_allocate(pool, capacity);
}

static void buffer_pool_give(struct buffer_pool *pool, char *bytes, size_t capacity) {
    if (capacity == BUFFER_STANDARD_BYTES && pool->free_count < BUFFER_POOL_FREE_MAX &&
        !buffer_pool_is_scarce(pool)) {
        struct free_buffer *first = (struct free_buffer *)bytes;
        first->next = pool->free;
        pool->free = first;
        pool->free_count++;
        return;
    }
    buffer_pool_free(pool, bytes, capacity);
}

/* Other capacities are multiples of this. */
#define BUFFER_STEP ((size_t)512)

static size_t buffer_near_capacity(size_t wanted) {
    return (wanted + BUFFER_STEP - 1) / BUFFER_STEP * BUFFER_STEP;
}

/* The standard size; above it, or where there is not much left, at least 1.5 times the capacity, so
 * that the bytes copied in growing are proportional to the final length. */
static size_t buffer_capacity_for(const struct buffer_pool *pool, const struct buffer *buffer,
                                  size_t wanted) {
    if (buffer_pool_is_scarce(pool)) {
        return buffer_near_capacity(wanted);
    }
    bool much_left = pool->free || pool->bytes <= pool->scarce_bytes / 2;
    if (wanted <= BUFFER_STANDARD_BYTES && much_left) {
        return BUFFER_STANDARD_BYTES;
    }
    size_t grown = buffer->capacity + buffer->capacity / 2;
    return buffer_near_capacity(wanted > grown ? wanted : grown);
}

bool buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t extra) {
    size_t wanted = buffer->length + extra;
    if (wanted <= buffer->capacity) {
        return true;
    }
    size_t capacity = buffer_capacity_for(pool, buffer, wanted);
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

bool buffer_reserve_long(struct buffer_pool *pool, struct buffer *buffer, size_t extra) {
    if (extra > BUFFER_STANDARD_BYTES && buffer_pool_is_scarce(pool)) {
        return false;
    }
    return buffer_reserve(pool, buffer, extra);
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

void buffer_shrink(struct buffer_pool *pool, struct buffer *buffer) {
    size_t capacity = buffer_near_capacity(buffer->length);
    if (buffer->length == 0 || capacity + BUFFER_STEP >= buffer->capacity) {
        return;
    }
    char *bytes = realloc(buffer->bytes, capacity);
    if (bytes) {
        pool->bytes -= buffer->capacity - capacity;
        buffer->bytes = bytes;
        buffer->capacity = capacity;
        buffer_pool_share(pool);
    }
}

void buffer_release(struct buffer_pool *pool, struct buffer *buffer) {
    if (buffer->capacity) {
        buffer_pool_give(pool, buffer->bytes, buffer->capacity);
    }
    *buffer = (struct buffer){0};
}

void buffer_leave(struct buffer_pool *pool, const struct buffer *buffer) {
    pool->bytes -= buffer->capacity;
    buffer_pool_share(pool);
}

void buffer_come(struct buffer_pool *pool, const struct buffer *buffer) {
    pool->bytes += buffer->capacity;
    buffer_pool_share(pool);
}
