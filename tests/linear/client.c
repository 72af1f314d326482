#include "client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/random.h"

/* A server that says nothing for so long is at fault. */
#define PATIENCE_MS 120000
#define NANOSECONDS 1000000000u

_Noreturn static void client_fail(const char *what) {
    fprintf(stderr, "linear: %s\n", what);
    exit(EXIT_FAILURE);
}

uint64_t client_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static int client_connect(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        client_fail(strerror(errno));
    }
    return fd;
}

void client_init(struct client *client, struct keys *keys, uint16_t port, uint32_t connections) {
    assert(connections <= CLIENT_CONNECTIONS_MAX);
    *client = (struct client){.count = connections, .epoll = epoll_create1(0), .keys = keys};
    client->connections = calloc(connections, sizeof(*client->connections));
    assert(client->connections);
    for (uint32_t i = 0; i < connections; i++) {
        struct connection *connection = &client->connections[i];
        connection->number = i;
        connection->socket = client_connect(port);
        connection->is_binary = i % 2;
        connection->depth = random_below(&keys->random, 2)
                                ? 1
                                : 1 + (uint32_t)random_below(&keys->random, CLIENT_DEPTH_MAX);
        connection->input = malloc(CLIENT_INPUT_BYTES);
        assert(connection->input);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        int added = epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->socket, &event);
        assert(added == 0);
    }
}

void client_finish(struct client *client) {
    for (uint32_t i = 0; i < client->count; i++) {
        close(client->connections[i].socket);
        free(client->connections[i].input);
    }
    close(client->epoll);
    free(client->connections);
}

/* Asking. */

static void connection_begin(struct client *client, struct connection *connection,
                             struct request *request, uint64_t now_ns) {
    uint32_t previous[KEYS_MAX];
    for (uint32_t key = 0; key < KEYS_MAX; key++) {
        previous[key] = connection->under_way[key] > 0 ? connection->last[key] : OPERATION_NONE;
    }
    request_begin(request, client->keys, connection->number, previous, now_ns);
    for (uint32_t i = 0; i < request->count; i++) {
        connection->last[request->keys[i]] = request->operations[i];
        connection->under_way[request->keys[i]]++;
    }
}

static void connection_send(struct connection *connection) {
    while (connection->output_start < connection->output_end) {
        ssize_t count = send(connection->socket, connection->output + connection->output_start,
                             connection->output_end - connection->output_start, MSG_NOSIGNAL);
        if (count < 0) {
            client_fail(strerror(errno));
        }
        connection->output_start += (size_t)count;
    }
    connection->output_start = connection->output_end = 0;
}

/* Sends as many requests as may be under way, all at once. */
static void connection_ask(struct client *client, struct connection *connection) {
    uint64_t now_ns = client_clock_ns();
    while (connection->count < connection->depth) {
        uint32_t place = (connection->first + connection->count) % CLIENT_DEPTH_MAX;
        struct request *request = &connection->requests[place];
        if (!request_choose(request, client->keys, connection->is_binary)) {
            break;
        }
        connection_begin(client, connection, request, now_ns);
        connection->count++;
        char *out = connection->output + connection->output_end;
        out = (connection->is_binary ? binary_put : ascii_put)(request, client->keys, out);
        connection->output_end = (size_t)(out - connection->output);
        assert(connection->output_end <= sizeof(connection->output));
    }
    connection_send(connection);
}

/* Answers. */

static void connection_take(struct client *client, struct connection *connection, uint64_t now_ns) {
    size_t taken = 0, last = 1;
    while (connection->count > 0 && last > 0) {
        struct request *request = &connection->requests[connection->first];
        last = (connection->is_binary ? binary_take : ascii_take)(
            request, client->keys, connection->input + taken, connection->input_length - taken,
            now_ns);
        taken += last;
        if (request->is_whole) {
            for (uint32_t i = 0; i < request->count; i++) {
                connection->under_way[request->keys[i]]--;
            }
            connection->first = (connection->first + 1) % CLIENT_DEPTH_MAX;
            connection->count--;
            client->requests++;
        }
    }
    connection->input_length -= taken;
    memmove(connection->input, connection->input + taken, connection->input_length);
    if (connection->count == 0 && connection->input_length > 0) {
        client_fail("an answer to nothing");
    }
}

static void connection_receive(struct client *client, struct connection *connection) {
    ssize_t count = recv(connection->socket, connection->input + connection->input_length,
                         CLIENT_INPUT_BYTES - connection->input_length, 0);
    if (count <= 0) {
        client_fail(count < 0 ? strerror(errno) : "the server has closed a connection");
    }
    uint64_t now_ns = client_clock_ns();
    connection->input_length += (size_t)count;
    connection_take(client, connection, now_ns);
}

static bool client_is_idle(const struct client *client) {
    for (uint32_t i = 0; i < client->count; i++) {
        if (client->connections[i].count > 0) {
            return false;
        }
    }
    return true;
}

void client_run(struct client *client, uint64_t requests, uint64_t until_ns) {
    bool asks = true;
    for (uint32_t i = 0; i < client->count; i++) {
        connection_ask(client, &client->connections[i]);
    }
    while (asks || !client_is_idle(client)) {
        struct epoll_event events[CLIENT_CONNECTIONS_MAX];
        int count = epoll_wait(client->epoll, events, CLIENT_CONNECTIONS_MAX, PATIENCE_MS);
        if (count == 0 || (count < 0 && errno != EINTR)) {
            client_fail(count < 0 ? strerror(errno) : "a request is not answered");
        }
        for (int i = 0; i < count; i++) {
            struct connection *connection = &client->connections[events[i].data.u32];
            connection_receive(client, connection);
            if (asks) {
                connection_ask(client, connection);
            }
        }
        asks = asks && client->requests < requests && client_clock_ns() < until_ns;
    }
}
