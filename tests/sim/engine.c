/* What the product calls. What the scheduler does with it stands in completions.c. */
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "server.h"
#include "sockets.h"

/* A socket that is received from. */
struct io_source {
    struct completion *received;
    int socket;
};

static struct engine *engine_of(const struct io *io) {
    return (struct engine *)(uintptr_t)io;
}

static int engine_open(struct io **io, void *context) {
    const struct engine_place *place = context;
    struct world *world = place->world;
    world->in_reactor = false;
    struct engine *engine = calloc(1, sizeof(*engine));
    engine->buffers = malloc(world->choices.buffers * IO_BUFFER_BYTES);
    engine->io.engine = &simulated_engine;
    engine->world = world;
    engine->turn_ns = world->now_ns;
    engine->reactor = place->reactor;
    world->engines[place->reactor] = engine;
    world->in_reactor = true;
    *io = &engine->io;
    return 0;
}

static void engine_close(struct io *io) {
    struct engine *engine = engine_of(io);
    engine->world->engines[engine->reactor] = NULL;
    bool in_reactor = engine->world->in_reactor;
    engine->world->in_reactor = false;
    struct world *world = engine->world;
    free(engine->buffers);
    free(engine);
    world->in_reactor = in_reactor;
}

static const char *engine_advice(int error) {
    (void)error;
    return "the simulated engine always opens";
}

void engine_yield(struct engine *engine) {
    engine->in_turn = true;
    fiber_yield(engine->fiber);
    engine->in_turn = false;
}

/* Another thread may have its turn whenever this one asks for something. */
static void engine_pause(struct engine *engine) {
    if (engine->fiber && world_fault(engine->world, engine->world->choices.faults.yields)) {
        engine_yield(engine);
    }
}

static struct io_operation *engine_add(struct io *io, enum operation_kind kind, int descriptor,
                                       struct completion *completion) {
    struct engine *engine = engine_of(io);
    engine_pause(engine);
    for (uint32_t i = 0; i < engine->operation_count; i++) {
        if (engine->operations[i].completion == completion) {
            world_fail(engine->world, "a completion is used for two operations at once");
        }
    }
    WORLD_CHECK(engine->world, completion->done);
    WORLD_CHECK(engine->world, engine->operation_count < ENGINE_OPERATIONS_MAX);
    struct io_operation *operation = &engine->operations[engine->operation_count++];
    *operation =
        (struct io_operation){.kind = kind, .completion = completion, .descriptor = descriptor};
    world_note(engine->world, "asks", engine->reactor, kind, (uint64_t)descriptor);
    return operation;
}

static struct io_source *engine_open_source(struct io *io, int socket,
                                            struct completion *received) {
    struct io_source *source = malloc(sizeof(*source));
    if (source) {
        *source = (struct io_source){.received = received, .socket = socket};
        sockets_find(engine_of(io)->world, socket)->received_from = true;
    }
    return source;
}

static void engine_receive(struct io *io, struct io_source *source, char *where, size_t length) {
    struct io_operation *operation =
        engine_add(io, OPERATION_RECEIVE, source->socket, source->received);
    assert(length > 0);
    sockets_find(engine_of(io)->world, source->socket);
    operation->lent = !where;
    operation->where = where;
    operation->length = length;
}

static void engine_take_back(struct engine *engine, const struct io_event *event) {
    if (event->flags & IO_LENT) {
        engine->lent[io_lent_buffer(event->flags)] = false;
        engine->lent_count--;
    }
}

/* A receive under way doesn't complete. */
static void engine_close_source(struct io *io, struct io_source *source) {
    struct engine *engine = engine_of(io);
    uint32_t left = 0;
    for (uint32_t i = 0; i < engine->operation_count; i++) {
        if (engine->operations[i].completion == source->received) {
            engine->operations[i--] = engine->operations[--engine->operation_count];
        }
    }
    for (uint32_t i = 0; i < engine->arrived_count; i++) {
        if (engine->arrived[i].completion == source->received) {
            engine_take_back(engine, &engine->arrived[i]);
        } else {
            engine->arrived[left++] = engine->arrived[i];
        }
    }
    engine->arrived_count = left;
    for (uint32_t i = 0; i < engine->ready_count; i++) {
        WORLD_CHECK(engine->world, engine->ready[i].completion != source->received);
    }
    sockets_find(engine->world, source->socket)->received_from = false;
    free(source);
}

uint32_t engine_lent(const struct engine *engine) {
    return engine->epoll ? kernel_lent(engine) : engine->lent_count;
}

static char *engine_buffer(const struct io *io, unsigned number) {
    const struct engine *engine = engine_of(io);
    WORLD_CHECK(engine->world, number < engine->world->choices.buffers);
    WORLD_CHECK(engine->world, engine->lent[number]);
    return engine->buffers + (size_t)number * IO_BUFFER_BYTES;
}

/* Whoever reads it from here on reads nonsense. */
static void engine_give_buffer(struct io *io, unsigned number) {
    struct engine *engine = engine_of(io);
    memset(engine_buffer(io, number), 0x5a, 64);
    engine->lent[number] = false;
    engine->lent_count--;
}

static void engine_send(struct io *io, int socket, const void *bytes, size_t length,
                        struct completion *completion) {
    struct io_operation *operation = engine_add(io, OPERATION_SEND, socket, completion);
    assert(length > 0);
    sockets_find(engine_of(io)->world, socket);
    operation->bytes = bytes;
    operation->length = length;
}

static void engine_send_once(struct io *io, int socket, const void *bytes, size_t length,
                             struct completion *completion) {
    engine_send(io, socket, bytes, length, completion);
    struct engine *engine = engine_of(io);
    engine->operations[engine->operation_count - 1].once = true;
}

static void engine_send_vector(struct io *io, int socket, const struct msghdr *message,
                               struct completion *completion) {
    struct io_operation *operation = engine_add(io, OPERATION_SEND_VECTOR, socket, completion);
    sockets_find(engine_of(io)->world, socket);
    operation->message = message;
}

/* At once, as far as it goes: nobody else has a turn meanwhile. */
static size_t engine_send_now(struct io *io, int socket, const void *bytes, size_t length,
                              bool more) {
    struct engine *engine = engine_of(io);
    struct world *world = engine->world;
    const struct faults *faults = &world->choices.faults;
    for (uint32_t i = 0; i < engine->operation_count; i++) {
        WORLD_CHECK(world, engine->operations[i].descriptor != socket ||
                               engine->operations[i].kind == OPERATION_RECEIVE);
    }
    if (world_fault(world, faults->send_again) || world_fault(world, faults->send_broken)) {
        return 0;
    }
    if (world_fault(world, faults->send_short)) {
        length = random_size(&world->random, (uint32_t)length);
    }
    long sent = socket_send(sockets_find(world, socket), bytes, length);
    world_note(world, "sends now", (uint64_t)socket, length, more);
    return sent > 0 ? (size_t)sent : 0;
}

static void engine_accept(struct io *io, int socket, struct completion *completion) {
    engine_add(io, OPERATION_ACCEPT, socket, completion);
}

static void engine_cancel_accept(struct io *io, struct completion *completion) {
    struct engine *engine = engine_of(io);
    for (uint32_t i = 0; i < engine->operation_count; i++) {
        if (engine->operations[i].completion == completion) {
            engine->operations[i].cancelled = true;
        }
    }
}

static void engine_wait_readable(struct io *io, int descriptor, struct completion *completion) {
    engine_add(io, OPERATION_READABLE, descriptor, completion);
}

static void engine_wake(struct io *io, struct io *other) {
    struct engine *engine = engine_of(io);
    engine->wakes |= 1u << engine_of(other)->reactor;
    world_note(engine->world, "wakes", engine->reactor, engine_of(other)->reactor, 0);
    engine_pause(engine);
}

static void engine_submit(struct engine *engine) {
    for (uint32_t i = 0; i < engine->operation_count; i++) {
        engine->operations[i].submitted = true;
    }
    engine_send_all_once(engine);
    for (uint32_t i = 0; i < engine->world->choices.reactors; i++) {
        if (engine->wakes & (1u << i)) {
            engine->world->engines[i]->wakes_coming++;
        }
    }
    engine->wakes = 0;
}

static void engine_reap(struct engine *engine) {
    memcpy(engine->ready + engine->ready_count, engine->arrived,
           engine->arrived_count * sizeof(*engine->arrived));
    engine->ready_count += engine->arrived_count;
    engine->arrived_count = 0;
}

/* It has as many buffers as there are, whatever is trimmed. */
static void engine_trim(struct io *io) {
    (void)io;
}

static void engine_enter(struct io *io, uint64_t wait_ns) {
    struct engine *engine = engine_of(io);
    struct world *world = engine->world;
    engine_submit(engine);
    server_check_turn(world, engine->reactor);
    world_note(world, "enters", engine->reactor, wait_ns, world->now_ns);
    engine->waiting = wait_ns > 0;
    engine->deadline_ns =
        wait_ns > UINT64_MAX - world->now_ns ? UINT64_MAX : world->now_ns + wait_ns;
    fiber_yield(engine->fiber);
    engine->waiting = engine->woken = false;
    engine->turn_ns = world->now_ns;
    engine_reap(engine);
}

/* What is called may ask for more, which completes later. */
static void engine_take(struct io *io, void *owner) {
    struct engine *engine = engine_of(io);
    uint32_t count = engine->ready_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct io_event event = engine->ready[i];
        event.completion->done(owner, event.completion, event.result, event.flags);
    }
    WORLD_CHECK(engine->world, engine->ready_count == count);
    engine->ready_count = 0;
}

/* Whoever looks for events without entering lets the others go on meanwhile. */
static bool engine_has_events(struct io *io) {
    struct engine *engine = engine_of(io);
    if (random_one_in(&engine->world->random, 4)) {
        engine_yield(engine);
    }
    engine_reap(engine);
    for (uint32_t i = 0; i < engine->ready_count; i++) {
        if (!engine->ready[i].quiet) {
            return true;
        }
    }
    return false;
}

static void engine_close_socket(struct io *io, int descriptor) {
    struct engine *engine = engine_of(io);
    struct world *world = engine->world;
    struct socket *socket = sockets_find(world, descriptor);
    for (uint32_t i = 0; i < engine->operation_count && !socket->listening && !world->ended; i++) {
        if (engine->operations[i].descriptor == descriptor) {
            world_fail(world, "descriptor %d is closed under an operation", descriptor);
        }
    }
    if (socket->received_from && !world->ended) {
        world_fail(world, "descriptor %d is closed before its source", descriptor);
    }
    socket_close(world, socket);
}

static void engine_refuse(struct io *io, int descriptor, const char *text, size_t length) {
    struct socket *socket = sockets_find(engine_of(io)->world, descriptor);
    socket->excuse = "it was one too many";
    socket_send(socket, text, length);
    engine_close_socket(io, descriptor);
}

static void engine_shut_down(struct io *io, int descriptor, int how) {
    struct socket *socket = sockets_find(engine_of(io)->world, descriptor);
    world_note(engine_of(io)->world, "shuts", (uint64_t)descriptor, (uint64_t)how, 0);
    socket_shut_down(socket, how);
}

const struct io_engine simulated_engine = {
    .name = "simulated",
    .open = engine_open,
    .close = engine_close,
    .advice = engine_advice,
    .open_source = engine_open_source,
    .close_source = engine_close_source,
    .leave_source = engine_close_source,
    .receive = engine_receive,
    .buffer = engine_buffer,
    .give_buffer = engine_give_buffer,
    .send = engine_send,
    .send_once = engine_send_once,
    .send_vector = engine_send_vector,
    .send_now = engine_send_now,
    .accept = engine_accept,
    .cancel_accept = engine_cancel_accept,
    .wait_readable = engine_wait_readable,
    .wake = engine_wake,
    .trim = engine_trim,
    .enter = engine_enter,
    .take = engine_take,
    .has_events = engine_has_events,
    .refuse = engine_refuse,
    .shut_down = engine_shut_down,
    .close_socket = engine_close_socket,
};
