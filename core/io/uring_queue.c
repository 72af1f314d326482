/* Entering the kernel, and the entries that it takes then. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/io/uring_parts.h"

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

void uring_submit(struct uring *uring) {
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

/* Nothing is to be submitted, and the kernel has nothing that it would do or tell. */
static bool uring_is_quiet(const struct uring *uring) {
    unsigned flags = IO_URING_READ_ONCE(*uring->ring.sq.kflags);
    return io_uring_sq_ready(&uring->ring) == 0 &&
           !(flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

void uring_enter(struct io *io, uint64_t wait_ns) {
    struct uring *uring = uring_of(io);
    if (wait_ns == 0 || uring_sources_wait(uring)) {
        if (!uring_is_quiet(uring)) {
            uring_submit(uring);
        }
    } else if (wait_ns == IO_FOREVER) {
        uring_check_entered(io_uring_submit_and_wait(&uring->ring, 1));
    } else {
        uring_wait(uring, wait_ns);
    }
}

bool uring_has_events(struct io *io) {
    struct uring *uring = uring_of(io);
    if (io_uring_cq_ready(&uring->ring) == 0 &&
        (IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_TASKRUN)) {
        uring_submit(uring);
    }
    return io_uring_cq_ready(&uring->ring) > 0 || uring_sources_wait(uring);
}

/* Entries. */

struct io_uring_sqe *uring_make_entry(struct uring *uring) {
    struct io_uring_sqe *entry = NULL;
    while (!entry) {
        uring_submit(uring);
        entry = io_uring_get_sqe(&uring->ring);
    }
    return entry;
}
