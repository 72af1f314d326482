/* Receiving, see core/io/source.h. A socket joins the set once, when it is first asked for bytes;
 * it is edge triggered, so that what nobody asks for does not wake the reactor again. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io/epoll_parts.h"

/* At first so many sockets, by their numbers, may have a source; then twice as many. */
#define EPOLL_SOCKETS_FIRST 256

char *epoll_buffer(const struct io *io, unsigned number) {
    return source_pool_buffer(&((const struct epoll *)io)->sources, number);
}

void epoll_give_buffer(struct io *io, unsigned number) {
    source_pool_give(&epoll_of(io)->sources, number);
}

void epoll_trim(struct io *io) {
    source_pool_trim(&epoll_of(io)->sources);
}

/* Watching. A change of what is watched for tells what is there already, too. */
void epoll_watch_source(struct epoll *epoll, struct epoll_source *source) {
    struct epoll_event event = {
        .events = EPOLL_INPUT | (source->room_watched ? (uint32_t)EPOLLOUT : 0),
        .data.u64 = (uintptr_t)source,
    };
    int operation = source->source.watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(epoll->set, operation, source->source.socket, &event) != 0) {
        source->failure = -errno;
    }
    source->source.watched = true;
}

static void epoll_go_on(struct epoll *epoll, void *owner, struct io_source *source) {
    int failure = epoll_source_of(source)->failure;
    if (source->closed || !source->asked) {
        return;
    }
    if (failure) {
        source_complete(source, owner, failure, 0);
    } else {
        source_receive(&epoll->sources, owner, source);
    }
}

void epoll_source_event(struct epoll *epoll, void *owner, struct epoll_source *source,
                        uint32_t events) {
    struct io_source *input = &source->source;
    if (!(events & (EPOLLIN | EPOLLPRI | EPOLL_END))) {
        return;
    }
    input->readable = true;
    input->ended |= (events & EPOLL_END) != 0;
    input->urgent |= (events & EPOLLPRI) != 0;
    if (!input->queued) {
        epoll_go_on(epoll, owner, input);
    }
}

/* Those that can't go on queue again, for the next time. */
void epoll_take_sources(struct epoll *epoll, void *owner) {
    struct source_queue queued = STAILQ_HEAD_INITIALIZER(queued);
    struct io_source *source;
    STAILQ_CONCAT(&queued, &epoll->sources.queued);
    while ((source = STAILQ_FIRST(&queued))) {
        STAILQ_REMOVE_HEAD(&queued, queued_link);
        source->queued = false;
        epoll_go_on(epoll, owner, source);
    }
}

/* Opening and closing. */

/* False without memory. */
static bool epoll_make_place(struct epoll *epoll, uint32_t socket) {
    uint32_t count = epoll->sockets_max ? epoll->sockets_max : EPOLL_SOCKETS_FIRST;
    while (count <= socket) {
        count *= 2;
    }
    if (count == epoll->sockets_max) {
        return true;
    }
    struct epoll_source **by_socket =
        realloc(epoll->by_socket, count * sizeof(struct epoll_source *));
    if (!by_socket) {
        return false;
    }
    memset(by_socket + epoll->sockets_max, 0,
           (count - epoll->sockets_max) * sizeof(struct epoll_source *));
    epoll->by_socket = by_socket;
    epoll->sockets_max = count;
    return true;
}

static void epoll_forget_source(struct epoll *epoll, struct epoll_source *source) {
    assert(source->source.closed);
    assert(source->state == EPOLL_SEND_NONE);
    epoll->by_socket[source->source.socket] = NULL;
    LIST_INSERT_HEAD(&epoll->closed, &source->source, closed_link);
}

struct io_source *epoll_open_source(struct io *io, int socket, struct completion *received) {
    struct epoll *epoll = epoll_of(io);
    struct epoll_source *source = malloc(sizeof(*source));
    if (!source || !epoll_make_place(epoll, (uint32_t)socket)) {
        free(source);
        return NULL;
    }
    if (epoll->by_socket[socket]) { /* its socket was closed without io_close_socket() */
        epoll_forget_source(epoll, epoll->by_socket[socket]);
    }
    *source = (struct epoll_source){.source = {.socket = socket, .received = received}};
    epoll->by_socket[socket] = source;
    return &source->source;
}

/* A send may be under way still: it ends before the socket is closed, and that ends the rest. */
void epoll_close_source(struct io *io, struct io_source *source) {
    (void)io;
    assert(!source->closed);
    source->closed = true;
}

/* The socket stays open: the kernel would go on telling of it. */
void epoll_leave_source(struct io *io, struct io_source *source) {
    struct epoll *epoll = epoll_of(io);
    epoll_close_source(io, source);
    if (source->watched) {
        epoll_ctl(epoll->set, EPOLL_CTL_DEL, source->socket, NULL);
    }
    epoll_forget_source(epoll, epoll_source_of(source));
}

void epoll_close_socket(struct io *io, int socket) {
    struct epoll *epoll = epoll_of(io);
    close(socket);
    if ((uint32_t)socket < epoll->sockets_max && epoll->by_socket[socket]) {
        epoll_forget_source(epoll, epoll->by_socket[socket]);
    }
}

void epoll_free_closed(struct epoll *epoll) {
    struct io_source *source, *next;
    for (source = LIST_FIRST(&epoll->closed); source && epoll->event_count == 0; source = next) {
        next = LIST_NEXT(source, closed_link);
        if (!source->queued) {
            LIST_REMOVE(source, closed_link);
            free(epoll_source_of(source));
        }
    }
}

void epoll_finish_sources(struct epoll *epoll) {
    struct io_source *source;
    while ((source = LIST_FIRST(&epoll->closed))) {
        LIST_REMOVE(source, closed_link);
        free(epoll_source_of(source));
    }
    for (uint32_t i = 0; i < epoll->sockets_max; i++) {
        free(epoll->by_socket[i]);
    }
    free(epoll->by_socket);
    source_pool_finish(&epoll->sources);
}

struct epoll_source *epoll_find_source(struct epoll *epoll, int socket) {
    assert((uint32_t)socket < epoll->sockets_max);
    assert(epoll->by_socket[socket]);
    return epoll->by_socket[socket];
}

void epoll_receive(struct io *io, struct io_source *source, char *where, size_t length) {
    struct epoll *epoll = epoll_of(io);
    source_ask(source, where, length);
    if (!source->watched) {
        epoll_watch_source(epoll, epoll_source_of(source));
    }
    if (source->readable || epoll_source_of(source)->failure) {
        source_queue(&epoll->sources, source);
    }
}
