/* Receiving. The kernel watches each socket for as long as it is open, by one poll that is never
 * armed again, and tells when more has come; the bytes are then taken by recv(), which does not
 * wait. So nothing has to be submitted for a receive, and what its owner does not ask for stays in
 * the socket.
 *
 * An event is told once for all that has come: what a recv() may have left is remembered.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/io/uring_parts.h"

#define BUFFERS_BYTES ((size_t)URING_BUFFERS * IO_BUFFER_BYTES)

/* Of one receive: what its length has bits for. */
#define SOURCE_BYTES_MAX ((1u << 24) - 1)

/* Behind these comes no other event. */
#define SOURCE_END (POLLRDHUP | POLLHUP | POLLERR)

_Static_assert(URING_BUFFERS <= UINT16_MAX, "buffers have 16-bit numbers");

/* Buffers. */

int uring_init_sources(struct uring *uring) {
    void *memory =
        mmap(NULL, BUFFERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    uring->buffers = memory;
    STAILQ_INIT(&uring->queued);
    LIST_INIT(&uring->closed);
    for (unsigned number = URING_BUFFERS; number-- > 0;) {
        uring_give_buffer(&uring->io, number);
    }
    return 0;
}

void uring_finish_sources(struct uring *uring) {
    struct io_source *source;
    while ((source = LIST_FIRST(&uring->closed))) {
        LIST_REMOVE(source, closed_link);
        free(source);
    }
    munmap(uring->buffers, BUFFERS_BYTES);
}

char *uring_buffer(const struct io *io, unsigned number) {
    const struct uring *uring = (const struct uring *)io;
    assert(number < URING_BUFFERS);
    return uring->buffers + (size_t)number * IO_BUFFER_BYTES;
}

/* The last one given back is lent next: caches still hold it. */
void uring_give_buffer(struct io *io, unsigned number) {
    struct uring *uring = uring_of(io);
    assert(uring->free_count < URING_BUFFERS);
    uring->free[uring->free_count++] = (uint16_t)number;
}

/* Sources. */

static uint64_t source_user_data(const struct io_source *source) {
    return (uintptr_t)source | URING_SOURCE_TAG;
}

/* The first event tells what is there already. */
static void source_watch(struct uring *uring, struct io_source *source) {
    struct io_uring_sqe *entry = uring_entry(uring);
    io_uring_prep_poll_multishot(entry, source->socket, POLLIN | POLLPRI | POLLRDHUP);
    io_uring_sqe_set_data64(entry, source_user_data(source));
    source->watched = true;
    source->readable = false;
}

static void source_queue(struct uring *uring, struct io_source *source) {
    if (!source->queued) {
        STAILQ_INSERT_TAIL(&uring->queued, source, queued_link);
    }
    source->queued = true;
}

static void source_free_closed(struct io_source *source) {
    if (!source->watched && !source->queued) {
        LIST_REMOVE(source, closed_link);
        free(source);
    }
}

static void source_complete(struct io_source *source, void *owner, int result, unsigned flags) {
    source->asked = false;
    source->received->done(owner, source->received, result, flags);
}

/* Nothing was there after all. */
static void source_wait(struct uring *uring, struct io_source *source) {
    source->readable = false;
    if (!source->watched) {
        source_watch(uring, source);
    }
}

static void source_receive(struct uring *uring, void *owner, struct io_source *source) {
    bool lent = !source->where;
    if (lent && uring->free_count == 0) {
        source_queue(uring, source);
        return;
    }
    unsigned number = lent ? uring->free[uring->free_count - 1] : 0;
    char *where = lent ? uring_buffer(&uring->io, number) : source->where;
    ssize_t received = recv(source->socket, where, source->length, MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) {
        source_wait(uring, source);
        return;
    }
    source->readable =
        source->ended || source->urgent || received <= 0 || received == (ssize_t)source->length;
    if (lent && received > 0) {
        uring->free_count--;
        source_complete(source, owner, (int)received, IO_LENT | number << IO_BUFFER_SHIFT);
    } else {
        source_complete(source, owner, received < 0 ? -errno : (int)received, 0);
    }
}

static void source_go_on(struct uring *uring, void *owner, struct io_source *source) {
    if (source->closed) {
        source_free_closed(source);
    } else if (source->asked) {
        source_receive(uring, owner, source);
    }
}

void uring_source_event(struct uring *uring, void *owner, const struct io_uring_cqe *event) {
    struct io_source *source =
        (struct io_source *)(uintptr_t)(event->user_data & ~URING_SOURCE_TAG);
    source->watched = event->flags & IORING_CQE_F_MORE;
    source->readable = true;
    source->ended |= event->res >= 0 && (event->res & SOURCE_END);
    source->urgent |= event->res >= 0 && (event->res & POLLPRI);
    if (!source->queued) {
        source_go_on(uring, owner, source);
    }
}

/* Those that can't go on queue again, for the next time. */
void uring_take_sources(struct uring *uring, void *owner) {
    struct uring_queued queued = STAILQ_HEAD_INITIALIZER(queued);
    struct io_source *source;
    STAILQ_CONCAT(&queued, &uring->queued);
    while ((source = STAILQ_FIRST(&queued))) {
        STAILQ_REMOVE_HEAD(&queued, queued_link);
        source->queued = false;
        source_go_on(uring, owner, source);
    }
}

struct io_source *uring_open_source(struct io *io, int socket, struct completion *received) {
    struct io_source *source = malloc(sizeof(*source));
    (void)io;
    if (source) {
        *source = (struct io_source){.socket = socket, .received = received};
    }
    return source;
}

/* The kernel lets go of the socket with the next submission, and says so later. */
static void source_cancel(struct uring *uring, const struct io_source *source) {
    struct io_uring_sqe *entry = uring_entry(uring);
    io_uring_prep_cancel64(entry, source_user_data(source), 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(entry, 0);
}

void uring_close_source(struct io *io, struct io_source *source) {
    struct uring *uring = uring_of(io);
    assert(!source->closed);
    source->closed = true;
    LIST_INSERT_HEAD(&uring->closed, source, closed_link);
    if (source->watched) {
        source_cancel(uring, source);
    } else {
        source_free_closed(source);
    }
}

void uring_receive(struct io *io, struct io_source *source, char *where, size_t length) {
    struct uring *uring = uring_of(io);
    assert(!source->asked);
    source->asked = true;
    source->where = where;
    source->length = length < SOURCE_BYTES_MAX ? (uint32_t)length : SOURCE_BYTES_MAX;
    if (source->readable) {
        source_queue(uring, source);
    } else if (!source->watched) {
        source_watch(uring, source);
    }
}
