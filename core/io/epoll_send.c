/* Sending. It is tried when the engine is entered; the kernel is asked to tell of room once a
 * socket has had none, and from then on. */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "core/io/epoll_parts.h"

#define SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)

/* Starting. */

static void epoll_queue_send(struct epoll *epoll, struct epoll_source *source) {
    source->state = EPOLL_SEND_QUEUED;
    STAILQ_INSERT_TAIL(&epoll->queued, source, send_link);
}

static struct epoll_source *epoll_start_send(struct io *io, int socket, enum epoll_send_kind kind,
                                             struct completion *completion) {
    struct epoll *epoll = epoll_of(io);
    struct epoll_source *source = epoll_find_source(epoll, socket);
    assert(source->state == EPOLL_SEND_NONE);
    source->kind = kind;
    source->sent = completion;
    source->done = 0;
    epoll_queue_send(epoll, source);
    return source;
}

void epoll_send(struct io *io, int socket, const void *bytes, size_t length,
                struct completion *completion) {
    struct epoll_source *source = epoll_start_send(io, socket, EPOLL_SEND_ALL, completion);
    source->bytes = bytes;
    source->length = length;
}

void epoll_send_once(struct io *io, int socket, const void *bytes, size_t length,
                     struct completion *completion) {
    struct epoll_source *source = epoll_start_send(io, socket, EPOLL_SEND_ONCE, completion);
    source->bytes = bytes;
    source->length = length;
}

void epoll_send_vector(struct io *io, int socket, const struct msghdr *message,
                       struct completion *completion) {
    struct epoll_source *source = epoll_start_send(io, socket, EPOLL_SEND_VECTOR, completion);
    source->message = message;
}

/* Trying. */

static void epoll_end_send(struct epoll *epoll, struct epoll_source *source, int result) {
    bool quiet = source->kind == EPOLL_SEND_ONCE && result == (int)source->length;
    source->state = EPOLL_SEND_ENDED;
    source->result = result;
    STAILQ_INSERT_TAIL(&epoll->ended, source, send_link);
    epoll->has_result |= !quiet;
}

static void epoll_wait_for_room(struct epoll *epoll, struct epoll_source *source) {
    source->state = EPOLL_SEND_BLOCKED;
    if (!source->room_watched) {
        source->room_watched = true;
        epoll_watch_source(epoll, source);
    }
    if (source->failure) {
        epoll_end_send(epoll, source, source->failure);
    }
}

/* Bytes that went, or -errno. */
static long epoll_send_some(const struct epoll_source *source) {
    int socket = source->source.socket;
    ssize_t sent =
        source->kind == EPOLL_SEND_VECTOR
            ? sendmsg(socket, source->message, SEND_FLAGS)
            : send(socket, source->bytes + source->done, source->length - source->done, SEND_FLAGS);
    return sent < 0 ? -errno : sent;
}

static void epoll_try_send(struct epoll *epoll, struct epoll_source *source) {
    long sent = epoll_send_some(source);
    source->done += sent > 0 ? (size_t)sent : 0;
    bool rest_waits = source->kind == EPOLL_SEND_ALL && sent >= 0 && source->done < source->length;
    bool all_waits = source->kind != EPOLL_SEND_ONCE && sent == -EAGAIN;
    if (rest_waits || all_waits) {
        epoll_wait_for_room(epoll, source);
    } else {
        epoll_end_send(epoll, source, source->done > 0 ? (int)source->done : (int)sent);
    }
}

void epoll_try_sends(struct epoll *epoll) {
    struct epoll_source *source;
    while ((source = STAILQ_FIRST(&epoll->queued))) {
        STAILQ_REMOVE_HEAD(&epoll->queued, send_link);
        epoll_try_send(epoll, source);
    }
}

/* Of a socket that nobody sends to, room alone is no news: a unix socket tells of it whenever its
 * client has read. */
void epoll_send_event(struct epoll *epoll, struct epoll_source *source, uint32_t events) {
    if (source->state == EPOLL_SEND_BLOCKED && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
        epoll_queue_send(epoll, source);
    } else if (source->state == EPOLL_SEND_NONE && events == EPOLLOUT && !source->source.closed) {
        source->room_watched = false;
        epoll_watch_source(epoll, source);
    }
}

/* What is called may send again, which is tried later. */
void epoll_take_sends(struct epoll *epoll, void *owner) {
    struct epoll_send_queue ended = STAILQ_HEAD_INITIALIZER(ended);
    struct epoll_source *source;
    STAILQ_CONCAT(&ended, &epoll->ended);
    while ((source = STAILQ_FIRST(&ended))) {
        STAILQ_REMOVE_HEAD(&ended, send_link);
        source->state = EPOLL_SEND_NONE;
        source->sent->done(owner, source->sent, source->result, 0);
    }
}
