/* What is epoll's alone: room for output that comes and goes, descriptors that are told of again.
 */
#include "core/io/epoll.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "pair.h"

static char many_bytes[1 << 20];

/* Fills the socket, then reads all at its other end; returns how often the engine had something to
 * take. */
static void send_through_a_full_socket(struct pair *pair) {
    static char received[1 << 16];
    struct operation *operation = &pair->operation;
    uint32_t calls = operation->calls;
    io_send(pair->io, pair->socket, many_bytes, sizeof(many_bytes), &operation->completion);
    for (size_t length = 0; length < sizeof(many_bytes);) {
        io_enter(pair->io, 1000000);
        io_take(pair->io, pair);
        ssize_t more = recv(pair->peer, received, sizeof(received), MSG_DONTWAIT);
        length += more > 0 ? (size_t)more : 0;
    }
    while (operation->calls == calls) {
        io_enter(pair->io, SOON_NS);
        io_take(pair->io, pair);
    }
    cr_assert(eq(int, operation->result, (int)sizeof(many_bytes)));
}

/* After a send that had to wait for room the client's reading wakes nobody; and the next send that
 * has to wait is woken again. */
Test(epoll, room_is_told_of_while_it_is_waited_for, .timeout = 600) {
    for (int tcp = 0; tcp < 2; tcp++) {
        struct pair pair = tcp ? pair_open_tcp() : pair_open();
        char received[16];
        source_of(&pair);
        for (int i = 0; i < 3; i++) {
            send_through_a_full_socket(&pair);
            io_enter(pair.io, 1000000); /* what it was told last */
            io_take(pair.io, &pair);
            for (int j = 0; j < 3; j++) {
                io_send_once(pair.io, pair.socket, "short", 5, &pair.operation.completion);
                io_enter(pair.io, 0);
                io_take(pair.io, &pair);
                cr_assert(eq(int, (int)recv(pair.peer, received, sizeof(received), 0), 5));
                expect_nothing(&pair);
            }
            cr_assert(not(io_has_events(pair.io)));
        }
        pair_close(&pair);
    }
}

/* A send that waits for room ends by a shut-down, also behind the end of its source. */
Test(epoll, a_shut_down_ends_a_send_that_waits, .timeout = 600) {
    for (int tcp = 0; tcp < 2; tcp++) {
        struct pair pair = tcp ? pair_open_tcp() : pair_open();
        struct operation *operation = &pair.operation;
        source_of(&pair);
        int sent = 0;
        do { /* until nothing more finds room */
            io_send_once(pair.io, pair.socket, many_bytes, sizeof(many_bytes),
                         &operation->completion);
            io_enter(pair.io, 0);
            io_take(pair.io, &pair);
            sent = operation->result;
        } while (sent > 0);
        cr_assert(eq(int, sent, -EAGAIN));
        io_send(pair.io, pair.socket, many_bytes, sizeof(many_bytes), &operation->completion);
        io_enter(pair.io, 0);
        uint32_t calls = operation->calls;
        io_take(pair.io, &pair);
        cr_assert(eq(u32, operation->calls, calls));
        io_shut_down(pair.io, pair.socket, SHUT_RDWR);
        io_close_source(pair.io, pair.source);
        finish(pair.io, operation);
        cr_assert(eq(int, operation->result, -EPIPE));
        io_close_socket(pair.io, pair.socket);
        pair.source = NULL;
        pair.socket = -1;
        pair_close(&pair);
    }
}

/* What nobody waits for any more is told once, and again when it is waited for. */
Test(epoll, a_descriptor_that_nobody_waits_for_keeps_nobody_awake, .timeout = 600) {
    struct pair pair = pair_open();
    tell(&pair, "x");
    for (int i = 0; i < 3; i++) {
        io_wait_readable(pair.io, pair.socket, &pair.operation.completion);
        finish(pair.io, &pair.operation);
        expect_nothing(&pair);
        cr_assert(not(io_has_events(pair.io)));
    }
    pair_close(&pair);
}

/* Where a socket can't be watched its receive and its send end with the error. */
Test(epoll, a_source_that_cannot_be_watched_fails, .timeout = 600) {
    struct pair pair = pair_open();
    int file = open("/proc/self/exe", O_RDONLY);
    struct operation operation;
    operation_init(&operation);
    struct io_source *source = io_open_source(pair.io, file, &operation.completion);
    io_receive_lent(pair.io, source, IO_BUFFER_BYTES);
    finish(pair.io, &operation);
    cr_assert(eq(int, operation.result, -EPERM));
    io_close_source(pair.io, source);
    io_close_socket(pair.io, file);
    pair_close(&pair);
}

/* A listener is not left non-blocking to whoever has it next. */
Test(epoll, a_listener_becomes_as_it_was, .timeout = 600) {
    struct io *io = open_engine();
    struct operation operation;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    operation_init(&operation);
    cr_assert(zero(int, bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t))));
    cr_assert(zero(int, listen(listener, 1)));
    io_accept(io, listener, &operation.completion);
    cr_assert(not(zero(int, fcntl(listener, F_GETFL) & O_NONBLOCK)));
    io_cancel_accept(io, &operation.completion);
    cr_assert(zero(int, fcntl(listener, F_GETFL) & O_NONBLOCK));
    close(listener);
    finish(io, &operation);
    cr_assert(eq(int, operation.result, -ECANCELED));
    ENGINE.close(io);
}
