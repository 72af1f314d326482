#include "core/io/uring.h"

#include "core/base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BUFFER_RING_BYTES (URING_BUFFERS * sizeof(struct io_uring_buf))

static int create_ring(struct uring *uring) {
    /* TASKRUN_FLAG: without it, a reactor that polls its rings in user space would never learn of
     * socket events. */
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
        .cq_entries = URING_COMPLETIONS,
    };
    int error = io_uring_queue_init_params(URING_SUBMISSIONS, &uring->ring, &params);
    if (error) {
        return error;
    }
    error = io_uring_register_ring_fd(&uring->ring);
    if (error < 0) {
        io_uring_queue_exit(&uring->ring);
        return error;
    }
    return 0;
}

static int create_buffers(struct uring *uring) {
    size_t bytes = BUFFER_RING_BYTES + (size_t)URING_BUFFERS * URING_BUFFER_BYTES;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    _Static_assert(BUFFER_RING_BYTES < URING_BUFFER_BYTES, "the ring is the smaller part");
    uring->buffers = memory;
    uring->buffer_ring = (void *)(memory + (size_t)URING_BUFFERS * URING_BUFFER_BYTES);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)uring->buffer_ring,
        .ring_entries = URING_BUFFERS,
        .bgid = URING_BUFFER_GROUP,
    };
    int error = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (error) {
        munmap(memory, bytes);
        return error;
    }
    io_uring_buf_ring_init(uring->buffer_ring);
    for (unsigned id = 0; id < URING_BUFFERS; id++) {
        uring_give_buffer(uring, id);
    }
    return 0;
}

/* A sandbox may allow all but the call that everything else is done with: better known now. */
static int try_enter(struct uring *uring) {
    int result = io_uring_submit_and_get_events(&uring->ring);
    return result < 0 && result != -EINTR ? result : 0;
}

int uring_init(struct uring *uring) {
    *uring = (struct uring){0};
    int error = create_ring(uring);
    if (error) {
        return error;
    }
    error = try_enter(uring);
    if (!error) {
        error = create_buffers(uring);
    }
    if (error) {
        io_uring_queue_exit(&uring->ring);
    }
    return error;
}

void uring_finish(struct uring *uring) {
    io_uring_queue_exit(&uring->ring);
    munmap(uring->buffers, BUFFER_RING_BYTES + (size_t)URING_BUFFERS * URING_BUFFER_BYTES);
}

const char *uring_advice(int error) {
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

struct io_uring_sqe *uring_entry(struct uring *uring) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
    while (!entry) {
        uring_enter(uring);
        entry = io_uring_get_sqe(&uring->ring);
    }
    return entry;
}

/* The kernel may be interrupted, or out of memory or of completion entries for the moment; the next
 * turn tries again. Anything else is a bug. */
static void check_entered(int result) {
    if (result == -EBADR) {
        log_line("the kernel had no memory for a completion and lost it: no way to go on");
        abort();
    }
    assert(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
           result == -ETIME || result == -ENOMEM);
}

void uring_enter(struct uring *uring) {
    check_entered(io_uring_submit_and_get_events(&uring->ring));
}

void uring_enter_and_wait(struct uring *uring) {
    check_entered(io_uring_submit_and_wait(&uring->ring, 1));
}

void uring_enter_and_wait_ns(struct uring *uring, uint64_t timeout_ns) {
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(timeout_ns / 1000000000),
        .tv_nsec = (long long)(timeout_ns % 1000000000),
    };
    struct io_uring_cqe *completion;
    check_entered(io_uring_submit_and_wait_timeout(&uring->ring, &completion, 1, &timeout, NULL));
}

bool uring_has_events(const struct uring *uring) {
    return io_uring_cq_ready(&uring->ring) > 0 ||
           (IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_TASKRUN);
}

char *uring_buffer(const struct uring *uring, unsigned id) {
    assert(id < URING_BUFFERS);
    return uring->buffers + (size_t)id * URING_BUFFER_BYTES;
}

void uring_give_buffer(struct uring *uring, unsigned id) {
    io_uring_buf_ring_add(uring->buffer_ring, uring_buffer(uring, id), URING_BUFFER_BYTES,
                          (unsigned short)id, io_uring_buf_ring_mask(URING_BUFFERS), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}
