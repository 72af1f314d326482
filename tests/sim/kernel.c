#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/container.h"
#include "core/io/epoll_parts.h"
#include "server.h"
#include "sockets.h"

/* Each reactor's set, and what wakes it: descriptors below those of sockets and of signals. */
#define SETS_FIRST (SOCKETS_FIRST - 1 - 2 * WORLD_REACTORS_MAX)
#define EVENTS_FIRST (SETS_FIRST + WORLD_REACTORS_MAX)

bool kernel_knows(const struct world *world, int descriptor) {
    return world && world->epoll && descriptor >= SETS_FIRST;
}

static struct engine *kernel_of_set(struct world *world, int set) {
    WORLD_CHECK(world, set >= SETS_FIRST);
    WORLD_CHECK(world, set < EVENTS_FIRST);
    struct engine *engine = world->engines[set - SETS_FIRST];
    WORLD_CHECK(world, engine);
    return engine;
}

/* Another reactor may have its turn now. */
static void kernel_pause(struct world *world) {
    struct engine *engine = world->engines[world->running];
    if (world->in_reactor && !world->ended && engine && engine->fiber &&
        world_fault(world, world->choices.faults.yields)) {
        engine_yield(engine);
    }
}

static int kernel_pick(struct world *world, const int *errors, uint32_t count) {
    return errors[random_below(&world->random, count)];
}

/* An error that ends the connection. */
static long kernel_fail(struct world *world, struct socket *socket, bool send) {
    static const int errors[] = {-ECONNRESET, -ENOMEM, -ETIMEDOUT, -EPIPE};
    socket->excuse = "the kernel has failed it";
    return kernel_pick(world, errors, send ? 4 : 3);
}

/* The network notices at last that the client has vanished. */
static struct socket *kernel_find(struct world *world, int descriptor) {
    struct socket *socket = sockets_find(world, descriptor);
    if (socket->frozen && world->now_ns >= socket->reset_ns) {
        socket_reset(socket, "its client had vanished");
    }
    return socket;
}

/* Sockets and what is told of them. */

static bool kernel_has_input(const struct socket *socket) {
    return socket->in.length > 0 && (!socket->frozen || socket->shut_read);
}

static uint32_t kernel_poll_listener(const struct socket *socket) {
    return (socket->waiting ? EPOLLIN : 0) |
           (socket->shut_read ? EPOLLIN | EPOLLHUP | EPOLLRDHUP : 0);
}

/* Also remembers that there was no room. */
static uint32_t kernel_poll(struct socket *socket) {
    uint32_t events = 0;
    if (socket->listening) {
        return kernel_poll_listener(socket);
    }
    if (socket->reset) {
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
    }
    events |= kernel_has_input(socket) ? EPOLLIN : 0;
    if (socket->in.ended || socket->shut_read) {
        events |= EPOLLIN | EPOLLRDHUP | (socket->out.ended ? EPOLLHUP : 0);
    }
    if (socket->out.ended || socket_has_room(socket)) {
        events |= EPOLLOUT;
    } else {
        socket->wants_room = true;
    }
    return events;
}

/* What is to be told of a socket, 0 for nothing. What is edge triggered and came to nothing is
 * forgotten until the next change. */
static uint32_t kernel_news(struct socket *socket) {
    struct socket_watch *watch = &socket->watch;
    bool edge = watch->events & EPOLLET;
    if (socket->closed || !watch->engine || (edge && watch->seen == socket->changes)) {
        return 0;
    }
    uint32_t events = kernel_poll(socket) & (watch->events | EPOLLERR | EPOLLHUP);
    if (events == 0) {
        watch->seen = socket->changes;
    }
    return events;
}

bool kernel_has_news(struct engine *engine) {
    struct world *world = engine->world;
    if (engine->woken || (engine->signals.watched && server_has_signal(world))) {
        return true;
    }
    for (uint32_t i = 0; i < sockets_count(world); i++) {
        struct socket *socket = sockets_at(world, i);
        if (socket->watch.engine == engine && !socket->closed) {
            kernel_find(world, socket->descriptor);
            if (kernel_news(socket)) {
                return true;
            }
        }
    }
    return false;
}

/* Sets. */

int kernel_create_set(struct world *world) {
    return SETS_FIRST + (int)world->opening;
}

int kernel_create_event(struct world *world) {
    return EVENTS_FIRST + (int)world->opening;
}

static int kernel_control_socket(struct engine *engine, int operation, struct socket *socket,
                                 const struct epoll_event *event) {
    struct socket_watch *watch = &socket->watch;
    if (watch->engine && watch->engine != engine) {
        world_fail(engine->world, "descriptor %d is watched by two reactors", socket->descriptor);
    }
    if ((operation == EPOLL_CTL_ADD) == !!watch->engine) {
        return watch->engine ? -EEXIST : -ENOENT;
    }
    if (operation == EPOLL_CTL_DEL) {
        *watch = (struct socket_watch){.engine = NULL};
        return 0;
    }
    *watch = (struct socket_watch){.engine = engine,
                                   .events = event->events,
                                   .data = event->data.u64,
                                   .seen = socket->changes - 1};
    return 0;
}

int kernel_control(struct world *world, int set, int operation, int descriptor,
                   const struct epoll_event *event) {
    struct engine *engine = kernel_of_set(world, set);
    world_note(world, "controls", engine->reactor, (uint64_t)operation, (uint64_t)descriptor);
    kernel_pause(world);
    if (descriptor >= SOCKETS_FIRST) {
        return sockets_is_closed(world, descriptor)
                   ? -EBADF
                   : kernel_control_socket(engine, operation, sockets_find(world, descriptor),
                                           event);
    }
    struct kernel_item *item =
        descriptor == SIGNALS_DESCRIPTOR ? &engine->signals : &engine->wake_event;
    *item = (struct kernel_item){.watched = operation != EPOLL_CTL_DEL};
    item->data = item->watched ? event->data.u64 : 0;
    return 0;
}

/* Waiting. */

static int kernel_tell(struct epoll_event *events, int count, uint32_t what, uint64_t data) {
    events[count] = (struct epoll_event){.events = what, .data.u64 = data};
    return count + 1;
}

/* In any order. */
static int kernel_tell_sockets(struct engine *engine, struct epoll_event *events, int count,
                               int max) {
    struct world *world = engine->world;
    uint32_t all = sockets_count(world);
    uint32_t first = all ? random_below(&world->random, all) : 0;
    for (uint32_t i = 0; i < all && count < max; i++) {
        struct socket *socket = sockets_at(world, (first + i) % all);
        if (socket->watch.engine != engine || socket->closed) {
            continue;
        }
        kernel_find(world, socket->descriptor);
        uint32_t what = kernel_news(socket);
        if (what) {
            socket->watch.seen = socket->changes;
            count = kernel_tell(events, count, what, socket->watch.data);
            world_note(world, "tells", engine->reactor, (uint64_t)socket->descriptor, what);
        }
    }
    return count;
}

static int kernel_collect(struct engine *engine, struct epoll_event *events, int max) {
    struct world *world = engine->world;
    int most = random_one_in(&world->random, 4) ? 1 + (int)random_below(&world->random, 4) : max;
    int count = 0;
    bool sockets_first = random_one_in(&world->random, 2);
    if (sockets_first) {
        count = kernel_tell_sockets(engine, events, count, most);
    }
    if (engine->woken && count < most) {
        engine->woken = false;
        count = kernel_tell(events, count, EPOLLIN, engine->wake_event.data);
    }
    if (engine->signals.watched && server_has_signal(world) && count < most) {
        count = kernel_tell(events, count, EPOLLIN, engine->signals.data);
    }
    return sockets_first ? count : kernel_tell_sockets(engine, events, count, most);
}

int kernel_wait(struct world *world, int set, struct epoll_event *events, int max,
                uint64_t wait_ns) {
    struct engine *engine = kernel_of_set(world, set);
    WORLD_CHECK(world, engine->reactor == world->running);
    if (engine->entering) {
        engine->waiting = wait_ns > 0;
        engine->deadline_ns =
            wait_ns > UINT64_MAX - world->now_ns ? UINT64_MAX : world->now_ns + wait_ns;
        fiber_yield(engine->fiber);
        engine->waiting = false;
    }
    if (world_fault(world, world->choices.faults.receive_again)) {
        return -EINTR;
    }
    return kernel_collect(engine, events, max);
}

long kernel_write(struct world *world, int descriptor) {
    struct engine *other = world->engines[descriptor - EVENTS_FIRST];
    WORLD_CHECK(world, other);
    other->woken = true;
    world_note(world, "wakes", world->running, other->reactor, 0);
    kernel_pause(world);
    return sizeof(uint64_t);
}

/* Sockets. */

/* Perhaps less, and the rest comes, or has room, right behind the call. */
static size_t kernel_shorten(struct world *world, struct socket *socket, size_t length,
                             uint32_t parts) {
    if (length <= 1 || !world_fault(world, parts)) {
        return length;
    }
    socket->changes++;
    return random_between(&world->random, 1, (uint32_t)length - 1);
}

static long kernel_done(struct world *world, const char *what, int descriptor, long result) {
    if (result > 0) {
        world_progress(world);
    }
    world->completions++;
    world_note(world, what, world->running, (uint64_t)descriptor, (uint64_t)result);
    return result;
}

long kernel_receive(struct world *world, int descriptor, char *bytes, size_t length) {
    const struct faults *faults = &world->choices.faults;
    kernel_pause(world);
    struct socket *socket = kernel_find(world, descriptor);
    if (world_fault(world, faults->receive_again)) {
        return -EINTR;
    }
    if (world_fault(world, faults->receive_broken)) {
        return kernel_fail(world, socket, false);
    }
    if (socket->frozen && !socket->shut_read) {
        return -EAGAIN;
    }
    length = kernel_shorten(world, socket, length, faults->receive_short);
    return kernel_done(world, "receives", descriptor, socket_receive(socket, bytes, length));
}

/* Where there is no room, or no memory, which is told of when there is some again. */
static long kernel_put(struct world *world, struct socket *socket, const char *bytes,
                       size_t length) {
    size_t asked = kernel_shorten(world, socket, length, world->choices.faults.send_short);
    long sent = socket_send(socket, bytes, asked);
    socket->wants_room |= sent == -EAGAIN || (sent >= 0 && (size_t)sent < asked);
    return sent;
}

/* 0: none. */
static long kernel_send_fault(struct world *world, struct socket *socket) {
    const struct faults *faults = &world->choices.faults;
    if (world_fault(world, faults->send_again)) {
        socket->changes++;
        return random_one_in(&world->random, 2) ? -EAGAIN : -EINTR;
    }
    return world_fault(world, faults->send_broken) ? kernel_fail(world, socket, true) : 0;
}

long kernel_send(struct world *world, int descriptor, const char *bytes, size_t length) {
    kernel_pause(world);
    struct socket *socket = kernel_find(world, descriptor);
    long fault = kernel_send_fault(world, socket);
    long sent = fault ? fault : kernel_put(world, socket, bytes, length);
    return kernel_done(world, "sends", descriptor, sent);
}

long kernel_send_message(struct world *world, int descriptor, const struct msghdr *message) {
    kernel_pause(world);
    struct socket *socket = kernel_find(world, descriptor);
    long done = 0, sent = kernel_send_fault(world, socket);
    for (size_t i = 0; i < message->msg_iovlen && sent >= 0; i++) {
        const struct iovec *part = &message->msg_iov[i];
        sent = part->iov_len > 0 ? kernel_put(world, socket, part->iov_base, part->iov_len) : 0;
        done += sent > 0 ? sent : 0;
        if (sent < (long)part->iov_len) {
            break;
        }
    }
    return kernel_done(world, "sends parts", descriptor, done > 0 ? done : sent);
}

int kernel_accept(struct world *world, int descriptor) {
    static const int errors[] = {-EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EINTR};
    kernel_pause(world);
    struct socket *listener = sockets_find(world, descriptor);
    if (listener->shut_read && !listener->waiting) {
        return -EINVAL;
    }
    if (!listener->waiting) {
        return -EAGAIN;
    }
    if (world_fault(world, world->choices.faults.accept_refused)) {
        return kernel_pick(world, errors, 5);
    }
    struct socket *socket = socket_accept(listener);
    if (world_fault(world, world->choices.faults.accept_refused)) {
        socket_reset(socket, "it was gone before it was accepted");
        socket->closed = true;
        return -ECONNABORTED;
    }
    return (int)kernel_done(world, "accepts", descriptor, socket->descriptor);
}

int kernel_flags(struct world *world, int descriptor, int command, int flags) {
    struct socket *socket = sockets_find(world, descriptor);
    if (command == F_SETFL) {
        socket->flags = flags;
    }
    return command == F_GETFL ? socket->flags : 0;
}

/* The engine. */

static struct engine *kernel_engine_of(const struct io *io) {
    return container_of((struct io_engine *)(uintptr_t)io->engine, struct engine, table);
}

static void kernel_enter(struct io *io, uint64_t wait_ns) {
    struct engine *engine = kernel_engine_of(io);
    struct world *world = engine->world;
    server_check_turn(world, engine->reactor);
    world_note(world, "enters", engine->reactor, wait_ns, world->now_ns);
    engine->entering = true;
    epoll_engine.enter(io, wait_ns);
    engine->entering = false;
    engine->turn_ns = world->now_ns;
}

static bool kernel_has_events(struct io *io) {
    struct engine *engine = kernel_engine_of(io);
    if (random_one_in(&engine->world->random, 4)) {
        engine_yield(engine);
    }
    return epoll_engine.has_events(io);
}

/* Whoever reads it from here on reads nonsense. */
static void kernel_give_buffer(struct io *io, unsigned number) {
    memset(epoll_engine.buffer(io, number), 0x5a, 64);
    epoll_engine.give_buffer(io, number);
}

static void kernel_refuse(struct io *io, int descriptor, const char *text, size_t length) {
    sockets_find(kernel_engine_of(io)->world, descriptor)->excuse = "it was one too many";
    epoll_engine.refuse(io, descriptor, text, length);
}

uint32_t kernel_lent(const struct engine *engine) {
    const struct epoll *epoll = (const struct epoll *)engine->epoll;
    return engine->world->choices.buffers - epoll->sources.free_count;
}

static int kernel_open(struct io **io, void *context) {
    const struct engine_place *place = context;
    struct world *world = place->world;
    world->in_reactor = false;
    struct engine *engine = calloc(1, sizeof(*engine));
    world->in_reactor = true;
    *engine = (struct engine){
        .table = epoll_engine, .world = world, .reactor = place->reactor, .turn_ns = world->now_ns};
    engine->table.enter = kernel_enter;
    engine->table.has_events = kernel_has_events;
    engine->table.give_buffer = kernel_give_buffer;
    engine->table.refuse = kernel_refuse;
    world->engines[place->reactor] = engine;
    world->opening = place->reactor;
    int error = epoll_engine.open(io, NULL);
    WORLD_CHECK(world, error == 0);
    engine->epoll = *io;
    (*io)->engine = &engine->table;
    ((struct epoll *)*io)->sources.free_count = world->choices.buffers;
    return 0;
}

/* The set is what is closed last. */
void kernel_close(struct world *world, int descriptor) {
    if (descriptor >= SOCKETS_FIRST) {
        socket_close(world, sockets_find(world, descriptor));
    } else if (descriptor < EVENTS_FIRST) {
        struct engine *engine = kernel_of_set(world, descriptor);
        world->engines[engine->reactor] = NULL;
        world->in_reactor = false;
        free(engine);
        world->in_reactor = true;
    }
}

static const char *kernel_advice(int error) {
    (void)error;
    return "the simulated kernel always opens";
}

const struct io_engine kernel_engine = {
    .name = "epoll, simulated kernel",
    .open = kernel_open,
    .advice = kernel_advice,
};
