/* Accepting, and waiting until descriptors of other kinds can be read. They are told of as long as
 * there is something to read, and stay in the set until that comes when nobody waits: so whoever
 * waits again and again, for datagrams say, asks the kernel for it once. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/io/epoll_parts.h"

/* Connections taken from a listener in a turn. */
#define EPOLL_ACCEPTS_MAX 32

/* Places. */

static struct epoll_watch *epoll_take_place(struct epoll *epoll, int descriptor) {
    struct epoll_watch *free_place = NULL;
    for (uint32_t i = 0; i < epoll->watch_count; i++) {
        struct epoll_watch *watch = &epoll->watches[i];
        if (watch->descriptor == descriptor) {
            return watch;
        }
        if (watch->descriptor < 0) {
            free_place = watch;
        }
    }
    if (!free_place) {
        assert(epoll->watch_count < EPOLL_WATCHES_MAX);
        free_place = &epoll->watches[epoll->watch_count++];
    }
    *free_place = (struct epoll_watch){.descriptor = descriptor};
    return free_place;
}

static void epoll_fail_watch(struct epoll *epoll, struct epoll_watch *watch, int failure) {
    watch->failure = failure;
    epoll->has_failed_watch = epoll->has_result = true;
}

static void epoll_arm(struct epoll *epoll, struct epoll_watch *watch) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uintptr_t)watch | EPOLL_WATCH_TAG};
    if (watch->armed) {
        return;
    }
    if (epoll_ctl(epoll->set, EPOLL_CTL_ADD, watch->descriptor, &event) != 0 && errno != EEXIST) {
        epoll_fail_watch(epoll, watch, -errno);
        return;
    }
    watch->armed = true;
}

/* Its descriptor may be closed already. */
static void epoll_disarm(struct epoll *epoll, struct epoll_watch *watch) {
    epoll_ctl(epoll->set, EPOLL_CTL_DEL, watch->descriptor, NULL);
    watch->armed = false;
}

static struct epoll_watch *epoll_begin_watch(struct epoll *epoll, int descriptor,
                                             struct completion *completion, bool accepts) {
    struct epoll_watch *watch = epoll_take_place(epoll, descriptor);
    assert(!watch->completion);
    watch->completion = completion;
    watch->accepts = accepts;
    epoll_arm(epoll, watch);
    return watch;
}

/* Operations. */

void epoll_wait_readable(struct io *io, int descriptor, struct completion *completion) {
    epoll_begin_watch(epoll_of(io), descriptor, completion, false);
}

/* Another process may have the same listener and be quicker: then accept() must not wait. */
void epoll_accept(struct io *io, int socket, struct completion *completion) {
    struct epoll_watch *watch = epoll_begin_watch(epoll_of(io), socket, completion, true);
    int flags = fcntl(socket, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(socket, F_SETFL, flags | O_NONBLOCK);
        watch->blocking = true;
    }
}

/* The listener becomes as it was: who has it next may expect that. */
static void epoll_restore_listener(struct epoll_watch *watch) {
    int flags = fcntl(watch->descriptor, F_GETFL);
    if (watch->blocking && flags >= 0) {
        fcntl(watch->descriptor, F_SETFL, flags & ~O_NONBLOCK);
    }
    watch->blocking = false;
}

void epoll_cancel_accept(struct io *io, struct completion *completion) {
    struct epoll *epoll = epoll_of(io);
    for (uint32_t i = 0; i < epoll->watch_count; i++) {
        struct epoll_watch *watch = &epoll->watches[i];
        if (watch->completion == completion && watch->accepts) {
            epoll_disarm(epoll, watch);
            epoll_restore_listener(watch);
            epoll_fail_watch(epoll, watch, -ECANCELED);
        }
    }
}

/* Completions. */

static void epoll_complete_watch(struct epoll_watch *watch, void *owner, int result) {
    struct completion *completion = watch->completion;
    watch->completion = NULL;
    watch->failure = 0;
    completion->done(owner, completion, result, 0);
}

static void epoll_accept_some(struct epoll_watch *watch, void *owner) {
    for (int i = 0; i < EPOLL_ACCEPTS_MAX && watch->completion && !watch->failure; i++) {
        int socket = accept4(watch->descriptor, NULL, NULL, SOCK_CLOEXEC);
        if (socket >= 0) {
            watch->completion->done(owner, watch->completion, socket, IO_MORE);
        } else if (errno == EAGAIN) {
            return;
        } else {
            epoll_complete_watch(watch, owner, -errno);
            return;
        }
    }
}

void epoll_watch_event(struct epoll *epoll, void *owner, struct epoll_watch *watch) {
    if (!watch->completion) {
        epoll_disarm(epoll, watch);
        watch->descriptor = -1;
    } else if (watch->failure) {
        return; /* cancelled since */
    } else if (watch->accepts) {
        epoll_accept_some(watch, owner);
    } else {
        epoll_complete_watch(watch, owner, EPOLLIN);
    }
}

void epoll_take_failed_watches(struct epoll *epoll, void *owner) {
    epoll->has_failed_watch = false;
    for (uint32_t i = 0; i < epoll->watch_count; i++) {
        struct epoll_watch *watch = &epoll->watches[i];
        if (watch->completion && watch->failure) {
            epoll_complete_watch(watch, owner, watch->failure);
        }
    }
}
