/* connection: a socket around a pipeline. It receives while its pipeline takes more, sends once a
 * turn, and closes when the client has sent all and has all its replies.
 *
 *     open ─▶ receive ─▶ ready: requests run ─▶ end of its turn ─▶ send, receive again, or wait
 *                                                      │
 *          the client has closed or said quit, and has all its replies ─▶ broken
 *          an error, the end of the server ─────────────────────────────▶ broken
 *          broken ─▶ shut down ─▶ all completions and messages are back ─▶ gone
 *
 * A connection belongs to the reactor that opened it, or that it has moved to
 * (core/net/connection_move.h). It ends itself: after connection_end_turn()
 * it may be gone.
 */
#ifndef CORE_NET_CONNECTION_H
#define CORE_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "core/base/config.h"
#include "core/base/container.h"
#include "core/io/io.h"
#include "core/net/net.h"
#include "core/net/schedule.h"
#include "core/pipeline/outgoing.h"
#include "core/pipeline/pipeline.h"

/* Progress in one direction, restarted every PACE_BYTES: the current time minus since_s is how long
 * the last 64 KiB, or what there is of the next, have taken. */
struct pace {
    uint32_t since_s; /* on the store's scale */
    size_t bytes;
};

#define PACE_BYTES ((size_t)64 * 1024)

static inline void pace_count(struct pace *pace, size_t bytes, uint32_t now) {
    pace->bytes += bytes;
    if (pace->bytes >= PACE_BYTES) {
        *pace = (struct pace){.since_s = now};
    }
}

/* From top to bottom and never back. */
enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_ENDED,  /* the client sends no more */
    CONNECTION_BROKEN, /* nothing is run, sent or received any more */
    CONNECTION_SHUT,   /* and the socket is shut down */
};

enum connection_receive {
    RECEIVE_NONE,
    RECEIVE_LENT,   /* into a buffer of the engine's */
    RECEIVE_DIRECT, /* to the place where the bytes of an upload belong */
};

/* How it has ended, as clients that watch are told. */
enum connection_end {
    CONNECTION_END_ERROR,
    CONNECTION_END_NORMAL, /* its client has closed or said quit */
    CONNECTION_END_IDLE,
    CONNECTION_END_SHUTDOWN, /* the server stops */
};

struct sasl_login;
struct tls_session;

struct connection {
    struct pipeline pipeline; /* first, so that one is found from the other */
    int descriptor;
    uint8_t state;    /* enum connection_state */
    uint8_t receive;  /* enum connection_receive: what the engine is asked for */
    uint8_t end;      /* enum connection_end */
    bool sending;     /* the engine has a send */
    bool arrived;     /* from another reactor, and has had no turn here */
    bool is_datagram; /* and no connection at all, but a part of one, see core/net/udp.h */

    /* Output is kept back until this many replies have left the queue, on the scale of the
     * pipeline's drained. */
    bool held;
    uint32_t held_until;

    struct io_source *source; /* NULL when nothing is to be received any more */
    struct completion received;
    struct completion sent;
    int receive_buffer;          /* the lent one that the pipeline works on, or -1 */
    uint32_t last_command_s;     /* when bytes were last received, on the store's scale */
    uint64_t serial;             /* how many connections its reactor had opened before */
    struct outgoing outgoing;    /* output being sent, or sent and not released yet */
    struct tls_session *tls;     /* NULL: its bytes travel as they are */
    struct sasl_login *login;    /* by the system's SASL, under way; or NULL */
    struct outgoing_send *parts; /* of output with large values; NULL before the first such one */
    struct pace receive_pace;
    struct pace send_pace; /* of outgoing */
    const char *ending;    /* why it is broken, for the log; NULL while it isn't */
    uint32_t window;       /* of its reactor's, in which it had its last turn, see moving.h */

    struct scheduled scheduled;
    LIST_ENTRY(connection) all_link;
};

static inline struct connection *connection_of(struct scheduled *scheduled) {
    return container_of(scheduled, struct connection, scheduled);
}

static inline bool connection_is_broken(const struct connection *connection) {
    return connection->state >= CONNECTION_BROKEN;
}

/* Prepares one for a descriptor; it is on no list yet. */
void connection_init(struct net *net, struct connection *connection, int descriptor);

/* Takes over an accepted descriptor. Without memory it is closed. */
void connection_open(struct net *net, int descriptor, enum transport transport);

/* Its requests have had their round: puts it where it goes from here. */
void connection_ran(struct net *net, struct connection *connection);

/* Its turn to send of its large values. Returns how many bytes it has given to the engine. */
size_t connection_send_large(struct net *net, struct connection *connection);

/* Replies have come back for it. */
void connection_progressed(struct net *net, struct connection *connection);

/* The end of its turn: gives its receive buffer back, sends, receives, waits for credit or closes,
 * as is due. */
void connection_end_turn(struct net *net, struct connection *connection);

/* Lets the client send no more: what it has sent is answered, then the connection closes. */
static inline void connection_drain(struct net *net, const struct connection *connection) {
    io_shut_down(net->io, connection->descriptor, SHUT_RD);
}

/* Breaks it off, for a reason that lives as long as the program. */
void connection_break(struct net *net, struct connection *connection, const char *reason);

/* Asserts what holds for every connection between two turns: flags that exclude each other, sums,
 * the lists that it is on. For tests: it takes its time. */
void connection_check(const struct connection *connection);

#endif
