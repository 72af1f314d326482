/* epoll: the engine that is epoll, for struct io of core/io/io.h: for where io_uring is forbidden
 * or missing.
 *
 * Each reactor has an epoll set of its own. A connection joins it once, for all that may come, edge
 * triggered; its bytes are then received and sent by calls that do not wait. Sends are tried when
 * the reactor enters the engine, while others may serve its shard. Another reactor's wake is a
 * write to an eventfd.
 *
 * It opens, and works, on Linux 2.6.28 and later; README.md of core/ has the list of its calls.
 */
#ifndef CORE_IO_EPOLL_H
#define CORE_IO_EPOLL_H

#include "core/io/io.h"

/* Descriptors that a reactor accepts on, or waits for to be readable: listeners, UDP sockets,
 * signals and the like. */
#define EPOLL_WATCHES_MAX 256

/* Descriptors that it takes to open it. */
#define EPOLL_DESCRIPTORS 2

/* Its context is not looked at. open() returns -errno: -ENOMEM, -EMFILE, -ENFILE, or what a sandbox
 * says. */
extern const struct io_engine epoll_engine;

#endif
