#include "core/io/source.h"

#include <sys/mman.h>
#include <unistd.h>

#define BUFFERS_BYTES ((size_t)IO_BUFFERS * IO_BUFFER_BYTES)

_Static_assert(IO_BUFFERS <= UINT16_MAX, "buffers have 16-bit numbers");

/* The ones with the lowest numbers are lent first. */
static void source_pool_order(struct source_pool *pool) {
    pool->free_count = 0;
    for (unsigned number = IO_BUFFERS; number-- > 0;) {
        source_pool_give(pool, number);
    }
}

int source_pool_init(struct source_pool *pool) {
    void *memory =
        mmap(NULL, BUFFERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    pool->buffers = memory;
    STAILQ_INIT(&pool->queued);
    source_pool_order(pool);
    return 0;
}

/* Buffers whose memory stays, since they will be used again soon. */
#define BUFFERS_KEPT 4

void source_pool_trim(struct source_pool *pool) {
    if (pool->free_count < IO_BUFFERS) {
        return;
    }
    source_pool_order(pool);
    madvise(source_pool_buffer(pool, BUFFERS_KEPT), (IO_BUFFERS - BUFFERS_KEPT) * IO_BUFFER_BYTES,
            MADV_DONTNEED);
}

void source_pool_finish(struct source_pool *pool) {
    munmap(pool->buffers, BUFFERS_BYTES);
}

void source_refuse(struct io *io, int socket, const char *text, size_t length) {
    (void)io;
    send(socket, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(socket);
}

void source_shut_down(struct io *io, int socket, int how) {
    (void)io;
    shutdown(socket, how);
}

size_t source_send_now(struct io *io, int socket, const void *bytes, size_t length, bool more) {
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    (void)io;
    ssize_t sent = send(socket, bytes, length, flags);
    return sent > 0 ? (size_t)sent : 0;
}
