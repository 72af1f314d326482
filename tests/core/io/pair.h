/* pair: a socket that an engine works on, and its other end, which a test does. The engine is the
 * one that the test is compiled for. Functions that begin with expect_ fail the test otherwise.
 */
#ifndef TESTS_CORE_IO_PAIR_H
#define TESTS_CORE_IO_PAIR_H

#include <stdint.h>

#include "core/io/epoll.h"
#include "core/io/io.h"
#include "core/io/uring.h"

/* The engine, as meson.build has it. */
#ifndef ENGINE
#define ENGINE uring_engine
#endif

#define SOON_NS ((uint64_t)5 * 1000000000)

struct pair {
    struct io *io;
    int socket;
    int peer;
    struct io_source *source;
    struct operation {
        struct completion completion;
        uint32_t calls;
        int result;
        unsigned flags;
    } operation;
};

void operation_init(struct operation *operation);

struct io *open_engine(void);

/* Of unix sockets, and of TCP, where a reset is an error. */
struct pair pair_open(void);
struct pair pair_open_tcp(void);
void pair_close(struct pair *pair);

/* Receives of the pair's operation; opened when it is asked for first, as it is before a send. */
struct io_source *source_of(struct pair *pair);

uint64_t now_ns(void);

/* Until the operation has been called once more. */
void finish(struct io *io, struct operation *operation);

/* The peer has got this; sends this; and nothing completes that has no reason to. */
void expect_bytes(const struct pair *pair, const char *bytes);
void tell(const struct pair *pair, const char *bytes);
void expect_nothing(struct pair *pair);

#endif
