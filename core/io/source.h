/* source: a socket that bytes are received from, as the engines of the kernel's have it: the kernel
 * tells when more has come, once for all of it, and the bytes are then taken by recv(), which does
 * not wait. So what its owner does not ask for stays in the socket, and what a recv() may have left
 * is remembered.
 *
 * Thread: the reactor's, but for making and freeing the buffers.
 */
#ifndef CORE_IO_SOURCE_H
#define CORE_IO_SOURCE_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "core/io/io.h"

/* Of one receive: what its length has bits for. */
#define SOURCE_BYTES_MAX ((1u << 24) - 1)

struct io_source {
    struct completion *received;
    union {
        char *where; /* of a receive: the place of its bytes; NULL: a lent buffer */
        LIST_ENTRY(io_source) closed_link;
    };
    STAILQ_ENTRY(io_source) queued_link;
    int socket;
    uint32_t length : 24; /* of a receive: at most so many bytes */
    bool asked : 1;       /* for a receive */
    bool watched : 1;     /* the kernel tells when the socket becomes readable */
    bool readable : 1;    /* there are bytes in it, or its end, for all that is known */
    bool ended : 1;       /* its end stands behind the bytes in it: nothing will be told any more */
    bool urgent : 1; /* urgent data has come: a recv() ends where it stands, with more behind */
    bool queued : 1; /* the next io_take() goes on with it */
    bool closed : 1;
};

STAILQ_HEAD(source_queue, io_source);
LIST_HEAD(source_list, io_source);

/* The sources that the next io_take() goes on with, and the buffers that are lent. */
struct source_pool {
    struct source_queue queued;
    char *buffers;
    uint32_t free_count;
    uint16_t free[IO_BUFFERS]; /* numbers of the buffers that are not lent, the first so many */
};

/* Memory for the buffers, 0 or -ENOMEM; and all of it back. */
int source_pool_init(struct source_pool *pool);
void source_pool_finish(struct source_pool *pool);

/* See io_trim(). */
void source_pool_trim(struct source_pool *pool);

static inline char *source_pool_buffer(const struct source_pool *pool, unsigned number) {
    assert(number < IO_BUFFERS);
    return pool->buffers + (size_t)number * IO_BUFFER_BYTES;
}

/* The last one given back is lent next: caches still hold it. */
static inline void source_pool_give(struct source_pool *pool, unsigned number) {
    assert(pool->free_count < IO_BUFFERS);
    pool->free[pool->free_count++] = (uint16_t)number;
}

static inline bool source_pool_has_queued(const struct source_pool *pool) {
    return !STAILQ_EMPTY(&pool->queued);
}

static inline void source_queue(struct source_pool *pool, struct io_source *source) {
    if (!source->queued) {
        STAILQ_INSERT_TAIL(&pool->queued, source, queued_link);
    }
    source->queued = true;
}

/* Its owner has asked for a receive. */
static inline void source_ask(struct io_source *source, char *where, size_t length) {
    assert(!source->asked);
    source->asked = true;
    source->where = where;
    source->length = length < SOURCE_BYTES_MAX ? (uint32_t)length : SOURCE_BYTES_MAX;
}

static inline void source_complete(struct io_source *source, void *owner, int result,
                                   unsigned flags) {
    source->asked = false;
    source->received->done(owner, source->received, result, flags);
}

/* Goes on with a receive that was asked for. False when nothing was there after all; while all
 * buffers are lent it waits in the queue. */
static inline bool source_receive(struct source_pool *pool, void *owner, struct io_source *source) {
    bool lent = !source->where;
    if (lent && pool->free_count == 0) {
        source_queue(pool, source);
        return true;
    }
    unsigned number = lent ? pool->free[pool->free_count - 1] : 0;
    char *where = lent ? source_pool_buffer(pool, number) : source->where;
    ssize_t received = recv(source->socket, where, source->length, MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) {
        source->readable = false;
        return false;
    }
    source->readable =
        source->ended || source->urgent || received <= 0 || received == (ssize_t)source->length;
    if (lent && received > 0) {
        pool->free_count--;
        source_complete(source, owner, (int)received, IO_LENT | number << IO_BUFFER_SHIFT);
    } else {
        source_complete(source, owner, received < 0 ? -errno : (int)received, 0);
    }
    return true;
}

/* Of struct io_engine, the same for every engine of the kernel's. */
size_t source_send_now(struct io *io, int socket, const void *bytes, size_t length, bool more);
void source_refuse(struct io *io, int socket, const char *text, size_t length);
void source_shut_down(struct io *io, int socket, int how);

#endif
