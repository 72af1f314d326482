/* canned_clients: the connections of bench/turns and what they send, in an order that is the same
 * in each run. The first connection stores all keys; then all send a batch, await its replies, and
 * send the next, until there have been enough requests, and end.
 *
 * Time is counted in turns: those of all reactors together.
 */
#ifndef BENCH_CANNED_CLIENTS_H
#define BENCH_CANNED_CLIENTS_H

#include "bench/canned_requests.h"
#include "bench/canned_ring.h"

#define CANNED_CLIENTS_MAX 64

struct canned_client {
    int descriptor;
    bool is_storing;
    bool is_receiving; /* the server waits for bytes of it */
    bool is_watched;   /* the server is told when there are some, and then takes them itself */
    bool is_told;      /* of those that are left */
    bool has_ended;
    uint32_t batches; /* sent, of those of its present kind */
    const char *left; /* of the batch that it is sending */
    size_t left_length;
    size_t replies_left; /* bytes that it awaits */
    int64_t sends_after; /* the turn from which it may send */
    struct canned_ring *ring;
    struct io_uring_sqe receive; /* when is_receiving or is_watched: what was submitted */
};

struct canned_clients {
    struct canned_requests requests;
    int in_flight;         /* requests of a batch */
    int64_t requests_left; /* to be sent by all together */
    int count;
    int accepted;
    int ended;
    bool are_stored; /* all keys, or the batch that stores the last ones is under way */
    int64_t turn;
    struct canned_client clients[CANNED_CLIENTS_MAX];
};

/* Connects the next one. Returns its descriptor, which belongs to the server. */
int canned_clients_accept(struct canned_clients *clients);

/* The server submitted a receive to this ring. */
void canned_clients_receive(struct canned_clients *clients, struct canned_ring *ring,
                            const struct io_uring_sqe *receive);

/* The server submitted a poll of this socket, which goes on; then it receives by itself: returns
 * how many bytes, 0 at the end, -1 when there are none. And it ends the poll that has this user
 * data. */
void canned_clients_watch(struct canned_clients *clients, struct canned_ring *ring,
                          const struct io_uring_sqe *poll);
ssize_t canned_clients_take(struct canned_clients *clients, int descriptor, void *where,
                            size_t length);
void canned_clients_cancel(struct canned_clients *clients, uint64_t user_data);

/* The server submitted a send of so many bytes. They arrive; the client may answer two turns on. */
void canned_clients_send(struct canned_clients *clients, struct canned_ring *ring,
                         const struct io_uring_sqe *send, size_t length);

/* Completes all receives, and tells all polls, whose client has something to send, or has ended. */
void canned_clients_turn(struct canned_clients *clients);

#endif
