/* connection: a socket around a pipeline. Receives when there is room, sends once a turn, closes
 * when both sides are through.
 *
 *     open ─▶ receive ─▶ ready: requests run ─▶ settle ─▶ send, receive again, or wait
 *                                                 │
 *          the client has closed or said quit, and has all its replies ─▶ broken
 *          an error, the end of the server ─────────────────────────────▶ broken
 *          broken ─▶ shut down ─▶ all completions and messages are back ─▶ gone
 *
 * A connection belongs to the reactor that opened it. It ends itself: after connection_settle() it
 * may be gone.
 */
#ifndef CORE_NET_CONNECTION_H
#define CORE_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "core/pipeline/outgoing.h"
#include "core/pipeline/pipeline.h"

struct reactor;

/* Serials of connections begin here: lower numbers are those of listeners where both are listed. */
#define CONNECTION_SERIAL_FIRST ((uint64_t)1 << 16)

/* How many bytes have gone one way since a moment, on the store's scale; counted anew whenever they
 * are PACE_BYTES. So the moment tells how long it takes for so many. */
struct pace {
    uint32_t since_s;
    size_t bytes;
};

#define PACE_BYTES ((size_t)64 * 1024)

static inline void pace_count(struct pace *pace, size_t bytes, uint32_t now) {
    pace->bytes += bytes;
    if (pace->bytes >= PACE_BYTES) {
        *pace = (struct pace){.since_s = now};
    }
}

struct connection {
    struct pipeline pipeline; /* first, so that one is found from the other */
    int descriptor;
    uint32_t last_command_s;    /* when bytes were last received, on the store's scale */
    uint64_t serial;            /* how many connections its reactor had opened before */
    int receive_buffer;         /* that the pipeline works on, or -1 */
    struct outgoing outgoing;   /* output being sent, or sent and to be released */
    struct outgoing_send *send; /* of output with large values; NULL before the first such one */
    struct pace received;
    struct pace sent;    /* of the output */
    bool held;           /* output is kept back until this many replies have left the queue */
    uint32_t held_until; /* on the scale of the pipeline's drained */

    bool receiving; /* a receive or a send is with the kernel */
    bool sending;
    bool receiving_direct; /* to the place where the bytes of an upload belong */
    bool socket_has_more;
    bool ended;  /* the client sends no more */
    bool broken; /* nothing is run, sent or received any more */
    bool shut;

    bool is_datagram; /* and no connection at all, but a part of one, see core/net/udp.h */

    bool is_ready; /* on the reactor's list of that name; never on both of these two */
    bool is_waiting;
    bool is_settling;
    bool is_begging;    /* on the list of those that ask for memory of a store again */
    bool is_flying;     /* on the list of those that have large values to send */
    const char *ending; /* why it is broken, for the log; NULL while it isn't */
    LIST_ENTRY(connection) all_link;
    TAILQ_ENTRY(connection) turn_link; /* ready or waiting */
    TAILQ_ENTRY(connection) settling_link;
    TAILQ_ENTRY(connection) begging_link;
    TAILQ_ENTRY(connection) flying_link;
};

TAILQ_HEAD(connection_queue, connection);
LIST_HEAD(connection_list, connection);

/* Prepares one for a descriptor; it is on no list yet. */
void connection_init(struct reactor *reactor, struct connection *connection, int descriptor);

/* Takes over an accepted descriptor. Without memory it is closed. */
void connection_open(struct reactor *reactor, int descriptor);

/* What the kernel says of a receive or send. */
void connection_received(struct reactor *reactor, struct connection *connection, int result,
                         unsigned flags);
void connection_sent(struct reactor *reactor, struct connection *connection, int result);

/* Its requests have had their round: puts it where it goes from here. */
void connection_ran(struct reactor *reactor, struct connection *connection);

/* Its turn to send of its large values. Returns how many bytes it has given to the kernel. */
size_t connection_fly(struct reactor *reactor, struct connection *connection);

/* Replies have come back for it. */
void connection_progressed(struct reactor *reactor, struct connection *connection);

/* The end of its turn: gives its receive buffer back, sends, receives, waits for credit or closes,
 * as is due. */
void connection_settle(struct reactor *reactor, struct connection *connection);

/* Lets the client send no more: what it has sent is answered, then the connection closes. */
void connection_drain(struct connection *connection);

/* Breaks it off, for a reason that lives as long as the program. */
void connection_break(struct reactor *reactor, struct connection *connection, const char *reason);

/* Frees it at the end of its reactor, whatever is still out: neither kernel nor other reactors work
 * any more. */
void connection_abandon(struct reactor *reactor, struct connection *connection);

#endif
