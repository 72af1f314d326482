/* client: many connections that ask for the keys of a round, several requests on each at a time,
 * and record what is answered, and between which moments.
 *
 * One thread.
 */
#ifndef TESTS_LINEAR_CLIENT_H
#define TESTS_LINEAR_CLIENT_H

#include "request.h"

#define CLIENT_CONNECTIONS_MAX 64

/* Requests under way on a connection. */
#define CLIENT_DEPTH_MAX 8

/* Bytes of answers that may be waiting. */
#define CLIENT_INPUT_BYTES (256 * 1024)

struct connection {
    int socket;
    bool is_binary;
    uint32_t number, depth;
    struct request requests[CLIENT_DEPTH_MAX]; /* a ring */
    uint32_t first, count;
    uint32_t last[KEYS_MAX];      /* the last operation on each key */
    uint32_t under_way[KEYS_MAX]; /* of these */
    char *input;
    size_t input_length;
    char output[CLIENT_DEPTH_MAX * REQUEST_BYTES_MAX];
    size_t output_start, output_end;
};

struct client {
    struct connection *connections;
    uint32_t count;
    int epoll;
    struct keys *keys;
    uint64_t requests; /* that were answered */
};

uint64_t client_clock_ns(void);

/* Connects to a port on the loopback; half of the connections are binary. */
void client_init(struct client *client, struct keys *keys, uint16_t port, uint32_t connections);

/* Asks until that many requests were answered or that much time has gone by, and waits for all
 * answers. */
void client_run(struct client *client, uint64_t requests, uint64_t until_ns);
void client_finish(struct client *client);

#endif
