#include "bench/load_client.h"

#include "bench/load_tls.h"
#include "bench/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define INPUT_BYTES (256u << 10)
#define EVENTS_MAX 256

struct connection {
    struct exchange exchange;
    struct link link;
    bool waits;      /* for room in the socket */
    bool is_pending; /* is among client.pending */
    uint32_t held_length;
    char *output; /* requests; bytes from `start` to `end` are still to be sent */
    size_t start, end, room;
    char held[PROTOCOL_HEAD_BYTES_MAX]; /* the start of a reply's head */
};

static void fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(EXIT_FAILURE);
}

uint64_t client_clock_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

/* Requests. */

/* Where to put that many bytes behind what is still to be sent. */
static char *output_room(struct connection *connection, size_t bytes) {
    if (connection->start > 0) {
        memmove(connection->output, connection->output + connection->start,
                connection->end - connection->start);
        connection->end -= connection->start;
        connection->start = 0;
    }
    if (connection->end + bytes > connection->room) {
        connection->room = 2 * connection->end + bytes;
        connection->output = realloc(connection->output, connection->room);
        if (!connection->output) {
            fail("no memory for the requests");
        }
    }
    return connection->output + connection->end;
}

static uint32_t next_to_get(struct client *client) {
    double share = client->options->hot_share;
    bool is_hot = share > 0 && random_fraction(&client->random) < share;
    return is_hot ? 0 : keys_next(&client->options->keys, &client->random);
}

static char *put_get(struct client *client, struct connection *connection, uint64_t intended_ns) {
    const struct load_options *options = client->options;
    uint32_t count = options->keys_per_get;
    uint32_t *numbers = exchange_begin(&connection->exchange, intended_ns, count);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = next_to_get(client);
    }
    char *out = output_room(connection, protocol_get_bytes_max(&options->keys, count));
    return protocol_put_get(out, options->protocol, &options->keys, numbers, count);
}

static char *put_set(struct client *client, struct connection *connection, uint64_t intended_ns) {
    const struct load_options *options = client->options;
    uint32_t number = client->phase == CLIENT_FILLS ? client->filled++
                                                    : keys_next(&options->keys, &client->random);
    exchange_begin(&connection->exchange, intended_ns, 0);
    char *out = output_room(connection, protocol_set_bytes_max(&options->keys, number));
    return protocol_put_set(out, options->protocol, &options->keys, number);
}

/* Puts a request into the connection's output. */
static void begin_request(struct client *client, struct connection *connection,
                          uint64_t intended_ns) {
    double share = client->phase == CLIENT_FILLS ? 1 : client->options->sets_share;
    bool is_set = share > 0 && random_fraction(&client->random) < share;
    size_t before = connection->end - connection->start;
    char *end = (is_set ? put_set : put_get)(client, connection, intended_ns);
    connection->end = (size_t)(end - connection->output);
    client->bytes_out += connection->end - connection->start - before;
    client->under_way++;
    client->budget -= client->phase != CLIENT_FILLS;
}

static void send_output(struct client *client, struct connection *connection) {
    while (connection->start < connection->end) {
        ssize_t sent = link_send(&connection->link, connection->output + connection->start,
                                 connection->end - connection->start);
        if (sent < 0 && errno != EAGAIN) {
            fail("the server has closed a connection");
        }
        if (sent < 0) {
            break;
        }
        connection->start += (size_t)sent;
    }
    bool waits = connection->start < connection->end;
    if (!waits) {
        connection->start = connection->end = 0;
    }
    if (waits == connection->waits) {
        return;
    }
    connection->waits = waits;
    struct epoll_event event = {.events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = connection};
    epoll_ctl(client->poll, EPOLL_CTL_MOD, connection->link.descriptor, &event);
}

/* Whether the connection is to have one more request because it has room for it. */
static bool may_begin(const struct client *client, const struct connection *connection) {
    if (exchange_is_full(&connection->exchange)) {
        return false;
    }
    switch (client->phase) {
    case CLIENT_FILLS:
        return client->filled < client->options->keys.count;
    case CLIENT_CLOSED:
        return client->budget > 0;
    case CLIENT_OPEN:
    case CLIENT_ENDS:
        return false;
    }
    return false;
}

static void refill(struct client *client, struct connection *connection) {
    while (may_begin(client, connection)) {
        begin_request(client, connection, client->now_ns);
    }
    send_output(client, connection);
}

static void refill_all(struct client *client) {
    client->now_ns = client_clock_ns();
    for (uint32_t i = 0; i < client->options->connections; i++) {
        refill(client, &client->connections[i]);
    }
}

/* The rate. */

static uint64_t next_gap_ns(struct client *client) {
    return (uint64_t)(-log1p(-random_fraction(&client->random)) / client->options->rate *
                      SECOND_NS);
}

static struct connection *next_with_room(struct client *client) {
    for (;;) {
        struct connection *connection = &client->connections[client->next];
        if (++client->next == client->options->connections) {
            client->next = 0;
        }
        if (!exchange_is_full(&connection->exchange)) {
            return connection;
        }
    }
}

/* Whether not even what is due can be sent. */
static bool is_full(const struct client *client) {
    return client->budget == 0 ||
           client->under_way == (uint64_t)client->options->connections * client->options->depth;
}

/* Begins all requests that are due, as far as there is room, then sends them: those for one
 * connection in one piece. */
static void send_due(struct client *client) {
    bool was_full = client->was_full;
    while (client->due_ns <= client->now_ns && !is_full(client)) {
        struct connection *connection = next_with_room(client);
        begin_request(client, connection, client->due_ns);
        if (!connection->is_pending) {
            client->pending[client->pending_count++] = connection;
        }
        connection->is_pending = true;
        if (!was_full) {
            histogram_add(&client->lateness, client->now_ns - client->due_ns);
        }
        client->due_ns += next_gap_ns(client);
    }
    client->was_full = is_full(client);
    while (client->pending_count > 0) {
        struct connection *connection = client->pending[--client->pending_count];
        connection->is_pending = false;
        send_output(client, connection);
    }
}

/* Replies. */

static void fail_on_reply(const char *bytes, size_t length) {
    fprintf(stderr, "load: this is no reply to what was asked: \"");
    for (size_t i = 0; i < length && i < 100; i++) {
        fprintf(stderr, bytes[i] >= ' ' && bytes[i] <= '~' ? "%c" : "\\x%02x",
                (unsigned char)bytes[i]);
    }
    fprintf(stderr, "\"\n");
    exit(EXIT_FAILURE);
}

/* What was held goes in front of what comes, so that heads are whole. */
static void receive_some(struct client *client, struct connection *connection) {
    char *bytes = client->input + PROTOCOL_HEAD_BYTES_MAX - connection->held_length;
    ssize_t received =
        link_receive(&connection->link, client->input + PROTOCOL_HEAD_BYTES_MAX, INPUT_BYTES);
    if (received < 0 && errno == EAGAIN) {
        return;
    }
    if (received <= 0) {
        fail("the server has closed a connection");
    }
    client->now_ns = client_clock_ns();
    client->bytes_in += (size_t)received;
    memcpy(bytes, connection->held, connection->held_length);
    size_t length = connection->held_length + (size_t)received, taken;
    uint32_t under_way = connection->exchange.count;
    if (!exchange_take(&connection->exchange, bytes, length, client->now_ns, &taken)) {
        fail_on_reply(bytes + taken, length - taken);
    }
    client->under_way -= under_way - connection->exchange.count;
    connection->held_length = (uint32_t)(length - taken);
    memcpy(connection->held, bytes + taken, length - taken);
    refill(client, connection);
}

static void receive(struct client *client, struct connection *connection) {
    uint64_t before;
    do {
        before = client->bytes_in;
        receive_some(client, connection);
    } while (client->bytes_in > before && link_has_pending(&connection->link));
}

/* The loop. */

/* Waits for replies, but not beyond that time or the next request's. */
static int wait_events(struct client *client, struct epoll_event *events, uint64_t until_ns) {
    bool is_open = client->phase == CLIENT_OPEN;
    uint64_t wake_ns = until_ns, wait_ns;
    if (is_open && !is_full(client) && client->due_ns < wake_ns) {
        wake_ns = client->due_ns;
    }
    wait_ns = wake_ns > client->now_ns ? wake_ns - client->now_ns : 0;
    if (is_open && client->options->spin) {
        wait_ns = 0;
    }
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                               .tv_nsec = (long)(wait_ns % SECOND_NS)};
    int count = epoll_pwait2(client->poll, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) {
        fail("can't wait for replies (this takes Linux 5.11)");
    }
    return count;
}

static void turn(struct client *client, uint64_t until_ns) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t begun_ns = client->now_ns;
    int count = wait_events(client, events, until_ns);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) {
            send_output(client, connection);
        }
        if (events[i].events & ~(uint32_t)EPOLLOUT) {
            receive(client, connection);
        }
    }
    client->now_ns = client_clock_ns();
    if (client->phase != CLIENT_OPEN) {
        return;
    }
    if (client->options->spin && count == 0 &&
        (is_full(client) || client->due_ns > client->now_ns)) {
        client->spun_ns += client->now_ns - begun_ns;
    }
    send_due(client);
}

/* Until all is answered. False: not for a long time. */
static bool await_all(struct client *client) {
    uint64_t patience_ns = CLIENT_PATIENCE_S * (uint64_t)SECOND_NS;
    uint64_t end_ns = client->now_ns + patience_ns;
    while (client->under_way > 0 && client->now_ns < end_ns) {
        uint64_t bytes_in = client->bytes_in;
        turn(client, end_ns);
        if (client->bytes_in > bytes_in) {
            end_ns = client->now_ns + patience_ns;
        }
    }
    return client->under_way == 0;
}

bool client_fill(struct client *client) {
    client->phase = CLIENT_FILLS;
    refill_all(client);
    return await_all(client);
}

void client_run(struct client *client, uint64_t until_ns) {
    client->phase = client->options->rate > 0 ? CLIENT_OPEN : CLIENT_CLOSED;
    refill_all(client);
    if (client->due_ns == 0 && client->phase == CLIENT_OPEN) {
        client->due_ns = client->now_ns + next_gap_ns(client);
    }
    while (client->now_ns < until_ns && !client_is_done(client)) {
        turn(client, until_ns);
    }
}

bool client_drain(struct client *client) {
    client->phase = CLIENT_ENDS;
    return await_all(client);
}

/* Start and end. */

static void open_connection(struct client *client, struct connection *connection) {
    const struct load_options *options = client->options;
    const struct sockaddr *address = (const struct sockaddr *)&options->address;
    int one = 1;
    if (!exchange_init(&connection->exchange, &client->common, options->depth,
                       options->keys_per_get)) {
        fail("no memory for the connections");
    }
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        fail("no more sockets: see ulimit -n");
    }
    if (connect(descriptor, address, sizeof(options->address)) != 0) {
        fail("the server does not accept connections");
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    link_open(&connection->link, descriptor, client->tls);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(client->poll, EPOLL_CTL_ADD, descriptor, &event);
}

void client_init(struct client *client, const struct load_options *options) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_max, limit.rlim_max});
    }
    *client = (struct client){
        .options = options,
        .common = {.protocol = options->protocol,
                   .verify = options->verify,
                   .keys = &options->keys},
        .phase = CLIENT_ENDS,
        .tls = load_tls_create(options),
        .poll = epoll_create1(EPOLL_CLOEXEC),
        .connections = calloc(options->connections, sizeof(*client->connections)),
        .pending = calloc(options->connections, sizeof(struct connection *)),
        .input = malloc(PROTOCOL_HEAD_BYTES_MAX + INPUT_BYTES),
        .budget = UINT64_MAX,
        .random = options->seed,
        .now_ns = client_clock_ns(),
    };
    if (!client->connections || !client->pending || !client->input) {
        fail("no memory for the connections");
    }
    for (uint32_t i = 0; i < options->connections; i++) {
        open_connection(client, &client->connections[i]);
    }
}

void client_finish(struct client *client) {
    for (uint32_t i = 0; i < client->options->connections; i++) {
        struct connection *connection = &client->connections[i];
        link_close(&connection->link);
        exchange_finish(&connection->exchange);
        free(connection->output);
    }
    close(client->poll);
    load_tls_destroy(client->tls);
    free(client->connections);
    free(client->pending);
    free(client->input);
}
