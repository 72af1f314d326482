#include "core/io/epoll.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/io/epoll_parts.h"

#define SECOND_NS 1000000000u
#define MILLISECOND_NS 1000000u

/* Waking. */

/* The counter, which nobody reads, has room for more wakes than a century brings. */
static void epoll_wake(struct io *io, struct io *other) {
    const uint64_t one = 1;
    (void)io;
    ssize_t written = write(epoll_of(other)->wake, &one, sizeof(one));
    assert(written == (ssize_t)sizeof(one));
}

/* Entering. */

/* For kernels before 5.11, and sandboxes that know no call that is younger. */
static int epoll_wait_coarsely(struct epoll *epoll, uint64_t wait_ns) {
    uint64_t wait_ms = wait_ns / MILLISECOND_NS + (wait_ns % MILLISECOND_NS > 0);
    return epoll_wait(epoll->set, epoll->events, EPOLL_EVENTS_MAX,
                      wait_ms < INT_MAX ? (int)wait_ms : INT_MAX);
}

static int epoll_wait_finely(struct epoll *epoll, uint64_t wait_ns) {
    const struct timespec timeout = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                                     .tv_nsec = (long)(wait_ns % SECOND_NS)};
    int count = epoll_pwait2(epoll->set, epoll->events, EPOLL_EVENTS_MAX, &timeout, NULL);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
        epoll->coarse = true;
        return epoll_wait_coarsely(epoll, wait_ns);
    }
    return count;
}

/* Not while there are events that nobody has taken: a watch is told of again and again. */
static void epoll_fetch(struct epoll *epoll, uint64_t wait_ns) {
    int count;
    if (epoll->event_count > 0) {
        return;
    }
    if (wait_ns == 0 || wait_ns == IO_FOREVER) {
        count = epoll_wait(epoll->set, epoll->events, EPOLL_EVENTS_MAX, wait_ns == 0 ? 0 : -1);
    } else if (epoll->coarse) {
        count = epoll_wait_coarsely(epoll, wait_ns);
    } else {
        count = epoll_wait_finely(epoll, wait_ns);
    }
    assert(count >= 0 || errno == EINTR);
    epoll->event_count = count > 0 ? (uint32_t)count : 0;
}

static bool epoll_has_completions(const struct epoll *epoll) {
    return epoll->event_count > 0 || epoll->has_result || source_pool_has_queued(&epoll->sources);
}

static void epoll_enter(struct io *io, uint64_t wait_ns) {
    struct epoll *epoll = epoll_of(io);
    epoll_free_closed(epoll);
    epoll_try_sends(epoll);
    epoll_fetch(epoll, epoll_has_completions(epoll) ? 0 : wait_ns);
}

static bool epoll_has_events(struct io *io) {
    struct epoll *epoll = epoll_of(io);
    if (!epoll_has_completions(epoll)) {
        epoll_fetch(epoll, 0);
    }
    return epoll_has_completions(epoll);
}

/* Completions. */

static void epoll_dispatch(struct epoll *epoll, void *owner, const struct epoll_event *event) {
    uint64_t data = event->data.u64;
    if (data & EPOLL_WATCH_TAG) {
        epoll_watch_event(epoll, owner, (struct epoll_watch *)(uintptr_t)(data & ~EPOLL_WATCH_TAG));
    } else if (data) {
        struct epoll_source *source = (struct epoll_source *)(uintptr_t)data;
        epoll_send_event(epoll, source, event->events);
        epoll_source_event(epoll, owner, source, event->events);
    }
}

static void epoll_take(struct io *io, void *owner) {
    struct epoll *epoll = epoll_of(io);
    epoll->has_result = false;
    for (uint32_t i = 0; i < epoll->event_count; i++) {
        epoll_dispatch(epoll, owner, &epoll->events[i]);
    }
    epoll->event_count = 0;
    epoll_take_sends(epoll, owner);
    epoll_take_sources(epoll, owner);
    if (epoll->has_failed_watch) {
        epoll_take_failed_watches(epoll, owner);
    }
}

/* Opening and closing. */

static int epoll_open_descriptors(struct epoll *epoll) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    epoll->set = epoll_create1(EPOLL_CLOEXEC);
    if (epoll->set < 0) {
        return -errno;
    }
    epoll->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll->wake < 0 || epoll_ctl(epoll->set, EPOLL_CTL_ADD, epoll->wake, &event) != 0) {
        return -errno;
    }
    return 0;
}

static void epoll_close_descriptors(const struct epoll *epoll) {
    if (epoll->wake >= 0) {
        close(epoll->wake);
    }
    if (epoll->set >= 0) {
        close(epoll->set);
    }
}

static int epoll_init(struct epoll *epoll) {
    epoll->io.engine = &epoll_engine;
    epoll->set = epoll->wake = -1;
    STAILQ_INIT(&epoll->queued);
    STAILQ_INIT(&epoll->ended);
    LIST_INIT(&epoll->closed);
    int error = epoll_open_descriptors(epoll);
    return error ? error : source_pool_init(&epoll->sources);
}

static int epoll_open(struct io **io, void *context) {
    struct epoll *epoll = calloc(1, sizeof(*epoll));
    (void)context;
    if (!epoll) {
        return -ENOMEM;
    }
    int error = epoll_init(epoll);
    if (error) {
        epoll_close_descriptors(epoll);
        free(epoll);
        return error;
    }
    *io = &epoll->io;
    return 0;
}

static void epoll_close(struct io *io) {
    struct epoll *epoll = epoll_of(io);
    epoll_close_descriptors(epoll);
    epoll_finish_sources(epoll);
    free(epoll);
}

static const char *epoll_advice(int error) {
    switch (error) {
    case -ENOMEM:
        return "no memory for epoll: start fewer --cores";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor left for epoll: raise the limit of open files (ulimit -n, "
               "LimitNOFILE=)";
    default:
        return "epoll can't be set up: let the sandbox allow epoll_create1, epoll_ctl, epoll_wait "
               "and eventfd2";
    }
}

const struct io_engine epoll_engine = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .advice = epoll_advice,
    .open_source = epoll_open_source,
    .close_source = epoll_close_source,
    .leave_source = epoll_leave_source,
    .receive = epoll_receive,
    .buffer = epoll_buffer,
    .give_buffer = epoll_give_buffer,
    .send = epoll_send,
    .send_once = epoll_send_once,
    .send_vector = epoll_send_vector,
    .send_now = source_send_now,
    .accept = epoll_accept,
    .cancel_accept = epoll_cancel_accept,
    .wait_readable = epoll_wait_readable,
    .wake = epoll_wake,
    .trim = epoll_trim,
    .enter = epoll_enter,
    .take = epoll_take,
    .has_events = epoll_has_events,
    .refuse = source_refuse,
    .shut_down = source_shut_down,
    .close_socket = epoll_close_socket,
};
