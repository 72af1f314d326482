/* sockets: simulated stream sockets between clients and the server, and where clients connect.
 *
 *     client ─ socket_write() ─▶ stream in  ─▶ socket_receive() ─ engine
 *     client ◀─ socket_read() ── stream out ◀─ socket_send() ──── engine
 *
 * A stream holds a bounded number of bytes. Descriptors are numbers that the kernel has not given
 * out and that are never used twice in a seed, so that whoever uses one that is closed is found.
 */
#ifndef TESTS_SIM_SOCKETS_H
#define TESTS_SIM_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "world.h"

#define SOCKETS_FIRST (1 << 13)

/* Not a descriptor of anything: readable once the server is to end. */
#define SIGNALS_DESCRIPTOR (SOCKETS_FIRST - 1)

struct stream {
    char *bytes;
    size_t capacity;
    size_t head;
    size_t length;
    bool ended; /* whoever writes to it writes no more */
};

/* How the simulated kernel (kernel.h) watches it. */
struct socket_watch {
    struct engine *engine; /* NULL: not at all */
    uint32_t events;
    uint64_t data;
    uint64_t seen; /* changes that were told of */
};

struct socket {
    int descriptor;
    bool listening;
    struct stream in;
    struct stream out;
    bool shut_read;     /* by the server */
    bool closed;        /* by the server */
    bool received_from; /* by the server: it has a source */
    bool reset;         /* by the client or the network: neither side reaches the other */
    bool frozen;        /* the client is gone, and nobody has told the server */
    uint64_t reset_ns;  /* when it is told, of a frozen one */
    /* Why the connection may end at any moment; NULL while it may not. */
    const char *excuse;
    struct socket_watch watch;
    uint64_t changes;       /* of what there is to tell of it */
    bool wants_room;        /* there was none, and nobody has been told of any since */
    int flags;              /* of fcntl(2) */
    struct socket *next;    /* of those that wait to be accepted */
    struct socket *waiting; /* listening: the oldest of these */
};

void sockets_create(struct world *world);
void sockets_destroy(struct world *world);

/* When the first of those whose clients have vanished is told; UINT64_MAX: none. */
uint64_t sockets_deadline_ns(const struct world *world);

/* A new listening socket's descriptor. */
int sockets_listen(struct world *world);

/* What belongs to a descriptor; fails when the server has closed it. */
struct socket *sockets_find(struct world *world, int descriptor);

/* Whether the server has closed it, without a complaint. */
bool sockets_is_closed(const struct world *world, int descriptor);

/* All that there ever were, by their numbers from 0 on. */
uint32_t sockets_count(const struct world *world);
struct socket *sockets_at(const struct world *world, uint32_t number);

/* Server side sockets that are open, listening ones left out. */
uint32_t sockets_open(const struct world *world);

/* Prints them, for whoever looks for the one that is left. */
void sockets_print(const struct world *world);

/* A client connects: NULL when nobody listens. */
struct socket *socket_connect(struct world *world);

/* The client's side. They return how many bytes went, 0 for none at the moment; reading -1 when
 * there will be no more. */
size_t socket_write(struct socket *socket, const char *bytes, size_t length);
long socket_read(struct socket *socket, char *bytes, size_t length);
void socket_end(struct socket *socket);
void socket_reset(struct socket *socket, const char *excuse);
void socket_freeze(struct world *world, struct socket *socket, uint64_t reset_ns);

/* The engine's side, as the system calls: -EAGAIN where these would wait. */
long socket_receive(struct socket *socket, char *bytes, size_t length);
long socket_send(struct socket *socket, const char *bytes, size_t length);
bool socket_may_receive(const struct socket *socket);
bool socket_may_send(const struct socket *socket);
/* A third of the buffer for output is free, which poll(2) takes for room. */
bool socket_has_room(const struct socket *socket);
/* The oldest connection that waits to be accepted; NULL: none. */
struct socket *socket_accept(struct socket *listener);
void socket_shut_down(struct socket *socket, int how);
void socket_close(struct world *world, struct socket *socket);

#endif
