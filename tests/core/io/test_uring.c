/* What is io_uring's alone: more than its queues hold, and many operations of one descriptor. */
#include "core/io/uring.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <unistd.h>

#include "pair.h"

/* More has been told than there are entries for: what is behind them has not been told yet, so
 * nothing is known of a send that is tried once. */
Test(uring, a_send_once_that_fails_behind_too_many_events, .timeout = 120) {
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
Test(uring, sends_many_once, .timeout = 120) {
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
Test(uring, takes_more_operations_than_entries, .timeout = 120) {
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
