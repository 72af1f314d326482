/* buffer: byte buffers that grow, for the input and output of connections, and the pool that their
 * memory comes from.
 *
 * A connection has a buffer's memory only while bytes are in it, so that an idle connection has
 * none. Buffers of the standard size are kept on a list and reused, the one freed last first;
 * larger ones are freed at once.
 *
 * Thread: that of the reactor to which the pool belongs.
 */
#ifndef CORE_BASE_BUFFER_H
#define CORE_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_STANDARD_BYTES ((size_t)16 * 1024)
/* Buffers of the standard size that a pool keeps for reuse, 4 MiB in all. */
#define BUFFER_POOL_FREE_MAX 256

struct buffer {
    char *bytes; /* NULL while capacity is 0 */
    size_t length;
    size_t capacity;
};

struct free_buffer;

struct buffer_pool {
    struct free_buffer *free;
    uint32_t free_count;
    size_t bytes; /* of all buffers, in use or kept */
};

void buffer_pool_init(struct buffer_pool *pool);
void buffer_pool_finish(struct buffer_pool *pool);

/* Makes sure that `extra` bytes fit behind the contents. False, with the buffer unchanged, when the
 * system has no memory. */
bool buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t extra);

/* Adds bytes at the end. False as with buffer_reserve(). */
bool buffer_append(struct buffer_pool *pool, struct buffer *buffer, const char *bytes,
                   size_t length);

/* Drops bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Gives the memory back to the pool; then the buffer is empty. */
void buffer_release(struct buffer_pool *pool, struct buffer *buffer);

/* The buffer goes from one pool to another, each on its own thread. */
void buffer_leave(struct buffer_pool *pool, const struct buffer *buffer);
void buffer_come(struct buffer_pool *pool, const struct buffer *buffer);

#endif
