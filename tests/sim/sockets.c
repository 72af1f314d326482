#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKETS_MAX 4096

struct sockets {
    uint32_t count;
    struct socket *all[SOCKETS_MAX];
};

/* Streams. */

static void stream_init(struct stream *stream, size_t capacity) {
    *stream = (struct stream){.bytes = malloc(capacity), .capacity = capacity};
}

static size_t stream_put(struct stream *stream, const char *bytes, size_t length) {
    size_t room = stream->capacity - stream->length;
    size_t taken = length < room ? length : room;
    size_t at = (stream->head + stream->length) % stream->capacity;
    size_t first = stream->capacity - at < taken ? stream->capacity - at : taken;
    memcpy(stream->bytes + at, bytes, first);
    memcpy(stream->bytes, bytes + first, taken - first);
    stream->length += taken;
    return taken;
}

static size_t stream_take(struct stream *stream, char *bytes, size_t length) {
    size_t taken = length < stream->length ? length : stream->length;
    size_t end = stream->capacity - stream->head;
    size_t first = end < taken ? end : taken;
    memcpy(bytes, stream->bytes + stream->head, first);
    memcpy(bytes + first, stream->bytes, taken - first);
    stream->head = (stream->head + taken) % stream->capacity;
    stream->length -= taken;
    return taken;
}

/* Sockets. */

void sockets_create(struct world *world) {
    world->sockets = calloc(1, sizeof(*world->sockets));
}

void sockets_destroy(struct world *world) {
    struct sockets *sockets = world->sockets;
    for (uint32_t i = 0; i < sockets->count; i++) {
        free(sockets->all[i]->in.bytes);
        free(sockets->all[i]->out.bytes);
        free(sockets->all[i]);
    }
    free(sockets);
    world->sockets = NULL;
}

static struct socket *socket_create(struct world *world) {
    struct sockets *sockets = world->sockets;
    struct socket *socket = calloc(1, sizeof(*socket));
    WORLD_CHECK(world, sockets->count < SOCKETS_MAX);
    socket->descriptor = SOCKETS_FIRST + (int)sockets->count;
    sockets->all[sockets->count++] = socket;
    return socket;
}

int sockets_listen(struct world *world) {
    struct socket *socket = socket_create(world);
    socket->listening = true;
    return socket->descriptor;
}

struct socket *sockets_find(struct world *world, int descriptor) {
    const struct sockets *sockets = world->sockets;
    WORLD_CHECK(world, descriptor >= SOCKETS_FIRST);
    WORLD_CHECK(world, descriptor < SOCKETS_FIRST + (int)sockets->count);
    struct socket *socket = sockets->all[descriptor - SOCKETS_FIRST];
    if (socket->closed) {
        world_fail(world, "descriptor %d is used, which is closed", descriptor);
    }
    return socket;
}

bool sockets_is_closed(const struct world *world, int descriptor) {
    return world->sockets->all[descriptor - SOCKETS_FIRST]->closed;
}

uint32_t sockets_count(const struct world *world) {
    return world->sockets->count;
}

struct socket *sockets_at(const struct world *world, uint32_t number) {
    return world->sockets->all[number];
}

uint32_t sockets_open(const struct world *world) {
    const struct sockets *sockets = world->sockets;
    uint32_t open = 0;
    for (uint32_t i = 0; i < sockets->count; i++) {
        open += !sockets->all[i]->listening && !sockets->all[i]->closed;
    }
    return open;
}

void sockets_print(const struct world *world) {
    const struct sockets *sockets = world->sockets;
    for (uint32_t i = 0; i < sockets->count; i++) {
        const struct socket *socket = sockets->all[i];
        if (!socket->listening && !socket->closed) {
            printf("# socket %d: %zu bytes in%s%s, %zu out%s%s%s, %s\n", socket->descriptor,
                   socket->in.length, socket->in.ended ? " and ended" : "",
                   socket->shut_read ? " and shut" : "", socket->out.length,
                   socket->out.ended ? " and ended" : "", socket->reset ? ", reset" : "",
                   socket->frozen ? ", frozen" : "", socket->excuse ? socket->excuse : "no excuse");
        }
    }
}

uint64_t sockets_deadline_ns(const struct world *world) {
    const struct sockets *sockets = world->sockets;
    uint64_t deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < sockets->count; i++) {
        const struct socket *socket = sockets->all[i];
        if (socket->frozen && !socket->closed && socket->reset_ns > world->now_ns &&
            socket->reset_ns < deadline_ns) {
            deadline_ns = socket->reset_ns;
        }
    }
    return deadline_ns;
}

/* One of those that listen. */
static struct socket *sockets_listener(struct world *world) {
    const struct sockets *sockets = world->sockets;
    struct socket *found[8];
    uint32_t count = 0;
    for (uint32_t i = 0; i < sockets->count && count < 8; i++) {
        if (sockets->all[i]->listening && !sockets->all[i]->closed) {
            found[count++] = sockets->all[i];
        }
    }
    return count > 0 ? found[random_below(&world->random, count)] : NULL;
}

struct socket *socket_connect(struct world *world) {
    struct socket *listener = sockets_listener(world);
    if (!listener) {
        return NULL;
    }
    struct socket *socket = socket_create(world);
    uint32_t most = world->choices.stream_bytes;
    stream_init(&socket->in, random_between(&world->random, most / 8, most));
    stream_init(&socket->out, random_between(&world->random, most / 8, most));
    struct socket **last = &listener->waiting;
    while (*last) {
        last = &(*last)->next;
    }
    *last = socket;
    return socket;
}

size_t socket_write(struct socket *socket, const char *bytes, size_t length) {
    if (socket->reset || socket->closed) {
        return length; /* lost on the way */
    }
    size_t taken = stream_put(&socket->in, bytes, length);
    socket->changes += taken > 0;
    return taken;
}

static void socket_tell_of_room(struct socket *socket) {
    if (socket->wants_room && socket_has_room(socket)) {
        socket->wants_room = false;
        socket->changes++;
    }
}

long socket_read(struct socket *socket, char *bytes, size_t length) {
    if (socket->out.length > 0) {
        long taken = (long)stream_take(&socket->out, bytes, length);
        socket_tell_of_room(socket);
        return taken;
    }
    return socket->reset || socket->closed || socket->out.ended ? -1 : 0;
}

void socket_end(struct socket *socket) {
    socket->in.ended = true;
    socket->changes++;
}

void socket_reset(struct socket *socket, const char *excuse) {
    socket->excuse = excuse;
    socket->reset = true;
    socket->frozen = false;
    socket->changes++;
}

void socket_freeze(struct world *world, struct socket *socket, uint64_t reset_ns) {
    socket->excuse = "its client has vanished";
    socket->frozen = true;
    socket->reset_ns = world->now_ns + reset_ns;
}

/* The engine's side. */

bool socket_may_receive(const struct socket *socket) {
    return socket->reset || socket->in.length > 0 || socket->in.ended || socket->shut_read;
}

long socket_receive(struct socket *socket, char *bytes, size_t length) {
    if (socket->reset) {
        return -ECONNRESET;
    }
    if (socket->in.length > 0) {
        return (long)stream_take(&socket->in, bytes, length);
    }
    return socket->in.ended || socket->shut_read ? 0 : -EAGAIN;
}

bool socket_has_room(const struct socket *socket) {
    size_t room = socket->out.capacity - socket->out.length;
    return room > 0 && room >= socket->out.capacity / 3;
}

bool socket_may_send(const struct socket *socket) {
    return socket->reset || socket->out.ended || socket->out.length < socket->out.capacity;
}

long socket_send(struct socket *socket, const char *bytes, size_t length) {
    if (socket->reset) {
        return -ECONNRESET;
    }
    if (socket->out.ended) {
        return -EPIPE;
    }
    size_t sent = stream_put(&socket->out, bytes, length);
    return sent > 0 ? (long)sent : -EAGAIN;
}

struct socket *socket_accept(struct socket *listener) {
    struct socket *socket = listener->waiting;
    if (socket) {
        listener->waiting = socket->next;
        socket->next = NULL;
    }
    return socket;
}

void socket_shut_down(struct socket *socket, int how) {
    socket->changes++;
    socket->shut_read |= how == SHUT_RD || how == SHUT_RDWR;
    if (how == SHUT_WR || how == SHUT_RDWR) {
        socket->out.ended = true;
    }
}

/* Those that nobody has accepted are told that nobody will. */
void socket_close(struct world *world, struct socket *socket) {
    struct socket *waiting;
    while (socket->listening && (waiting = socket_accept(socket))) {
        waiting->closed = true;
        waiting->excuse = "nobody has accepted it";
    }
    socket->closed = true;
    world_note(world, "close", (uint64_t)socket->descriptor, 0, 0);
}
