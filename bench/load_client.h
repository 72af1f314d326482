/* load_client: the connections of a load, and when each request is sent.
 *
 * In a closed loop every connection has as many requests under way as it may; a request's time
 * counts from when it is sent. With a rate, requests fall due at random times (exponential gaps),
 * go to the connections in turn, to one that may have one more, and wait while there is none; their
 * time counts from when they were due, so that a server which stands still for a while delays
 * all requests of that while, not only those that were on their way.
 *
 * One thread. When there is no memory, or the server closes a connection or sends what is no reply,
 * the program ends with a line on stderr: this is for benchmarks.
 */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include "bench/load_exchange.h"
#include "bench/load_options.h"

struct connection;
struct ssl_ctx_st;

enum client_phase {
    CLIENT_FILLS,  /* each key is stored once */
    CLIENT_CLOSED, /* a closed loop */
    CLIENT_OPEN,   /* at a rate */
    CLIENT_ENDS,   /* nothing more is sent */
};

struct client {
    const struct load_options *options;
    struct exchange_common common;
    enum client_phase phase;
    int poll;
    struct ssl_ctx_st *tls; /* NULL: plain */
    struct connection *connections;
    struct connection **pending; /* those with something new to send */
    uint32_t pending_count;
    uint32_t next;      /* the connection whose turn it is */
    uint32_t filled;    /* keys that were stored or are on their way */
    uint64_t budget;    /* requests that may still be begun, those of a fill apart */
    uint64_t under_way; /* requests on all connections */
    bool was_full;      /* no connection could take one more request */
    char *input;
    uint64_t random;
    uint64_t now_ns; /* of the last look at the clock */
    uint64_t due_ns; /* when the next request is to be sent; 0 before the first */
    uint64_t bytes_out, bytes_in;
    uint64_t spun_ns;          /* with --spin: time in which there was nothing to do */
    struct histogram lateness; /* of requests that a connection was free for, from due to sent */
};

/* Nanoseconds of the monotonic clock. */
uint64_t client_clock_ns(void);

/* Connects; the options stay the caller's, for as long as the client. */
void client_init(struct client *client, const struct load_options *options);
void client_finish(struct client *client);

/* Stores every key. False: the server has not answered for CLIENT_PATIENCE_S. */
bool client_fill(struct client *client);

/* Whether the budget is used up and all is answered. */
static inline bool client_is_done(const struct client *client) {
    return client->budget == 0 && client->under_way == 0;
}

/* Goes on with the load until that time, or until it is done. Requests stay under way. */
void client_run(struct client *client, uint64_t until_ns);

/* Takes what is still to be answered. False, as client_fill(). */
bool client_drain(struct client *client);

#define CLIENT_PATIENCE_S 30

#endif
