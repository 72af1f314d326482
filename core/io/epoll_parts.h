/* epoll_parts: what the files of the engine that is epoll share.
 *
 *     epoll.c         opening, entering the kernel, completions
 *     epoll_source.c  receiving: sources and lent buffers
 *     epoll_send.c    sending
 *     epoll_watch.c   accepting, and waiting for descriptors of other kinds
 *
 * Thread: the reactor's, but for opening and closing.
 */
#ifndef CORE_IO_EPOLL_PARTS_H
#define CORE_IO_EPOLL_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "core/io/epoll.h"
#include "core/io/source.h"

/* Events taken from the kernel at a time; others follow in the next turn. */
#define EPOLL_EVENTS_MAX 256

/* Behind these no more bytes come. */
#define EPOLL_END (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* What a source is watched for. */
#define EPOLL_INPUT (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)

enum epoll_send_kind {
    EPOLL_SEND_ALL,
    EPOLL_SEND_ONCE,
    EPOLL_SEND_VECTOR,
};

enum epoll_send_state {
    EPOLL_SEND_NONE,
    EPOLL_SEND_QUEUED,  /* the next io_enter() tries it */
    EPOLL_SEND_BLOCKED, /* the kernel tells when there is room */
    EPOLL_SEND_ENDED,   /* the next io_take() tells its result */
};

/* A socket that has a source. */
struct epoll_source {
    struct io_source source; /* first */

    enum epoll_send_kind kind;
    enum epoll_send_state state;
    int result;
    struct completion *sent;
    union {
        const char *bytes;
        const struct msghdr *message;
    };
    size_t length;
    size_t done;
    STAILQ_ENTRY(epoll_source) send_link;

    int failure;       /* -errno of watching it: what its receives and sends come to; 0: none */
    bool room_watched; /* the kernel tells of room for output too */
};

STAILQ_HEAD(epoll_send_queue, epoll_source);

/* A descriptor that something is waited for on. */
struct epoll_watch {
    int descriptor;                /* -1: the place is free */
    struct completion *completion; /* NULL: nobody waits */
    bool accepts;
    bool armed;    /* the kernel tells while it can be read */
    bool blocking; /* a listener that was made non-blocking here */
    int failure;   /* -errno that the next io_take() tells: of arming, or of being cancelled */
};

struct epoll {
    struct io io; /* first, so that one is found from the other */
    int set;
    int wake;    /* the eventfd: events are told without its being read */
    bool coarse; /* there is no epoll_pwait2(2): waits are rounded up to milliseconds */

    struct source_pool sources;
    struct source_list closed; /* sockets are closed, and events of theirs may be among `events` */

    /* The open sources, by their sockets; NULL where there is none. */
    struct epoll_source **by_socket;
    uint32_t sockets_max;

    struct epoll_send_queue queued; /* the next io_enter() tries them */
    struct epoll_send_queue ended;  /* the next io_take() tells them */
    /* The next io_take() has something to tell that is a reason to go on. */
    bool has_result;

    bool has_failed_watch;
    uint32_t watch_count; /* places that are, or were, in use */
    struct epoll_watch watches[EPOLL_WATCHES_MAX];

    uint32_t event_count; /* told by the kernel, and not yet by io_take() */
    struct epoll_event events[EPOLL_EVENTS_MAX];
};

static inline struct epoll *epoll_of(struct io *io) {
    return (struct epoll *)io;
}

static inline struct epoll_source *epoll_source_of(struct io_source *source) {
    return (struct epoll_source *)source;
}

/* In an event's data: the rest of it is the address of a struct epoll_watch, else of a struct
 * epoll_source; 0 is a wake. */
#define EPOLL_WATCH_TAG ((uint64_t)1)

/* Has the kernel watch a source for input, and for room if it is asked for. What fails is noted. */
void epoll_watch_source(struct epoll *epoll, struct epoll_source *source);

/* An event of a source. */
void epoll_source_event(struct epoll *epoll, void *owner, struct epoll_source *source,
                        uint32_t events);
/* Goes on with the sources that wait for it. */
void epoll_take_sources(struct epoll *epoll, void *owner);
/* Frees those whose sockets are closed, when no event is left. */
void epoll_free_closed(struct epoll *epoll);
void epoll_finish_sources(struct epoll *epoll);

/* The source of a socket, which has one. */
struct epoll_source *epoll_find_source(struct epoll *epoll, int socket);

/* There may be room for output. */
void epoll_send_event(struct epoll *epoll, struct epoll_source *source, uint32_t events);
void epoll_try_sends(struct epoll *epoll);
void epoll_take_sends(struct epoll *epoll, void *owner);

void epoll_watch_event(struct epoll *epoll, void *owner, struct epoll_watch *watch);
/* Tells what has failed, or was cancelled. */
void epoll_take_failed_watches(struct epoll *epoll, void *owner);

/* Of struct io_engine. */
struct io_source *epoll_open_source(struct io *io, int socket, struct completion *received);
void epoll_close_source(struct io *io, struct io_source *source);
void epoll_leave_source(struct io *io, struct io_source *source);
void epoll_receive(struct io *io, struct io_source *source, char *where, size_t length);
char *epoll_buffer(const struct io *io, unsigned number);
void epoll_give_buffer(struct io *io, unsigned number);
void epoll_trim(struct io *io);
void epoll_close_socket(struct io *io, int socket);
void epoll_send(struct io *io, int socket, const void *bytes, size_t length,
                struct completion *completion);
void epoll_send_once(struct io *io, int socket, const void *bytes, size_t length,
                     struct completion *completion);
void epoll_send_vector(struct io *io, int socket, const struct msghdr *message,
                       struct completion *completion);
void epoll_accept(struct io *io, int socket, struct completion *completion);
void epoll_cancel_accept(struct io *io, struct completion *completion);
void epoll_wait_readable(struct io *io, int descriptor, struct completion *completion);

#endif
