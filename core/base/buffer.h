/* buffer: byte buffers that grow, for the input and output of connections, and the pool that their
 * memory comes from.
 *
 * A connection has a buffer's memory only while bytes are in it, so that an idle connection has
 * none. Buffers of the standard size are kept on a list and reused, the one freed last first;
 * larger ones are freed at once.
 *
 * A pool has a limit. From half of it on new buffers take about what they need. Beyond it memory is
 * scarce: no buffer is kept, each takes what it needs, and a connection may hold little output.
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
/* And those that stay when it is trimmed. */
#define BUFFER_POOL_FREE_MIN 8

/* Bytes of output that one connection may hold before its requests wait: usually, and while memory
 * is scarce. One that holds none may always run a request: so those that never read keep nobody
 * waiting. */
#define BUFFER_SHARE_BYTES ((size_t)64 * 1024)
#define BUFFER_SHARE_SCARCE_BYTES ((size_t)2 * 1024)

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
    size_t scarce_bytes;
    size_t share_below; /* output of one connection must be shorter */
};

void buffer_pool_init(struct buffer_pool *pool);
void buffer_pool_finish(struct buffer_pool *pool);

/* Sets the limit; without, there is none. */
void buffer_pool_limit(struct buffer_pool *pool, size_t scarce_bytes);

static inline bool buffer_pool_is_scarce(const struct buffer_pool *pool) {
    return __builtin_expect(pool->share_below <= BUFFER_SHARE_BYTES, false);
}

/* Frees half of the kept buffers, if there are more than a few. Returns the bytes that it freed. */
size_t buffer_pool_trim(struct buffer_pool *pool);

/* Makes sure that `extra` bytes fit behind the contents. False, with the buffer unchanged, when the
 * system has no memory. */
bool buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t extra);

/* The same for an answer that is made in one piece, however long it is: false, too, while memory is
 * scarce and it is longer than BUFFER_STANDARD_BYTES. */
bool buffer_reserve_long(struct buffer_pool *pool, struct buffer *buffer, size_t extra);

/* Adds bytes at the end. False as with buffer_reserve(). */
bool buffer_append(struct buffer_pool *pool, struct buffer *buffer, const char *bytes,
                   size_t length);

/* Drops bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Frees what a buffer has beyond its contents, if that is much. The contents may move. */
void buffer_shrink(struct buffer_pool *pool, struct buffer *buffer);

/* Gives the memory back to the pool; then the buffer is empty. */
void buffer_release(struct buffer_pool *pool, struct buffer *buffer);

/* The buffer goes from one pool to another, each on its own thread. */
void buffer_leave(struct buffer_pool *pool, const struct buffer *buffer);
void buffer_come(struct buffer_pool *pool, const struct buffer *buffer);

#endif
