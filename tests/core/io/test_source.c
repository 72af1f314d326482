/* Receiving by an engine, on the kernel of this machine. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"

/* Receives into a lent buffer. Returns its number. */
static unsigned expect_lent(struct pair *pair, const char *bytes) {
    struct operation *operation = &pair->operation;
    io_receive_lent(pair->io, source_of(pair), IO_BUFFER_BYTES);
    finish(pair->io, operation);
    cr_assert(eq(int, operation->result, (int)strlen(bytes)));
    cr_assert(not(zero(u32, operation->flags & IO_LENT)));
    unsigned number = io_lent_buffer(operation->flags);
    cr_assert(zero(int, memcmp(io_buffer(pair->io, number), bytes, strlen(bytes))));
    return number;
}

static void expect_received(struct pair *pair, const char *bytes) {
    io_give_buffer(pair->io, expect_lent(pair, bytes));
}

/* As a last receive: without a buffer. */
static void expect_result(struct pair *pair, int result) {
    io_receive_lent(pair->io, source_of(pair), IO_BUFFER_BYTES);
    finish(pair->io, &pair->operation);
    cr_assert(eq(int, pair->operation.result, result));
    cr_assert(zero(u32, pair->operation.flags & IO_LENT));
}

Test(source, receives_into_lent_buffers, .timeout = 600) {
    struct pair pair = pair_open();
    tell(&pair, "some bytes");
    expect_received(&pair, "some bytes");
    tell(&pair, "and some");
    expect_received(&pair, "and some");
    io_receive_lent(pair.io, source_of(&pair), IO_BUFFER_BYTES);
    expect_nothing(&pair);
    tell(&pair, "late ones");
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, 9));
    pair_close(&pair);
}

/* What has come while nobody asked is there for whoever asks later, and nobody is woken for it. */
Test(source, leaves_in_the_socket_what_is_not_asked_for, .timeout = 600) {
    struct pair pair = pair_open();
    tell(&pair, "1");
    expect_received(&pair, "1");
    tell(&pair, "2");
    expect_nothing(&pair);
    tell(&pair, "3");
    expect_nothing(&pair);
    cr_assert(not(io_has_events(pair.io)));
    expect_received(&pair, "23");
    pair_close(&pair);
}

Test(source, receives_to_a_place_of_the_caller, .timeout = 600) {
    struct pair pair = pair_open();
    struct operation *operation = &pair.operation;
    char where[8] = "";
    io_receive(pair.io, source_of(&pair), where, 4);
    expect_nothing(&pair);
    tell(&pair, "abcdef");
    finish(pair.io, operation);
    cr_assert(eq(int, operation->result, 4));
    cr_assert(zero(u32, operation->flags & IO_LENT));
    cr_assert(eq(str, where, (char *)"abcd"));
    io_receive(pair.io, source_of(&pair), where, 2); /* no event tells of these */
    finish(pair.io, operation);
    cr_assert(eq(str, where, (char *)"efcd"));
    io_receive(pair.io, source_of(&pair), where, 2);
    expect_nothing(&pair);
    tell(&pair, "g");
    finish(pair.io, operation);
    cr_assert(eq(int, operation->result, 1));
    pair_close(&pair);
}

Test(source, a_receive_waits_while_all_buffers_are_lent, .timeout = 600) {
    struct pair pair = pair_open();
    struct operation *operation = &pair.operation;
    unsigned first = 0;
    for (unsigned i = 0; i < IO_BUFFERS; i++) {
        tell(&pair, "x");
        unsigned number = expect_lent(&pair, "x");
        first = i == 0 ? number : first;
    }
    tell(&pair, "y");
    io_receive_lent(pair.io, source_of(&pair), IO_BUFFER_BYTES);
    expect_nothing(&pair);
    expect_nothing(&pair);
    io_give_buffer(pair.io, first);
    finish(pair.io, operation);
    cr_assert(eq(u32, io_lent_buffer(operation->flags), first));
    cr_assert(eq(chr, *io_buffer(pair.io, first), 'y'));
    pair_close(&pair);
}

/* Bytes and end are told as one; a short receive of the bytes must not leave the end behind. */
Test(source, the_end_comes_behind_the_bytes, .timeout = 600) {
    for (int half = 0; half < 2; half++) {
        struct pair pair = pair_open();
        tell(&pair, "last words");
        if (half) {
            shutdown(pair.peer, SHUT_WR);
        } else {
            close(pair.peer);
            pair.peer = -1;
        }
        expect_received(&pair, "last words");
        expect_result(&pair, 0);
        expect_result(&pair, 0);
        pair_close(&pair);
    }
}

/* A recv() ends where urgent data stands, though more is there, of which no other event tells. */
static void expect_around_urgent_data(struct pair pair) {
    cr_assert(eq(int, (int)send(pair.peer, "before", 6, 0), 6));
    cr_assert(eq(int, (int)send(pair.peer, "!", 1, MSG_OOB), 1));
    cr_assert(eq(int, (int)send(pair.peer, "behind", 6, 0), 6));
    expect_received(&pair, "before");
    expect_received(&pair, "behind");
    tell(&pair, "later");
    expect_received(&pair, "later");
    pair_close(&pair);
}

Test(source, goes_on_behind_urgent_data, .timeout = 600) {
    expect_around_urgent_data(pair_open());
    expect_around_urgent_data(pair_open_tcp());
}

Test(source, an_end_that_comes_while_nobody_asks_is_found, .timeout = 600) {
    struct pair pair = pair_open();
    tell(&pair, "1");
    expect_received(&pair, "1");
    tell(&pair, "2");
    expect_nothing(&pair);
    shutdown(pair.peer, SHUT_WR);
    expect_nothing(&pair);
    expect_received(&pair, "2");
    expect_result(&pair, 0);
    pair_close(&pair);
}

Test(source, a_reset_ends_a_receive_and_a_send, .timeout = 600) {
    struct pair pair = pair_open_tcp();
    struct linger at_once = {.l_onoff = 1};
    tell(&pair, "x");
    expect_received(&pair, "x");
    setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    io_receive_lent(pair.io, source_of(&pair), IO_BUFFER_BYTES);
    io_enter(pair.io, 0);
    close(pair.peer);
    pair.peer = -1;
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, -ECONNRESET));
    io_send_once(pair.io, pair.socket, "x", 1, &pair.operation.completion);
    finish(pair.io, &pair.operation);
    cr_assert(eq(int, pair.operation.result, -EPIPE));
    pair_close(&pair);
}

Test(source, a_shut_down_ends_a_receive, .timeout = 600) {
    for (int tcp = 0; tcp < 2; tcp++) {
        struct pair pair = tcp ? pair_open_tcp() : pair_open();
        io_receive_lent(pair.io, source_of(&pair), IO_BUFFER_BYTES);
        io_enter(pair.io, 0);
        io_shut_down(pair.io, pair.socket, SHUT_RD);
        finish(pair.io, &pair.operation);
        cr_assert(eq(int, pair.operation.result, 0));
        pair_close(&pair);
    }
}

/* With a receive under way, with one that could complete, with none, and before the first: none is
 * called any more, and the socket may be closed at once. The number is another's then. */
Test(source, closes_a_source, .timeout = 600) {
    for (int kind = 0; kind < 4; kind++) {
        struct pair pair = pair_open_tcp();
        char byte;
        if (kind > 0) {
            tell(&pair, "x");
            expect_received(&pair, "x");
        }
        if (kind > 1) {
            io_receive_lent(pair.io, source_of(&pair), IO_BUFFER_BYTES);
            io_enter(pair.io, 0);
        }
        tell(&pair, "y");
        if (kind > 2) {
            io_enter(pair.io, SOON_NS);
        }
        io_close_source(pair.io, source_of(&pair));
        io_close_socket(pair.io, pair.socket);
        pair.source = NULL;
        struct pair other = pair_open();
        struct io *unused = other.io;
        other.io = pair.io;
        expect_nothing(&pair);
        expect_nothing(&pair);
        cr_assert(le(int, (int)recv(pair.peer, &byte, 1, 0), 0)); /* the kernel has let go of it */
        tell(&other, "z");
        expect_received(&other, "z");
        other.io = unused;
        pair.socket = -1;
        io_close_source(pair.io, other.source);
        other.source = NULL;
        pair_close(&other);
        pair_close(&pair);
    }
}

/* From engine to engine and back, with bytes that stay in the socket, an event that was fetched and
 * not taken, and room that is watched: the engine that it has left hears of it no more. */
Test(source, goes_on_at_another_engine_and_comes_back, .timeout = 600) {
    for (int tcp = 0; tcp < 2; tcp++) {
        struct pair pair = tcp ? pair_open_tcp() : pair_open();
        struct io *other = open_engine();
        for (int i = 0; i < 8; i++) {
            tell(&pair, "here");
            expect_received(&pair, "here");
            expect_nothing(&pair);
            tell(&pair, "there");
            while (i & 1 && !io_has_events(pair.io)) {
                sched_yield();
            }
            io_leave_source(pair.io, pair.source);
            pair.source = NULL;
            struct io *left = pair.io;
            pair.io = other;
            other = left;
            source_of(&pair);
            io_send_once(pair.io, pair.socket, "out", 3, &pair.operation.completion);
            io_enter(pair.io, 0);
            io_take(pair.io, &pair);
            expect_bytes(&pair, "out");
            expect_received(&pair, "there");
            if (i & 2) {
                do {
                    io_enter(left, 0);
                    io_take(left, &pair);
                } while (io_has_events(left));
                tell(&pair, "heard by one");
                expect_received(&pair, "heard by one");
                cr_assert(not(io_has_events(left)));
            }
        }
        ENGINE.close(other);
        pair_close(&pair);
    }
}
