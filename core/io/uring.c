#include "core/io/uring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"

#define BUFFER_GROUP 0
#define BUFFER_RING_BYTES (URING_BUFFERS * sizeof(struct io_uring_buf))

_Static_assert(IO_LENT == IORING_CQE_F_BUFFER, "flags are io_uring's");
_Static_assert(IO_MORE == IORING_CQE_F_MORE, "flags are io_uring's");
_Static_assert(IO_SOCKET_HAS_MORE == IORING_CQE_F_SOCK_NONEMPTY, "flags are io_uring's");
_Static_assert(IO_BUFFER_SHIFT == IORING_CQE_BUFFER_SHIFT, "flags are io_uring's");
_Static_assert(BUFFER_RING_BYTES < IO_BUFFER_BYTES, "the ring is the smaller part");

/* The user data of an entry is the address of its completion, or nothing where there is none to
 * call, or, with this bit, the address of the struct io that a failed wake was for. */
#define WAKE_TAG ((uint64_t)1)

struct uring {
    struct io io; /* first, so that one is found from the other */
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    char *buffers;
};

static struct uring *uring_of(struct io *io) {
    return (struct uring *)io;
}

/* Entering the kernel. */

/* The kernel may be interrupted, or out of memory or of completion entries for the moment; the next
 * turn tries again. Anything else is a bug. */
static void uring_check_entered(int result) {
    if (result == -EBADR) {
        log_line("the kernel had no memory for a completion and lost it: no way to go on");
        abort();
    }
    assert(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
           result == -ETIME || result == -ENOMEM);
}

static void uring_submit(struct uring *uring) {
    uring_check_entered(io_uring_submit_and_get_events(&uring->ring));
}

static void uring_wait(struct uring *uring, uint64_t wait_ns) {
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(wait_ns / 1000000000),
        .tv_nsec = (long long)(wait_ns % 1000000000),
    };
    struct io_uring_cqe *first;
    uring_check_entered(io_uring_submit_and_wait_timeout(&uring->ring, &first, 1, &timeout, NULL));
}

static void uring_enter(struct io *io, uint64_t wait_ns) {
    struct uring *uring = uring_of(io);
    if (wait_ns == 0) {
        uring_submit(uring);
    } else if (wait_ns == IO_FOREVER) {
        uring_check_entered(io_uring_submit_and_wait(&uring->ring, 1));
    } else {
        uring_wait(uring, wait_ns);
    }
}

static bool uring_has_events(struct io *io) {
    struct uring *uring = uring_of(io);
    if (io_uring_cq_ready(&uring->ring) == 0 &&
        (IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_TASKRUN)) {
        uring_submit(uring);
    }
    return io_uring_cq_ready(&uring->ring) > 0;
}

/* Operations. */

__attribute__((noinline, cold)) static struct io_uring_sqe *uring_make_entry(struct uring *uring) {
    struct io_uring_sqe *entry = NULL;
    while (!entry) {
        uring_submit(uring);
        entry = io_uring_get_sqe(&uring->ring);
    }
    return entry;
}

/* A free submission entry, never NULL: a full queue is submitted first. */
static struct io_uring_sqe *uring_entry(struct uring *uring) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
    return entry ? entry : uring_make_entry(uring);
}

static void uring_expect(struct io_uring_sqe *entry, struct completion *completion) {
    io_uring_sqe_set_data64(entry, (uintptr_t)completion);
}

/* Polling first saves a try that would find nothing. */
static void uring_expect_bytes(struct io_uring_sqe *entry, bool likely_empty,
                               struct completion *completion) {
    if (likely_empty) {
        entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
    uring_expect(entry, completion);
}

static void uring_receive(struct io *io, int socket, void *where, size_t length, bool likely_empty,
                          struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_recv(entry, socket, where, length, 0);
    uring_expect_bytes(entry, likely_empty, completion);
}

static void uring_receive_lent(struct io *io, int socket, bool likely_empty,
                               struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_recv(entry, socket, NULL, IO_BUFFER_BYTES, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = BUFFER_GROUP;
    uring_expect_bytes(entry, likely_empty, completion);
}

static char *uring_buffer(const struct io *io, unsigned number) {
    const struct uring *uring = (const struct uring *)io;
    assert(number < URING_BUFFERS);
    return uring->buffers + (size_t)number * IO_BUFFER_BYTES;
}

static void uring_give_buffer(struct io *io, unsigned number) {
    struct uring *uring = uring_of(io);
    io_uring_buf_ring_add(uring->buffer_ring, uring_buffer(io, number), IO_BUFFER_BYTES,
                          (unsigned short)number, io_uring_buf_ring_mask(URING_BUFFERS), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

static void uring_send(struct io *io, int socket, const void *bytes, size_t length,
                       struct completion *completion) {
    struct io_uring_sqe *entry = uring_entry(uring_of(io));
    io_uring_prep_send(entry, socket, bytes, length, MSG_NOSIGNAL | MSG_WAITALL);
    uring_expect(entry, completion);
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

static void uring_dispatch(struct io *io, void *owner, const struct io_uring_cqe *event) {
    uint64_t data = event->user_data;
    struct completion *completion = (struct completion *)(uintptr_t)data;
    if (data & WAKE_TAG) {
        uring_wake_failed(io, (struct io *)(uintptr_t)(data & ~WAKE_TAG), event->res);
    } else if (completion) {
        completion->done(owner, completion, event->res, event->flags);
    }
}

static void uring_take(struct io *io, void *owner) {
    struct io_uring *ring = &uring_of(io)->ring;
    struct io_uring_cqe *event;
    unsigned head, count = 0;
    io_uring_for_each_cqe(ring, head, event) {
        uring_dispatch(io, owner, event);
        count++;
    }
    io_uring_cq_advance(ring, count);
}

/* At once. */

static void uring_refuse(struct io *io, int socket, const char *text, size_t length) {
    (void)io;
    send(socket, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(socket);
}

static void uring_shut_down(struct io *io, int socket, int how) {
    (void)io;
    shutdown(socket, how);
}

static void uring_close_socket(struct io *io, int socket) {
    (void)io;
    close(socket);
}

/* Opening and closing. */

static int uring_create_ring(struct uring *uring, bool small) {
    /* TASKRUN_FLAG: without it, a reactor that polls its rings in user space would never learn of
     * socket events. */
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
        .cq_entries = small ? URING_SMALL_COMPLETIONS : URING_COMPLETIONS,
    };
    return io_uring_queue_init_params(small ? URING_SMALL_SUBMISSIONS : URING_SUBMISSIONS,
                                      &uring->ring, &params);
}

static int uring_create_buffers(struct uring *uring) {
    size_t bytes = BUFFER_RING_BYTES + (size_t)URING_BUFFERS * IO_BUFFER_BYTES;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    uring->buffers = memory;
    uring->buffer_ring = (void *)(memory + (size_t)URING_BUFFERS * IO_BUFFER_BYTES);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)uring->buffer_ring,
        .ring_entries = URING_BUFFERS,
        .bgid = BUFFER_GROUP,
    };
    int error = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (error) {
        munmap(memory, bytes);
        return error;
    }
    io_uring_buf_ring_init(uring->buffer_ring);
    for (unsigned number = 0; number < URING_BUFFERS; number++) {
        uring_give_buffer(&uring->io, number);
    }
    return 0;
}

/* A sandbox may forbid this call alone, by which all operations are submitted. */
static int uring_try_enter(struct uring *uring) {
    int result = io_uring_submit_and_get_events(&uring->ring);
    return result < 0 && result != -EINTR ? result : 0;
}

static int uring_init(struct uring *uring, bool small) {
    int error = uring_create_ring(uring, small);
    if (error) {
        return error;
    }
    error = uring_try_enter(uring);
    if (!error) {
        error = uring_create_buffers(uring);
    }
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

static int uring_init_patiently(struct uring *uring, bool small, int retries) {
    int error = uring_init(uring, small);
    while (error == -ENOMEM && retries-- > 0) {
        const struct timespec pause = {.tv_nsec = URING_RETRY_NS};
        nanosleep(&pause, NULL);
        error = uring_init(uring, small);
    }
    return error;
}

static int uring_create(struct uring **result, bool small, int retries) {
    struct uring *uring = calloc(1, sizeof(*uring));
    if (!uring) {
        return -ENOMEM;
    }
    uring->io.engine = &uring_engine;
    int error = uring_init_patiently(uring, small, retries);
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
    munmap(uring->buffers, BUFFER_RING_BYTES + (size_t)URING_BUFFERS * IO_BUFFER_BYTES);
    free(uring);
}

/* A thread may register few rings, so only the one that it uses. */
static int uring_open(struct io **io, void *context) {
    const bool *small = context;
    struct uring *uring;
    int error = uring_create(&uring, small && *small, URING_OPEN_RETRIES);
    if (error) {
        return error;
    }
    error = io_uring_register_ring_fd(&uring->ring);
    if (error < 0) {
        uring_close(&uring->io);
        return error;
    }
    *io = &uring->io;
    return 0;
}

uint32_t uring_count(uint32_t wanted, bool small, int *error) {
    struct uring **rings = calloc(wanted, sizeof(struct uring *));
    uint32_t count = 0;
    *error = rings ? 0 : -ENOMEM;
    while (rings && count < wanted && !*error) {
        *error = uring_create(&rings[count], small, URING_COUNT_RETRIES);
        count += !*error;
    }
    for (uint32_t i = 0; i < count; i++) {
        uring_close(&rings[i]->io);
    }
    free(rings);
    return count;
}

static const char *uring_advice(int error) {
    switch (error) {
    case -ENOSYS:
        return "this kernel has no io_uring, or a sandbox hides it: " URING_KERNEL_NEEDED
               " or later is needed, and a container profile must allow io_uring_setup, "
               "io_uring_enter and io_uring_register";
    case -EPERM:
    case -EACCES:
        return "io_uring is forbidden here: set the sysctl kernel.io_uring_disabled to 0, and let "
               "the container profile allow io_uring_setup, io_uring_enter and io_uring_register";
    case -EINVAL:
        return "this kernel's io_uring is too old: " URING_KERNEL_NEEDED " or later is needed";
    case -ENOMEM:
        return "no memory for io_uring: raise the locked-memory limit (ulimit -l, LimitMEMLOCK=), "
               "or start fewer --cores";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor left for io_uring: raise the limit of open files (ulimit -n, "
               "LimitNOFILE=)";
    default:
        return "io_uring can't be set up";
    }
}

const struct io_engine uring_engine = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .advice = uring_advice,
    .receive = uring_receive,
    .receive_lent = uring_receive_lent,
    .buffer = uring_buffer,
    .give_buffer = uring_give_buffer,
    .send = uring_send,
    .send_vector = uring_send_vector,
    .accept = uring_accept,
    .cancel_accept = uring_cancel_accept,
    .wait_readable = uring_wait_readable,
    .wake = uring_wake,
    .enter = uring_enter,
    .take = uring_take,
    .has_events = uring_has_events,
    .refuse = uring_refuse,
    .shut_down = uring_shut_down,
    .close_socket = uring_close_socket,
};
