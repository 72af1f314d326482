/* What comes of the operations of an engine: the scheduler's side of it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "engine.h"
#include "kernel.h"
#include "server.h"
#include "sockets.h"

static void engine_complete(struct engine *engine, uint32_t at, int result, unsigned flags) {
    struct world *world = engine->world;
    struct io_operation *operation = &engine->operations[at];
    WORLD_CHECK(world, engine->arrived_count < ENGINE_EVENTS_MAX);
    engine->arrived[engine->arrived_count++] =
        (struct io_event){.completion = operation->completion,
                          .quiet = operation->once && result == (int)operation->length,
                          .result = result,
                          .flags = flags};
    world_note(world, "completes", (uint64_t)engine->reactor << 32 | operation->kind,
               (uint64_t)operation->descriptor, (uint64_t)(int64_t)result);
    world->completions++;
    if (operation->kind != OPERATION_ACCEPT || !(flags & IO_MORE)) {
        *operation = engine->operations[--engine->operation_count];
    }
}

static int pick(struct world *world, const int *errors, uint32_t count) {
    return errors[random_below(&world->random, count)];
}

/* An error that ends the connection. */
static int pick_fatal(struct world *world, struct socket *socket, bool send) {
    static const int errors[] = {-ECONNRESET, -ENOMEM, -ETIMEDOUT, -EPIPE};
    socket->excuse = "the kernel has failed it";
    return pick(world, errors, send ? 4 : 3);
}

static int pick_again(struct world *world) {
    static const int errors[] = {-EINTR, -EAGAIN};
    return pick(world, errors, 2);
}

/* One of those that may be lent, of which there is one. */
static int engine_lend(struct engine *engine) {
    uint32_t count = engine->world->choices.buffers;
    uint32_t at = random_below(&engine->world->random, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = (at + i) % count;
        if (!engine->lent[number]) {
            engine->lent[number] = true;
            engine->lent_count++;
            return (int)number;
        }
    }
    world_fail(engine->world, "all buffers are lent");
}

static size_t shorten(struct world *world, size_t length, uint32_t parts) {
    return length > 1 && world_fault(world, parts)
               ? random_between(&world->random, 1, (uint32_t)length - 1)
               : length;
}

static void step_receive(struct engine *engine, uint32_t at, struct socket *socket) {
    struct world *world = engine->world;
    const struct faults *faults = &world->choices.faults;
    struct io_operation *operation = &engine->operations[at];
    unsigned flags = 0;
    char *where = operation->where;
    if (world_fault(world, faults->receive_again)) {
        engine_complete(engine, at, pick_again(world), 0);
        return;
    }
    if (world_fault(world, faults->receive_broken)) {
        engine_complete(engine, at, pick_fatal(world, socket, false), 0);
        return;
    }
    if (operation->lent && socket->in.length > 0 && !socket->reset) {
        int number = engine_lend(engine);
        flags = IO_LENT | (unsigned)number << IO_BUFFER_SHIFT;
        where = engine->buffers + (size_t)number * IO_BUFFER_BYTES;
    }
    long result =
        socket_receive(socket, where, shorten(world, operation->length, faults->receive_short));
    if (result > 0) {
        world_progress(world);
    }
    engine_complete(engine, at, (int)result, flags);
}

static void step_send(struct engine *engine, uint32_t at, struct socket *socket) {
    struct world *world = engine->world;
    const struct faults *faults = &world->choices.faults;
    struct io_operation *operation = &engine->operations[at];
    if (operation->done == 0 && world_fault(world, faults->send_again)) {
        engine_complete(engine, at, pick_again(world), 0);
        return;
    }
    if (world_fault(world, faults->send_broken)) {
        engine_complete(engine, at, pick_fatal(world, socket, true), 0);
        return;
    }
    size_t left = operation->length - operation->done;
    long sent = socket_send(
        socket, operation->bytes + operation->done,
        random_one_in(&world->random, 2) ? left : random_size(&world->random, (uint32_t)left));
    if (sent > 0) {
        operation->done += (size_t)sent;
        world_progress(world);
    }
    if (sent < 0 && operation->done == 0) {
        engine_complete(engine, at, (int)sent, 0);
    } else if (sent < 0 || operation->done == operation->length ||
               world_fault(world, faults->send_short)) {
        engine_complete(engine, at, (int)operation->done, 0);
    }
}

/* What finds room when it is submitted, and perhaps less. */
static void step_send_once(struct engine *engine, uint32_t at, struct socket *socket) {
    struct world *world = engine->world;
    const struct faults *faults = &world->choices.faults;
    const struct io_operation *operation = &engine->operations[at];
    if (world_fault(world, faults->send_again)) {
        engine_complete(engine, at, pick_again(world), 0);
        return;
    }
    if (world_fault(world, faults->send_broken)) {
        engine_complete(engine, at, pick_fatal(world, socket, true), 0);
        return;
    }
    long sent = socket_send(socket, operation->bytes,
                            shorten(world, operation->length, faults->send_short));
    if (sent > 0) {
        world_progress(world);
    }
    engine_complete(engine, at, (int)sent, 0);
}

void engine_send_all_once(struct engine *engine) {
    struct world *world = engine->world;
    for (uint32_t i = engine->operation_count; i-- > 0;) {
        if (engine->operations[i].once) {
            struct socket *socket = sockets_find(world, engine->operations[i].descriptor);
            if (socket->frozen && world->now_ns >= socket->reset_ns) {
                socket_reset(socket, "its client had vanished");
            }
            step_send_once(engine, i, socket);
        }
    }
}

/* What finds room now, and perhaps less. */
static void step_send_vector(struct engine *engine, uint32_t at, struct socket *socket) {
    struct world *world = engine->world;
    const struct faults *faults = &world->choices.faults;
    const struct msghdr *message = engine->operations[at].message;
    long done = 0, sent = 0;
    if (world_fault(world, faults->send_again)) {
        engine_complete(engine, at, pick_again(world), 0);
        return;
    }
    if (world_fault(world, faults->send_broken)) {
        engine_complete(engine, at, pick_fatal(world, socket, true), 0);
        return;
    }
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *part = &message->msg_iov[i];
        size_t length = shorten(world, part->iov_len, faults->send_short);
        sent = part->iov_len > 0 ? socket_send(socket, part->iov_base, length) : 0;
        done += sent > 0 ? sent : 0;
        if (sent < (long)part->iov_len) {
            break;
        }
    }
    if (done > 0) {
        world_progress(world);
    }
    engine_complete(engine, at, (int)(done > 0 ? done : sent), 0);
}

static void step_accept(struct engine *engine, uint32_t at, struct socket *listener) {
    static const int errors[] = {-EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EINTR};
    struct world *world = engine->world;
    const struct faults *faults = &world->choices.faults;
    if (engine->operations[at].cancelled) {
        engine_complete(engine, at, -ECANCELED, 0);
        return;
    }
    if (world_fault(world, faults->accept_refused)) {
        engine_complete(engine, at, pick(world, errors, 5), 0);
        return;
    }
    struct socket *socket = socket_accept(listener);
    if (world_fault(world, faults->accept_refused)) {
        socket_reset(socket, "it was gone before it was accepted");
        socket->closed = true;
        engine_complete(engine, at, -ECONNABORTED, 0);
        return;
    }
    world_progress(world);
    engine_complete(engine, at, socket->descriptor,
                    world_fault(world, faults->accept_ends) ? 0 : IO_MORE);
}

static bool operation_is_possible(const struct engine *engine, uint32_t at) {
    const struct io_operation *operation = &engine->operations[at];
    struct world *world = engine->world;
    if (!operation->submitted) {
        return false;
    }
    if (operation->kind == OPERATION_READABLE) {
        return server_is_readable(world, operation->descriptor);
    }
    if (operation->kind == OPERATION_ACCEPT && operation->cancelled) {
        return true;
    }
    if (operation->kind == OPERATION_ACCEPT && sockets_is_closed(world, operation->descriptor)) {
        return true;
    }
    const struct socket *socket = sockets_find(world, operation->descriptor);
    if (operation->kind == OPERATION_ACCEPT) {
        return socket->waiting || socket->shut_read;
    }
    if (operation->lent && engine->lent_count == world->choices.buffers) {
        return false;
    }
    if (socket->frozen && world->now_ns >= socket->reset_ns) {
        return true;
    }
    if (socket->frozen && !socket->shut_read) {
        return operation->kind != OPERATION_RECEIVE && socket_may_send(socket);
    }
    return operation->kind == OPERATION_RECEIVE ? socket_may_receive(socket)
                                                : socket_may_send(socket);
}

static void operation_step(struct engine *engine, uint32_t at) {
    struct world *world = engine->world;
    const struct io_operation *operation = &engine->operations[at];
    if (operation->kind == OPERATION_READABLE) {
        engine_complete(engine, at, 1, 0);
        return;
    }
    if (operation->kind == OPERATION_ACCEPT && sockets_is_closed(world, operation->descriptor)) {
        engine_complete(engine, at, operation->cancelled ? -ECANCELED : -EINVAL, 0);
        return;
    }
    struct socket *socket = sockets_find(world, operation->descriptor);
    if (operation->kind == OPERATION_ACCEPT && socket->shut_read && !socket->waiting) {
        engine_complete(engine, at, -EINVAL, 0);
        return;
    }
    if (socket->frozen && world->now_ns >= socket->reset_ns) {
        socket_reset(socket, "its client had vanished");
    }
    switch (operation->kind) {
    case OPERATION_RECEIVE:
        step_receive(engine, at, socket);
        return;
    case OPERATION_SEND:
        step_send(engine, at, socket);
        return;
    case OPERATION_SEND_VECTOR:
        step_send_vector(engine, at, socket);
        return;
    case OPERATION_ACCEPT:
        step_accept(engine, at, socket);
        return;
    case OPERATION_READABLE:
        break;
    }
}

static bool engine_bring_wake(struct engine *engine) {
    if (engine->wakes_coming == 0) {
        return false;
    }
    engine->wakes_coming--;
    engine->woken = true;
    world_note(engine->world, "woken", engine->reactor, 0, 0);
    return true;
}

bool engine_is_runnable(struct engine *engine) {
    if (engine->epoll && kernel_has_news(engine)) {
        return true;
    }
    for (uint32_t i = 0; i < engine->arrived_count; i++) {
        if (!engine->arrived[i].quiet) {
            return true;
        }
    }
    return !engine->waiting || engine->woken || engine->world->now_ns >= engine->deadline_ns;
}

bool engine_step(struct engine *engine) {
    struct random *random = &engine->world->random;
    if (engine->wakes_coming > 0 && random_one_in(random, 2)) {
        return engine_bring_wake(engine);
    }
    if (engine->operation_count == 0) {
        return false;
    }
    uint32_t at = random_below(random, engine->operation_count);
    if (!operation_is_possible(engine, at)) {
        return false;
    }
    operation_step(engine, at);
    return true;
}

bool engine_step_any(struct engine *engine) {
    if (engine_bring_wake(engine)) {
        return true;
    }
    for (uint32_t i = 0; i < engine->operation_count; i++) {
        if (operation_is_possible(engine, i)) {
            operation_step(engine, i);
            return true;
        }
    }
    return false;
}

void engine_check_awake(const struct engine *engine, bool has_arrivals) {
    if (engine->waiting && has_arrivals && !engine->woken && engine->wakes_coming == 0 &&
        engine->world->now_ns < engine->deadline_ns) {
        world_fail(engine->world, "a wake is lost: reactor %u sleeps with messages in its rings",
                   engine->reactor);
    }
}
