/* uring: a reactor's io_uring and the receive buffers that the kernel picks from.
 *
 * The thread that calls uring_init() is the only one that may use it (IORING_SETUP_SINGLE_ISSUER),
 * but for uring_finish(), which comes after that thread has ended.
 */
#ifndef CORE_IO_URING_H
#define CORE_IO_URING_H

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

#define URING_SUBMISSIONS 256
#define URING_COMPLETIONS 4096

/* 2 MiB of receive buffers a reactor. A buffer is in use from its completion to the end of that
 * turn, no longer. */
#define URING_BUFFERS 128
#define URING_BUFFER_BYTES ((size_t)16 * 1024)
#define URING_BUFFER_GROUP 0

/* The lowest kernel that has all that is used here: DEFER_TASKRUN came last. */
#define URING_KERNEL_NEEDED "Linux 6.1"

struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    char *buffers;
};

/* Returns 0 or -errno; -EINVAL, -ENOSYS and -EPERM mean that this kernel or sandbox won't do. */
int uring_init(struct uring *uring);
void uring_finish(struct uring *uring);

/* Says in words what a failure of uring_init() means and what to do about it. */
const char *uring_advice(int error);

/* A free submission entry, never NULL: a full queue is submitted first. The caller fills it in. */
struct io_uring_sqe *uring_entry(struct uring *uring);

/* Submits what has been filled in and runs the kernel's deferred work; with wait, until there is a
 * completion. */
void uring_enter(struct uring *uring);
void uring_enter_and_wait(struct uring *uring);
void uring_enter_and_wait_ns(struct uring *uring, uint64_t timeout_ns);

/* True when a call of uring_enter() would bring completions, or some are here. Reads memory only.
 */
bool uring_has_events(const struct uring *uring);

/* A receive buffer by the number in its completion, and its return to the kernel. */
char *uring_buffer(const struct uring *uring, unsigned id);
void uring_give_buffer(struct uring *uring, unsigned id);

#endif
