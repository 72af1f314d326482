/* uring: the engine that is io_uring, for struct io of core/io/io.h.
 *
 * Each reactor has a ring of its own, with receive buffers that the kernel picks from. The thread
 * that opens it is the only one that may use it (IORING_SETUP_SINGLE_ISSUER), but for closing,
 * which comes after that thread has ended.
 */
#ifndef CORE_IO_URING_H
#define CORE_IO_URING_H

#include "core/io/io.h"

/* Entries of a ring's two queues; and of a small ring, which takes a quarter of the memory. */
#define URING_SUBMISSIONS 256
#define URING_COMPLETIONS 4096
#define URING_SMALL_SUBMISSIONS 64
#define URING_SMALL_COMPLETIONS 512

/* The lowest kernel that has all that is used here: DEFER_TASKRUN came last. */
#define URING_KERNEL_NEEDED "Linux 6.1"

/* How a ring is to be; zeroed: large, and free to do anything. */
struct uring_options {
    bool small;
    bool restricted; /* for good to the operations and flags that are used here, see uring_room.c */
};

/* Its context is a const struct uring_options, or NULL. open() returns -EINVAL, -ENOSYS or
 * -EPERM where this kernel or sandbox won't do, and -ENOMEM, for which it tries for 2 seconds,
 * when a ring takes more than may be locked: of this user, in all processes that may not ignore it.
 */
extern const struct io_engine uring_engine;

/* Whether a ring can be opened here, with the operations that are needed: 0, or -errno for
 * uring_engine.advice(), -EOPNOTSUPP where operations are missing. Opens one and closes it. Thread:
 * any, before reactors open theirs. */
int uring_probe(bool restricted);

/* How many rings can be open at a time: `wanted`, or fewer, and then `error` becomes -errno of the
 * first that could not be opened. Opens and closes them. Thread: any, before reactors open theirs.
 */
uint32_t uring_count(uint32_t wanted, bool small, int *error);

#endif
