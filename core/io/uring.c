#include "core/io/uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/io/uring_parts.h"

_Static_assert(IO_MORE == IORING_CQE_F_MORE, "flags are io_uring's");

/* The user data of an entry is the address of its completion, or nothing where there is none to
 * call, or an address or a number with one of these bits, or URING_SOURCE_TAG. */
#define WAKE_TAG ((uint64_t)1) /* the struct io that a failed wake was for */
#define ONCE_TAG ((uint64_t)2) /* a send that is tried once: its place among them */
#define ONCE_SHIFT 8

/* Operations. */

static void uring_expect(struct io_uring_sqe *entry, struct completion *completion) {
    io_uring_sqe_set_data64(entry, (uintptr_t)completion);
}

static void uring_send(struct io *io, int socket, const void *bytes, size_t length,
                       struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_send(entry, socket, bytes, length, MSG_NOSIGNAL | MSG_WAITALL);
    uring_expect(entry, completion);
}

/* It is tried when it is submitted and never waits; where all goes there is no completion entry, so
 * that a reactor that sleeps is not woken for it. */
static void uring_send_once(struct io *io, int socket, const void *bytes, size_t length,
                            struct completion *completion) {
    struct uring *uring = uring_of(io);
    if (uring->once_count == URING_ONCE_MAX) {
        uring_send(io, socket, bytes, length, completion);
        return;
    }
    struct io_uring_sqe *entry = uring_entry(uring);
    io_uring_prep_send(entry, socket, bytes, length, MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(entry, (uint64_t)uring->once_count << ONCE_SHIFT | ONCE_TAG);
    uring->once[uring->once_count++] =
        (struct uring_once){.completion = completion, .result = (int)length};
}

static void uring_send_vector(struct io *io, int socket, const struct msghdr *message,
                              struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_sendmsg(entry, socket, message, MSG_NOSIGNAL);
    uring_expect(entry, completion);
}

static void uring_accept(struct io *io, int socket, struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_multishot_accept(entry, socket, NULL, NULL, SOCK_CLOEXEC);
    uring_expect(entry, completion);
}

static void uring_cancel_accept(struct io *io, struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_cancel64(entry, (uintptr_t)completion, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    uring_expect(entry, NULL);
}

static void uring_wait_readable(struct io *io, int descriptor, struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_poll_add(entry, descriptor, POLLIN);
    uring_expect(entry, completion);
}

/* A wake that succeeds has no completion entry at its sender, and one with nothing to call at its
 * target. */
static void uring_wake(struct io *io, struct io *other) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_msg_ring(entry, uring_of(other)->ring.ring_fd, 0, 0, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(entry, (uintptr_t)other | WAKE_TAG);
}

/* Completions. */

/* The kernel may be out of memory for a moment, and nobody else will wake that reactor. One whose
 * thread has ended needs no wake. */
static void uring_wake_failed(struct io *io, struct io *other, int result) {
    if (result < 0 && result != -EOWNERDEAD) {
        uring_wake(io, other);
    }
}

static void uring_dispatch(struct uring *uring, void *owner, const struct io_uring_cqe *event) {
    uint64_t data = event->user_data;
    if (data & URING_SOURCE_TAG) {
        uring_source_event(uring, owner, event);
    } else if (data & ONCE_TAG) {
        uring->once[data >> ONCE_SHIFT].result = event->res;
    } else if (data & WAKE_TAG) {
        uring_wake_failed(&uring->io, (struct io *)(uintptr_t)(data & ~WAKE_TAG), event->res);
    } else if (data) {
        struct completion *completion = (struct completion *)(uintptr_t)data;
        completion->done(owner, completion, event->res, event->flags);
    }
}

/* Those for which there was no entry have sent all, unless the kernel has not taken them, or keeps
 * entries that there was no room for, till it is entered. */
static void uring_take_once(struct uring *uring, void *owner) {
    uint32_t count = uring->once_count;
    if (io_uring_sq_ready(&uring->ring) > 0 || io_uring_cq_has_overflow(&uring->ring)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct completion *completion = uring->once[i].completion;
        completion->done(owner, completion, uring->once[i].result, 0);
    }
    assert(uring->once_count == count);
    uring->once_count = 0;
}

static void uring_take(struct io *io, void *owner) {
    struct uring *uring = uring_of(io);
    struct io_uring *ring = &uring->ring;
    struct io_uring_cqe *event;
    unsigned head, count = 0;
    io_uring_for_each_cqe(ring, head, event) {
        uring_dispatch(uring, owner, event);
        count++;
    }
    io_uring_cq_advance(ring, count);
    uring_take_once(uring, owner);
    if (uring_sources_wait(uring)) {
        uring_take_sources(uring, owner);
    }
}

/* At once. */

static void uring_close_socket(struct io *io, int socket) {
    (void)io;
    close(socket);
}

/* Opening and closing. */

static int uring_create_ring(struct uring *uring, const struct uring_options *options) {
    /* TASKRUN_FLAG: without it, a reactor that polls its rings in user space would never learn of
     * socket events. */
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
                 (options->restricted ? IORING_SETUP_R_DISABLED : 0u),
        .cq_entries = options->small ? URING_SMALL_COMPLETIONS : URING_COMPLETIONS,
    };
    return io_uring_queue_init_params(options->small ? URING_SMALL_SUBMISSIONS : URING_SUBMISSIONS,
                                      &uring->ring, &params);
}

/* A sandbox may forbid this call alone, by which all operations are submitted. */
static int uring_try_enter(struct uring *uring) {
    int result = io_uring_submit_and_get_events(&uring->ring);
    return result < 0 && result != -EINTR ? result : 0;
}

/* A thread may register few rings, so only the one that it uses: for uring_count() none. What is
 * registered comes before the restrictions. */
static int uring_prepare_ring(struct uring *uring, const struct uring_options *options, bool used) {
    int result = used ? io_uring_register_ring_fd(&uring->ring) : 0;
    if (result >= 0) {
        result = options->restricted ? uring_restrict(&uring->ring) : 0;
    }
    if (result == 0) {
        result = uring_try_enter(uring);
    }
    return result < 0 ? result : uring_init_sources(uring);
}

static int uring_init(struct uring *uring, const struct uring_options *options, bool used) {
    int error = uring_create_ring(uring, options);
    if (error) {
        return error;
    }
    error = uring_prepare_ring(uring, options, used);
    if (error) {
        io_uring_queue_exit(&uring->ring);
    }
    return error;
}

/* The kernel takes back the memory of a ring some time after it was closed: those of a server that
 * has just ended, and those of uring_count(), may still count. */
#define URING_RETRY_NS 10000000
#define URING_OPEN_RETRIES 200
#define URING_COUNT_RETRIES 30

static int uring_init_patiently(struct uring *uring, const struct uring_options *options,
                                bool used) {
    int retries = used ? URING_OPEN_RETRIES : URING_COUNT_RETRIES;
    int error = uring_init(uring, options, used);
    while (error == -ENOMEM && retries-- > 0) {
        const struct timespec pause = {.tv_nsec = URING_RETRY_NS};
        nanosleep(&pause, NULL);
        error = uring_init(uring, options, used);
    }
    return error;
}

static int uring_create(struct uring **result, const struct uring_options *options, bool used) {
    struct uring *uring = calloc(1, sizeof(*uring));
    if (!uring) {
        return -ENOMEM;
    }
    uring->io.engine = &uring_engine;
    int error = uring_init_patiently(uring, options, used);
    if (error) {
        free(uring);
        return error;
    }
    *result = uring;
    return 0;
}

static void uring_close(struct io *io) {
    struct uring *uring = uring_of(io);
    io_uring_queue_exit(&uring->ring);
    uring_finish_sources(uring);
    free(uring);
}

static int uring_open(struct io **io, void *context) {
    static const struct uring_options plain;
    struct uring *uring;
    int error = uring_create(&uring, context ? context : &plain, true);
    if (!error) {
        *io = &uring->io;
    }
    return error;
}

static int uring_probe_with(struct uring_options options) {
    struct io *io;
    int error = uring_open(&io, &options);
    if (error) {
        return error;
    }
    error = options.restricted ? 0 : uring_try_operations(&uring_of(io)->ring);
    uring_close(io);
    return error;
}

/* A restricted ring can't be asked what it knows. */
int uring_probe(bool restricted) {
    int error = uring_probe_with((struct uring_options){.small = true});
    return error || !restricted
               ? error
               : uring_probe_with((struct uring_options){.small = true, .restricted = true});
}

uint32_t uring_count(uint32_t wanted, bool small, int *error) {
    const struct uring_options options = {.small = small};
    struct uring **rings = calloc(wanted, sizeof(struct uring *));
    uint32_t count = 0;
    *error = rings ? 0 : -ENOMEM;
    while (rings && count < wanted && !*error) {
        *error = uring_create(&rings[count], &options, false);
        count += !*error;
    }
    for (uint32_t i = 0; i < count; i++) {
        uring_close(&rings[i]->io);
    }
    free(rings);
    return count;
}

const struct io_engine uring_engine = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .advice = uring_advice,
    .open_source = uring_open_source,
    .close_source = uring_close_source,
    .leave_source = uring_close_source,
    .receive = uring_receive,
    .buffer = uring_buffer,
    .give_buffer = uring_give_buffer,
    .send = uring_send,
    .send_once = uring_send_once,
    .send_vector = uring_send_vector,
    .send_now = source_send_now,
    .accept = uring_accept,
    .cancel_accept = uring_cancel_accept,
    .wait_readable = uring_wait_readable,
    .wake = uring_wake,
    .trim = uring_trim,
    .enter = uring_enter,
    .take = uring_take,
    .has_events = uring_has_events,
    .refuse = source_refuse,
    .shut_down = source_shut_down,
    .close_socket = uring_close_socket,
};
