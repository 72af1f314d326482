#include "pair.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/container.h"

static void operation_done(void *owner, struct completion *completion, int result, unsigned flags) {
    struct operation *operation = container_of(completion, struct operation, completion);
    cr_assert(not(zero(ptr, owner)));
    operation->calls++;
    operation->result = result;
    operation->flags = flags;
}

void operation_init(struct operation *operation) {
    *operation = (struct operation){.completion.done = operation_done};
}

/* Of io_uring as the server has it by default; epoll has no options. */
struct io *open_engine(void) {
    struct uring_options options = {.restricted = true};
    struct io *io;
    int error = ENGINE.open(&io, &options);
    cr_assert(zero(int, error), "%s", ENGINE.advice(error));
    return io;
}

struct pair pair_open(void) {
    int sockets[2];
    cr_assert(zero(int, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets)));
    struct pair pair = {.io = open_engine(), .socket = sockets[0], .peer = sockets[1]};
    operation_init(&pair.operation);
    return pair;
}

struct io_source *source_of(struct pair *pair) {
    if (!pair->source) {
        pair->source = io_open_source(pair->io, pair->socket, &pair->operation.completion);
        cr_assert(not(zero(ptr, pair->source)));
    }
    return pair->source;
}

void pair_close(struct pair *pair) {
    if (pair->source) {
        io_close_source(pair->io, pair->source);
    }
    close(pair->socket);
    close(pair->peer);
    ENGINE.close(pair->io);
}

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void finish(struct io *io, struct operation *operation) {
    uint32_t calls = operation->calls;
    for (int i = 0; i < 10 && operation->calls == calls; i++) {
        io_enter(io, SOON_NS);
        io_take(io, operation);
    }
    cr_assert(eq(u32, operation->calls, calls + 1));
}

void expect_bytes(const struct pair *pair, const char *bytes) {
    char received[64] = "";
    ssize_t length = recv(pair->peer, received, sizeof(received) - 1, 0);
    cr_assert(eq(sz, (size_t)length, strlen(bytes)));
    cr_assert(eq(str, received, (char *)bytes));
}

void tell(const struct pair *pair, const char *bytes) {
    size_t length = strlen(bytes);
    cr_assert(eq(sz, (size_t)send(pair->peer, bytes, length, 0), length));
}

void expect_nothing(struct pair *pair) {
    uint32_t calls = pair->operation.calls;
    io_enter(pair->io, 1000000);
    io_take(pair->io, pair);
    cr_assert(eq(u32, pair->operation.calls, calls));
}

struct pair pair_open_tcp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct pair pair = {.io = open_engine(), .peer = socket(AF_INET, SOCK_STREAM, 0)};
    cr_assert(zero(int, bind(listener, (struct sockaddr *)&address, length)));
    cr_assert(zero(int, listen(listener, 1)));
    cr_assert(zero(int, getsockname(listener, (struct sockaddr *)&address, &length)));
    cr_assert(zero(int, connect(pair.peer, (struct sockaddr *)&address, length)));
    pair.socket = accept(listener, NULL, NULL);
    close(listener);
    operation_init(&pair.operation);
    return pair;
}
