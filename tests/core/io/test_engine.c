/* An engine on the kernel of this machine. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "pair.h"

Test(engine, sends_bytes_and_the_parts_of_a_message, .timeout = 600) {
    struct pair pair = pair_open();
    source_of(&pair);
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

/* What finds room, and 0 when the other side is gone. */
Test(engine, sends_now_what_finds_room, .timeout = 600) {
    static char bytes[4 << 20];
    struct pair pair = pair_open();
    source_of(&pair);
    cr_assert(eq(sz, io_send_now(pair.io, pair.socket, "at once", 7, true), (size_t)7));
    expect_bytes(&pair, "at once");
    size_t sent = io_send_now(pair.io, pair.socket, bytes, sizeof(bytes), false);
    cr_assert(lt(sz, (size_t)0, sent));
    cr_assert(lt(sz, sent, sizeof(bytes)));
    cr_assert(eq(sz, io_send_now(pair.io, pair.socket, bytes, sizeof(bytes), false), (size_t)0));
    close(pair.peer);
    pair.peer = -1;
    cr_assert(eq(sz, io_send_now(pair.io, pair.socket, "x", 1, false), (size_t)0));
    pair_close(&pair);
}

/* More than a socket holds: it goes on as the other side reads. */
Test(engine, sends_all_of_many_bytes, .timeout = 600) {
    struct pair pair = pair_open();
    source_of(&pair);
    static char bytes[4 << 20], received[1 << 16];
    ssize_t length = 0;
    io_send(pair.io, pair.socket, bytes, sizeof(bytes), &pair.operation.completion);
    io_enter(pair.io, 0);
    while (length < (ssize_t)sizeof(bytes)) {
        ssize_t more = recv(pair.peer, received, sizeof(received), MSG_DONTWAIT);
        length += more > 0 ? more : 0;
        io_enter(pair.io, 1000000);
        io_take(pair.io, &pair);
    }
    if (pair.operation.calls == 0) {
        finish(pair.io, &pair.operation);
    }
    cr_assert(eq(u32, pair.operation.calls, 1));
    cr_assert(eq(int, pair.operation.result, (int)sizeof(bytes)));
    pair_close(&pair);
}

/* An engine that lacks a function would be found only by who needs that. */
Test(engine, has_all_functions) {
    struct pair pair = pair_open();
    uintptr_t members[sizeof(struct io_engine) / sizeof(uintptr_t)];
    memcpy(members, pair.io->engine, sizeof(members));
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        cr_assert(ne(u64, members[i], 0));
    }
    pair_close(&pair);
}

Test(engine, a_peer_that_is_gone_is_an_error_and_no_signal, .timeout = 600) {
    struct pair pair = pair_open();
    source_of(&pair);
    shutdown(pair.peer, SHUT_RDWR);
    io_send(pair.io, pair.socket, "x", 1, &pair.operation.completion);
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, -EPIPE));
    pair_close(&pair);
}

/* Sends that are tried once. */

/* All that went is told with the next event, and no event by itself. */
Test(engine, sends_once_without_an_event, .timeout = 600) {
    struct pair pair = pair_open();
    source_of(&pair);
    struct operation *operation = &pair.operation;
    struct operation other;
    operation_init(&other);
    io_send_once(pair.io, pair.socket, "short", 5, &operation->completion);
    uint64_t before_ns = now_ns();
    io_enter(pair.io, 20000000);
    cr_assert(ge(u64, now_ns() - before_ns, 20000000));
    cr_assert(not(io_has_events(pair.io)));
    expect_bytes(&pair, "short");
    cr_assert(zero(u32, operation->calls));
    io_take(pair.io, &pair);
    cr_assert(eq(u32, operation->calls, 1));
    cr_assert(eq(int, operation->result, 5));
    pair_close(&pair);
}

/* As much as finds room, then nothing, and each is an event; then the rest by a send that waits. */
static void send_what_finds_room(struct pair *pair) {
    static char bytes[1 << 20];
    struct operation *operation = &pair->operation;
    int small = 4096;
    source_of(pair);
    setsockopt(pair->socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 31 >> 3);
    }
    io_send_once(pair->io, pair->socket, bytes, sizeof(bytes), &operation->completion);
    io_enter(pair->io, SOON_NS);
    io_take(pair->io, pair);
    cr_assert(eq(u32, operation->calls, 1));
    int sent = operation->result;
    cr_assert(lt(int, 0, sent));
    cr_assert(lt(int, sent, (int)sizeof(bytes)));
    do {
        io_send_once(pair->io, pair->socket, bytes + sent, sizeof(bytes) - (size_t)sent,
                     &operation->completion);
        finish(pair->io, operation);
        sent += operation->result > 0 ? operation->result : 0;
    } while (operation->result > 0);
    cr_assert(eq(int, operation->result, -EAGAIN));
    io_send(pair->io, pair->socket, bytes + sent, sizeof(bytes) - (size_t)sent,
            &operation->completion);
    uint32_t calls = operation->calls;
    for (size_t at = 0; at < sizeof(bytes);) {
        char received[1 << 12];
        ssize_t more = recv(pair->peer, received, sizeof(received), MSG_DONTWAIT);
        cr_assert(zero(int, more > 0 && memcmp(received, bytes + at, (size_t)more) != 0));
        at += more > 0 ? (size_t)more : 0;
        io_enter(pair->io, 1000000);
        io_take(pair->io, pair);
    }
    cr_assert(eq(u32, operation->calls, calls + 1));
    cr_assert(eq(int, operation->result, (int)sizeof(bytes) - sent));
}

Test(engine, sends_once_what_finds_room, .timeout = 600) {
    for (int tcp = 0; tcp < 2; tcp++) {
        struct pair pair = tcp ? pair_open_tcp() : pair_open();
        send_what_finds_room(&pair);
        pair_close(&pair);
    }
}

Test(engine, waits_until_a_descriptor_is_readable, .timeout = 600) {
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

Test(engine, refuses_with_a_last_line, .timeout = 600) {
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

Test(engine, accepts_until_it_is_cancelled, .timeout = 600) {
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
    ENGINE.close(io);
}

/* Waking and waiting. */

Test(engine, wakes_another, .timeout = 600) {
    struct io *one = open_engine(), *other = open_engine();
    cr_assert(not(io_has_events(other)));
    io_wake(one, other);
    io_enter(one, 0);
    io_take(one, one);
    io_enter(other, IO_FOREVER);
    cr_assert(io_has_events(other));
    io_take(other, other); /* it calls nothing */
    cr_assert(not(io_has_events(other)));
    ENGINE.close(one);
    ENGINE.close(other);
}

Test(engine, waits_no_longer_than_it_is_told, .timeout = 600) {
    struct io *io = open_engine();
    uint64_t before_ns = now_ns();
    io_enter(io, 20000000);
    uint64_t waited_ns = now_ns() - before_ns;
    cr_assert(ge(u64, waited_ns, 20000000));
    cr_assert(not(io_has_events(io)));
    ENGINE.close(io);
}
