/* uring: the engine that is io_uring, for struct io of core/io/io.h.
 *
 * Each reactor has a ring of its own, with receive buffers that the kernel picks from. The thread
 * that opens it is the only one that may use it (IORING_SETUP_SINGLE_ISSUER), but for closing,
 * which comes after that thread has ended.
 */
#ifndef CORE_IO_URING_H
#define CORE_IO_URING_H

#include "core/io/io.h"

#define URING_SUBMISSIONS 256
#define URING_COMPLETIONS 4096

/* 2 MiB of receive buffers a reactor. A buffer is in use from its completion to the end of that
 * turn, no longer. */
#define URING_BUFFERS 128

/* The lowest kernel that has all that is used here: DEFER_TASKRUN came last. */
#define URING_KERNEL_NEEDED "Linux 6.1"

/* Its context is not looked at. open() returns -EINVAL, -ENOSYS or -EPERM where this kernel or
 * sandbox won't do. */
extern const struct io_engine uring_engine;

#endif
