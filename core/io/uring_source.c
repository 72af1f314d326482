/* Receiving, see core/io/source.h. The kernel watches each socket for as long as it is open, by one
 * poll that is never armed again: nothing has to be submitted for a receive. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "core/io/uring_parts.h"

/* Behind these comes no other event. */
#define SOURCE_END (POLLRDHUP | POLLHUP | POLLERR)

/* Buffers. */

int uring_init_sources(struct uring *uring) {
    LIST_INIT(&uring->closed);
    return source_pool_init(&uring->sources);
}

void uring_finish_sources(struct uring *uring) {
    struct io_source *source;
    while ((source = LIST_FIRST(&uring->closed))) {
        LIST_REMOVE(source, closed_link);
        free(source);
    }
    source_pool_finish(&uring->sources);
}

char *uring_buffer(const struct io *io, unsigned number) {
    return source_pool_buffer(&((const struct uring *)io)->sources, number);
}

void uring_give_buffer(struct io *io, unsigned number) {
    source_pool_give(&uring_of(io)->sources, number);
}

void uring_trim(struct io *io) {
    source_pool_trim(&uring_of(io)->sources);
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

static void source_free_closed(struct io_source *source) {
    if (!source->watched && !source->queued) {
        LIST_REMOVE(source, closed_link);
        free(source);
    }
}

static void source_go_on(struct uring *uring, void *owner, struct io_source *source) {
    if (source->closed) {
        source_free_closed(source);
    } else if (source->asked && !source_receive(&uring->sources, owner, source) &&
               !source->watched) {
        source_watch(uring, source);
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
    struct source_queue queued = STAILQ_HEAD_INITIALIZER(queued);
    struct io_source *source;
    STAILQ_CONCAT(&queued, &uring->sources.queued);
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
    source_ask(source, where, length);
    if (source->readable) {
        source_queue(&uring->sources, source);
    } else if (!source->watched) {
        source_watch(uring, source);
    }
}
