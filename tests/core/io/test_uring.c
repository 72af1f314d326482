/* The engine that is io_uring, on the kernel of this machine. */
#include "core/io/uring.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/base/container.h"

#define SOON_NS ((uint64_t)5 * 1000000000)

/* One end of a socket pair that the engine works on, and the other, which the test does. */
struct pair {
    struct io *io;
    int socket;
    int peer;
    struct operation {
        struct completion completion;
        uint32_t calls;
        int result;
        unsigned flags;
    } operation;
};

static void operation_done(void *owner, struct completion *completion, int result, unsigned flags) {
    struct operation *operation = container_of(completion, struct operation, completion);
    cr_assert(not(zero(ptr, owner)));
    operation->calls++;
    operation->result = result;
    operation->flags = flags;
}

static void operation_init(struct operation *operation) {
    *operation = (struct operation){.completion.done = operation_done};
}

static struct io *open_engine(void) {
    struct io *io;
    int error = uring_engine.open(&io, NULL);
    cr_assert(zero(int, error), "%s", uring_engine.advice(error));
    return io;
}

static struct pair pair_open(void) {
    int sockets[2];
    cr_assert(zero(int, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets)));
    struct pair pair = {.io = open_engine(), .socket = sockets[0], .peer = sockets[1]};
    operation_init(&pair.operation);
    return pair;
}

static void pair_close(struct pair *pair) {
    close(pair->socket);
    close(pair->peer);
    uring_engine.close(pair->io);
}

/* Until the operation has been called once more. */
static void finish(struct io *io, struct operation *operation) {
    uint32_t calls = operation->calls;
    for (int i = 0; i < 10 && operation->calls == calls; i++) {
        io_enter(io, SOON_NS);
        io_take(io, operation);
    }
    cr_assert(eq(u32, operation->calls, calls + 1));
}

static void expect_bytes(const struct pair *pair, const char *bytes) {
    char received[64] = "";
    ssize_t length = recv(pair->peer, received, sizeof(received) - 1, 0);
    cr_assert(eq(sz, (size_t)length, strlen(bytes)));
    cr_assert(eq(str, received, (char *)bytes));
}

static void tell(const struct pair *pair, const char *bytes) {
    size_t length = strlen(bytes);
    cr_assert(eq(sz, (size_t)send(pair->peer, bytes, length, 0), length));
}

Test(uring, receives_into_lent_buffers, .timeout = 30) {
    for (int likely_empty = 0; likely_empty < 2; likely_empty++) {
        struct pair pair = pair_open();
        struct operation *operation = &pair.operation;
        tell(&pair, "some bytes");
        io_receive_lent(pair.io, pair.socket, likely_empty, &operation->completion);
        finish(pair.io, operation);
        cr_assert(eq(int, operation->result, 10));
        cr_assert(not(zero(u32, operation->flags & IO_LENT)));
        unsigned number = io_lent_buffer(operation->flags);
        cr_assert(zero(int, memcmp(io_buffer(pair.io, number), "some bytes", 10)));
        io_give_buffer(pair.io, number);
        pair_close(&pair);
    }
}

Test(uring, receives_to_a_place_of_the_caller, .timeout = 30) {
    struct pair pair = pair_open();
    char where[8] = "";
    io_receive(pair.io, pair.socket, where, 4, true, &pair.operation.completion);
    io_enter(pair.io, 0);
    io_take(pair.io, &pair);
    cr_assert(eq(u32, pair.operation.calls, 0));
    tell(&pair, "abcdef");
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, 4));
    cr_assert(zero(u32, pair.operation.flags & IO_LENT));
    cr_assert(not(zero(u32, pair.operation.flags & IO_SOCKET_HAS_MORE)));
    cr_assert(eq(str, where, (char *)"abcd"));
    pair_close(&pair);
}

Test(uring, says_that_all_buffers_are_lent, .timeout = 30) {
    struct pair pair = pair_open();
    struct operation *operation = &pair.operation;
    unsigned first = 0;
    for (unsigned i = 0; i < URING_BUFFERS; i++) {
        tell(&pair, "x");
        io_receive_lent(pair.io, pair.socket, false, &operation->completion);
        finish(pair.io, operation);
        cr_assert(eq(int, operation->result, 1));
        first = i == 0 ? io_lent_buffer(operation->flags) : first;
    }
    tell(&pair, "y");
    io_receive_lent(pair.io, pair.socket, false, &operation->completion);
    finish(pair.io, operation);
    cr_assert(eq(int, operation->result, -ENOBUFS));
    io_give_buffer(pair.io, first);
    io_receive_lent(pair.io, pair.socket, false, &operation->completion);
    finish(pair.io, operation);
    cr_assert(eq(u32, io_lent_buffer(operation->flags), first));
    cr_assert(eq(chr, *io_buffer(pair.io, first), 'y'));
    pair_close(&pair);
}

Test(uring, sends_bytes_and_the_parts_of_a_message, .timeout = 30) {
    struct pair pair = pair_open();
    struct operation *operation = &pair.operation;
    struct iovec parts[] = {{.iov_base = (char *)"one ", .iov_len = 4},
                            {.iov_base = (char *)"two", .iov_len = 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    io_send(pair.io, pair.socket, "all of it", 9, &operation->completion);
    finish(pair.io, operation);
    cr_assert(eq(int, operation->result, 9));
    expect_bytes(&pair, "all of it");
    io_send_vector(pair.io, pair.socket, &message, &operation->completion);
    finish(pair.io, operation);
    cr_assert(eq(int, operation->result, 7));
    expect_bytes(&pair, "one two");
    pair_close(&pair);
}

/* More than a socket holds: it goes on as the other side reads. */
Test(uring, sends_all_of_many_bytes, .timeout = 30) {
    struct pair pair = pair_open();
    static char bytes[4 << 20], received[1 << 16];
    ssize_t length = 0;
    io_send(pair.io, pair.socket, bytes, sizeof(bytes), &pair.operation.completion);
    io_enter(pair.io, 0);
    while (length < (ssize_t)sizeof(bytes)) {
        ssize_t more = recv(pair.peer, received, sizeof(received), MSG_DONTWAIT);
        length += more > 0 ? more : 0;
        io_enter(pair.io, 1000000);
    }
    io_take(pair.io, &pair);
    cr_assert(eq(u32, pair.operation.calls, 1));
    cr_assert(eq(int, pair.operation.result, (int)sizeof(bytes)));
    pair_close(&pair);
}

Test(uring, a_peer_that_is_gone_is_an_error_and_no_signal, .timeout = 30) {
    struct pair pair = pair_open();
    shutdown(pair.peer, SHUT_RDWR);
    io_send(pair.io, pair.socket, "x", 1, &pair.operation.completion);
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, -EPIPE));
    pair_close(&pair);
}

Test(uring, a_shut_down_ends_a_receive, .timeout = 30) {
    struct pair pair = pair_open();
    io_receive_lent(pair.io, pair.socket, true, &pair.operation.completion);
    io_enter(pair.io, 0);
    io_shut_down(pair.io, pair.socket, SHUT_RD);
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, 0));
    pair_close(&pair);
}

Test(uring, waits_until_a_descriptor_is_readable, .timeout = 30) {
    struct pair pair = pair_open();
    io_wait_readable(pair.io, pair.socket, &pair.operation.completion);
    io_enter(pair.io, 0);
    io_take(pair.io, &pair);
    cr_assert(eq(u32, pair.operation.calls, 0));
    cr_assert(not(io_has_events(pair.io)));
    tell(&pair, "x");
    cr_assert(io_has_events(pair.io));
    io_take(pair.io, &pair);
    cr_assert(eq(u32, pair.operation.calls, 1));
    cr_assert(ge(int, pair.operation.result, 0));
    pair_close(&pair);
}

Test(uring, refuses_with_a_last_line, .timeout = 30) {
    struct pair pair = pair_open();
    char byte;
    io_refuse(pair.io, dup(pair.socket), "go away", 7);
    expect_bytes(&pair, "go away");
    io_close_socket(pair.io, pair.socket);
    cr_assert(eq(int, (int)recv(pair.peer, &byte, 1, 0), 0));
    pair.socket = -1;
    pair_close(&pair);
}

/* Accepting. */

static int listen_somewhere(struct sockaddr_un *address, socklen_t *length) {
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *length = sizeof(sa_family_t); /* the kernel chooses an abstract one */
    cr_assert(zero(int, bind(listener, (struct sockaddr *)address, *length)));
    cr_assert(zero(int, listen(listener, 8)));
    *length = sizeof(*address);
    cr_assert(zero(int, getsockname(listener, (struct sockaddr *)address, length)));
    return listener;
}

Test(uring, accepts_until_it_is_cancelled, .timeout = 30) {
    struct io *io = open_engine();
    struct operation operation;
    struct sockaddr_un address;
    socklen_t length;
    int listener = listen_somewhere(&address, &length);
    operation_init(&operation);
    io_accept(io, listener, &operation.completion);
    for (int i = 0; i < 3; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        cr_assert(zero(int, connect(client, (struct sockaddr *)&address, length)));
        finish(io, &operation);
        cr_assert(ge(int, operation.result, 0));
        cr_assert(not(zero(u32, operation.flags & IO_MORE)));
        close(operation.result);
        close(client);
    }
    io_cancel_accept(io, &operation.completion);
    finish(io, &operation);
    cr_assert(eq(int, operation.result, -ECANCELED));
    cr_assert(zero(u32, operation.flags & IO_MORE));
    io_cancel_accept(io, &operation.completion); /* there is none any more */
    io_enter(io, 0);
    io_take(io, &operation);
    cr_assert(eq(u32, operation.calls, 4));
    close(listener);
    uring_engine.close(io);
}

/* Waking and waiting. */

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

Test(uring, wakes_another, .timeout = 30) {
    struct io *one = open_engine(), *other = open_engine();
    cr_assert(not(io_has_events(other)));
    io_wake(one, other);
    io_enter(one, 0);
    io_take(one, one);
    io_enter(other, IO_FOREVER);
    cr_assert(io_has_events(other));
    io_take(other, other); /* it calls nothing */
    cr_assert(not(io_has_events(other)));
    uring_engine.close(one);
    uring_engine.close(other);
}

Test(uring, waits_no_longer_than_it_is_told, .timeout = 30) {
    struct io *io = open_engine();
    uint64_t before_ns = now_ns();
    io_enter(io, 20000000);
    uint64_t waited_ns = now_ns() - before_ns;
    cr_assert(ge(u64, waited_ns, 20000000));
    cr_assert(not(io_has_events(io)));
    uring_engine.close(io);
}

/* An operation more than the submission queue holds is submitted on the way. */
Test(uring, takes_more_operations_than_entries, .timeout = 30) {
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
