/* What is io_uring's alone: more than its queues hold, many operations of one descriptor, and what
 * a restricted ring refuses. */
#include "core/io/uring.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include "core/io/uring_parts.h"
#include "pair.h"

/* More has been told than there are entries for: what is behind them has not been told yet, so
 * nothing is known of a send that is tried once. */
Test(uring, a_send_once_that_fails_behind_too_many_events, .timeout = 600) {
    struct pair pair = pair_open();
    struct operation *operation = &pair.operation;
    struct operation others;
    operation_init(&others);
    shutdown(pair.peer, SHUT_RDWR);
    for (uint32_t i = 0; i < URING_COMPLETIONS; i++) {
        io_send(pair.io, pair.socket, "x", 1, &others.completion);
    }
    io_send_once(pair.io, pair.socket, "x", 1, &operation->completion);
    while (others.calls < URING_COMPLETIONS || operation->calls == 0) {
        io_enter(pair.io, 0);
        io_take(pair.io, &pair);
    }
    cr_assert(eq(int, operation->result, -EPIPE));
    pair_close(&pair);
}

/* More than are noted at a time, and than the submission queue holds; one of them fails. */
Test(uring, sends_many_once, .timeout = 600) {
    struct pair pair = pair_open_tcp(), broken = pair_open();
    static struct operation operations[3 * URING_SUBMISSIONS];
    size_t count = sizeof(operations) / sizeof(*operations), bad = 100;
    close(broken.peer);
    for (size_t i = 0; i < count; i++) {
        operation_init(&operations[i]);
        io_send_once(pair.io, i == bad ? broken.socket : pair.socket, "x", 1,
                     &operations[i].completion);
    }
    for (int turn = 0; turn < 2; turn++) {
        io_enter(pair.io, 0);
        io_take(pair.io, &pair);
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert(eq(u32, operations[i].calls, 1));
        cr_assert(eq(int, operations[i].result, i == bad ? -EPIPE : 1));
    }
    broken.peer = -1;
    pair_close(&pair);
    pair_close(&broken);
}

/* An operation more than the submission queue holds is submitted on the way. */
Test(uring, takes_more_operations_than_entries, .timeout = 600) {
    struct pair pair = pair_open();
    static struct operation operations[3 * URING_SUBMISSIONS];
    size_t count = sizeof(operations) / sizeof(*operations);
    for (size_t i = 0; i < count; i++) {
        operation_init(&operations[i]);
        io_wait_readable(pair.io, pair.socket, &operations[i].completion);
    }
    tell(&pair, "x");
    while (io_has_events(pair.io)) {
        io_take(pair.io, &pair);
        io_enter(pair.io, 0);
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert(eq(u32, operations[i].calls, 1));
    }
    pair_close(&pair);
}

/* What becomes of an entry of that kind; its fields are those of a poll. */
static int submit(struct pair *pair, uint8_t operation, uint8_t flags) {
    struct io_uring_sqe *entry = uring_entry(uring_of(pair->io));
    operation_init(&pair->operation);
    io_uring_prep_poll_add(entry, pair->socket, POLLOUT);
    entry->opcode = operation;
    entry->flags = flags;
    io_uring_sqe_set_data64(entry, (uintptr_t)&pair->operation.completion);
    while (pair->operation.calls == 0) {
        io_enter(pair->io, 0);
        io_take(pair->io, pair);
    }
    return pair->operation.result;
}

/* What the least kernel has beside, and would be of use to who has taken a reactor over. */
static const uint8_t forbidden[] = {
    IORING_OP_NOP,         IORING_OP_READ,         IORING_OP_WRITE,     IORING_OP_READV,
    IORING_OP_WRITEV,      IORING_OP_OPENAT,       IORING_OP_OPENAT2,   IORING_OP_CLOSE,
    IORING_OP_CONNECT,     IORING_OP_SOCKET,       IORING_OP_RECV,      IORING_OP_RECVMSG,
    IORING_OP_SEND_ZC,     IORING_OP_UNLINKAT,     IORING_OP_RENAMEAT,  IORING_OP_LINKAT,
    IORING_OP_SYMLINKAT,   IORING_OP_MKDIRAT,      IORING_OP_STATX,     IORING_OP_SPLICE,
    IORING_OP_POLL_REMOVE, IORING_OP_TIMEOUT,      IORING_OP_FALLOCATE, IORING_OP_EPOLL_CTL,
    IORING_OP_URING_CMD,   IORING_OP_FILES_UPDATE,
};

Test(uring, a_restricted_ring_takes_what_is_used, .timeout = 600) {
    struct pair pair = pair_open();
    for (size_t i = 0; i < sizeof(forbidden); i++) {
        cr_assert(eq(int, submit(&pair, forbidden[i], 0), -EACCES), "operation %u", forbidden[i]);
    }
    cr_assert(eq(int, submit(&pair, IORING_OP_POLL_ADD, 0), POLLOUT));
    static const uint8_t flags[] = {IOSQE_FIXED_FILE, IOSQE_IO_DRAIN, IOSQE_IO_LINK,
                                    IOSQE_IO_HARDLINK, IOSQE_ASYNC};
    for (size_t i = 0; i < sizeof(flags); i++) {
        cr_assert(eq(int, submit(&pair, IORING_OP_POLL_ADD, flags[i]), -EACCES), "flag %u",
                  flags[i]);
    }
    pair_close(&pair);
}

Test(uring, nothing_is_registered_with_a_restricted_ring, .timeout = 600) {
    struct pair pair = pair_open();
    unsigned ring = (unsigned)uring_of(pair.io)->ring.ring_fd;
    cr_assert(eq(int, io_uring_register(ring, IORING_REGISTER_PERSONALITY, NULL, 0), -EACCES));
    cr_assert(eq(int, io_uring_register(ring, IORING_REGISTER_FILES, &pair.socket, 1), -EACCES));
    pair_close(&pair);
}

Test(uring, another_ring_takes_anything, .timeout = 600) {
    struct pair pair = {.socket = -1, .peer = -1};
    cr_assert(zero(int, uring_engine.open(&pair.io, NULL)));
    cr_assert(eq(int, submit(&pair, IORING_OP_NOP, 0), 0));
    uring_engine.close(pair.io);
}
