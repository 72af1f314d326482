/* buffer: growing byte buffers for the input and output of connections, and the pool they come
 * from.
 *
 * A connection holds a buffer only while bytes are in it, so that an idle one costs nothing.
 * Buffers of the standard size are kept on a list for reuse (the hottest first); larger ones are
 * given back to the system at once.
 *
 * A pool belongs to one reactor. No other thread touches it or its buffers' bookkeeping.
 */
#ifndef CORE_BASE_BUFFER_H
#define CORE_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_STANDARD_BYTES ((size_t)16 * 1024)
#define BUFFER_POOL_FREE_MAX 256 /* standard buffers kept for reuse: 4 MiB */

struct buffer {
    char *bytes; /* NULL while capacity is 0 */
    size_t length;
    size_t capacity;
};

struct free_buffer;

struct buffer_pool {
    struct free_buffer *free;
    uint32_t free_count;
    size_t bytes; /* lent out and kept */
};

void buffer_pool_init(struct buffer_pool *pool);
void buffer_pool_finish(struct buffer_pool *pool);

/* Makes room for `extra` bytes behind the contents. False, and the buffer as it was, when the
 * system has no memory. */
bool buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t extra);

/* Adds bytes at the end. False as with buffer_reserve(). */
bool buffer_append(struct buffer_pool *pool, struct buffer *buffer, const char *bytes,
                   size_t length);

/* Drops bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Gives the memory back; the buffer is empty then. */
void buffer_release(struct buffer_pool *pool, struct buffer *buffer);

#endif
