/* load: a closed loop of gets or sets in one of the three protocols, every reply compared.
 *
 * Each connection sends `depth` requests in one piece, waits for all their replies, compares them
 * with what they must be, and sends the next ones. It does what mc-crusher can't: sets of the meta
 * protocol, the same loop for all protocols, and a look at what comes back.
 *
 *     load --port 11211 --fill                                     stores every key
 *     load --port 11211 --protocol meta --operation get --seconds 5
 */
#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES 11 /* "key" and eight digits */
#define KEYS_MAX 100000000
#define LINE_BYTES_MAX 64 /* what a request or reply holds beside key and value */
#define HEADER_BYTES 24   /* of the binary protocol */
#define CAS_OFFSET 16
#define BINARY_GET 0x00
#define BINARY_SET 0x01

enum protocol { TEXT, META, BINARY };

struct options {
    enum protocol protocol;
    bool set;
    bool fill;
    uint32_t port, connections, depth, keys, value_bytes, seconds;
};

struct connection {
    int descriptor;
    bool waits; /* for room in the socket */
    uint64_t random;
    char *request, *expected, *received;
    size_t request_length, expected_length, received_length, sent;
};

struct load {
    struct options options;
    struct connection *connections;
    int poll;
    uint32_t filled; /* keys that --fill has sent */
    uint64_t operations, bytes_out, bytes_in;
};

static void fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(EXIT_FAILURE);
}

/* Messages. */

static char *put(char *out, const void *bytes, size_t length) {
    memcpy(out, bytes, length);
    return out + length;
}

static char *put_text(char *out, const char *text) {
    return put(out, text, strlen(text));
}

static char *put_key(char *out, uint32_t key) {
    memcpy(out, "key00000000", KEY_BYTES);
    for (int at = KEY_BYTES - 1; key > 0; at--, key /= 10)
        out[at] = (char)('0' + key % 10);
    return out + KEY_BYTES;
}

/* A value that tells its key, so that a reply for another one is noticed. */
static char *put_value(char *out, uint32_t key, uint32_t length) {
    char name[KEY_BYTES];
    put_key(name, key);
    for (uint32_t at = 0; at < length; at += KEY_BYTES)
        out = put(out, name, length - at < KEY_BYTES ? length - at : KEY_BYTES);
    return out;
}

static char *put_header(char *out, unsigned char magic, unsigned char opcode, uint16_t key_length,
                        unsigned char extras_length, uint32_t body_length) {
    unsigned char header[HEADER_BYTES] = {magic, opcode};
    uint16_t key = htobe16(key_length);
    uint32_t body = htobe32(body_length);
    memcpy(header + 2, &key, sizeof key);
    header[4] = extras_length;
    memcpy(header + 8, &body, sizeof body);
    return put(out, header, sizeof header);
}

static char *put_number(char *out, const char *format, uint32_t number) {
    return out + sprintf(out, format, number);
}

static char *put_get(char *out, enum protocol protocol, uint32_t key) {
    if (protocol == BINARY)
        return put_key(put_header(out, 0x80, BINARY_GET, KEY_BYTES, 0, KEY_BYTES), key);
    out = put_text(out, protocol == META ? "mg " : "get ");
    return put_text(put_key(out, key), protocol == META ? " v\r\n" : "\r\n");
}

static char *put_hit(char *out, enum protocol protocol, uint32_t key, uint32_t length) {
    static const char no_flags[4];
    if (protocol == BINARY) {
        out = put_header(out, 0x81, BINARY_GET, 0, sizeof no_flags, 4 + length);
        return put_value(put(out, no_flags, sizeof no_flags), key, length);
    }
    if (protocol == TEXT)
        out = put_number(put_key(put_text(out, "VALUE "), key), " 0 %u\r\n", length);
    else
        out = put_number(out, "VA %u\r\n", length);
    out = put_value(out, key, length);
    return put_text(out, protocol == META ? "\r\n" : "\r\nEND\r\n");
}

static char *put_set(char *out, enum protocol protocol, uint32_t key, uint32_t length) {
    static const char extras[8];
    if (protocol == BINARY) {
        out = put_header(out, 0x80, BINARY_SET, KEY_BYTES, sizeof extras,
                         (uint32_t)sizeof extras + KEY_BYTES + length);
        return put_value(put_key(put(out, extras, sizeof extras), key), key, length);
    }
    out = put_key(put_text(out, protocol == META ? "ms " : "set "), key);
    out = put_number(out, protocol == META ? " %u\r\n" : " 0 0 %u\r\n", length);
    return put_text(put_value(out, key, length), "\r\n");
}

static char *put_stored(char *out, enum protocol protocol) {
    if (protocol == BINARY)
        return put_header(out, 0x81, BINARY_SET, 0, 0, 0);
    return put_text(out, protocol == META ? "HD\r\n" : "STORED\r\n");
}

/* Which CAS a server chooses is its own affair. */
static void clear_cas(char *packets, size_t length) {
    for (size_t at = 0; at + HEADER_BYTES <= length;) {
        uint32_t body;
        memcpy(&body, packets + at + 8, sizeof body);
        memset(packets + at + CAS_OFFSET, 0, sizeof(uint64_t));
        at += HEADER_BYTES + be32toh(body);
    }
}

/* Connections. */

static uint32_t next_key(struct load *load, struct connection *connection) {
    if (load->options.fill)
        return load->filled++;
    connection->random = connection->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((connection->random >> 32) * load->options.keys >> 32);
}

/* Makes the next requests and what must come back. */
static void compose(struct load *load, struct connection *connection) {
    const struct options *options = &load->options;
    char *request = connection->request, *expected = connection->expected;
    for (uint32_t i = 0; i < options->depth; i++) {
        if (options->fill && load->filled == options->keys)
            break;
        uint32_t key = next_key(load, connection);
        if (options->set || options->fill) {
            request = put_set(request, options->protocol, key, options->value_bytes);
            expected = put_stored(expected, options->protocol);
        } else {
            request = put_get(request, options->protocol, key);
            expected = put_hit(expected, options->protocol, key, options->value_bytes);
        }
    }
    connection->request_length = (size_t)(request - connection->request);
    connection->expected_length = (size_t)(expected - connection->expected);
    connection->received_length = connection->sent = 0;
}

static void send_more(struct load *load, struct connection *connection) {
    while (connection->sent < connection->request_length) {
        ssize_t sent =
            send(connection->descriptor, connection->request + connection->sent,
                 connection->request_length - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            fail("the server has closed a connection");
        if (sent < 0)
            break;
        connection->sent += (size_t)sent;
    }
    bool waits = connection->sent < connection->request_length;
    if (waits == connection->waits)
        return;
    connection->waits = waits;
    struct epoll_event event = {.events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = connection};
    epoll_ctl(load->poll, EPOLL_CTL_MOD, connection->descriptor, &event);
}

static void check_replies(struct load *load, struct connection *connection) {
    if (load->options.protocol == BINARY)
        clear_cas(connection->received, connection->received_length);
    if (memcmp(connection->received, connection->expected, connection->expected_length) == 0)
        return;
    fprintf(stderr, "load: a reply is not what it must be:\n%.*s\ninstead of\n%.*s\n", 200,
            connection->received, 200, connection->expected);
    exit(EXIT_FAILURE);
}

static void start_next(struct load *load, struct connection *connection) {
    compose(load, connection);
    send_more(load, connection);
}

static void receive(struct load *load, struct connection *connection) {
    ssize_t length =
        recv(connection->descriptor, connection->received + connection->received_length,
             connection->expected_length - connection->received_length, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0)
        fail("the server has closed a connection");
    connection->received_length += (size_t)length;
    if (connection->received_length < connection->expected_length)
        return;
    check_replies(load, connection);
    load->operations += load->options.depth;
    load->bytes_out += connection->request_length;
    load->bytes_in += connection->received_length;
    start_next(load, connection);
}

static void open_connection(struct load *load, struct connection *connection, uint64_t seed) {
    const struct options *options = &load->options;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t bytes = options->depth * (LINE_BYTES_MAX + KEY_BYTES + (size_t)options->value_bytes);
    int one = 1;
    connection->descriptor = socket(AF_INET, SOCK_STREAM, 0);
    connection->random = seed;
    connection->request = malloc(bytes);
    connection->expected = malloc(bytes);
    connection->received = malloc(bytes);
    if (!connection->request || !connection->expected || !connection->received)
        fail("no memory");
    if (connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        fail("the server does not accept connections");
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(load->poll, EPOLL_CTL_ADD, connection->descriptor, &event);
}

static double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool is_filled(const struct load *load) {
    if (!load->options.fill || load->filled < load->options.keys)
        return false;
    for (uint32_t i = 0; i < load->options.connections; i++)
        if (load->connections[i].expected_length > 0)
            return false;
    return true;
}

static void run(struct load *load) {
    struct epoll_event events[64];
    double end_s = now_s() + load->options.seconds;
    while (load->options.fill ? !is_filled(load) : now_s() < end_s) {
        int count = epoll_wait(load->poll, events, 64, 1000);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_more(load, connection);
            if (connection->expected_length > 0)
                receive(load, connection);
        }
    }
}

/* The command line. */

static uint32_t number(const char *name, const char *text, uint32_t min, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text && !*end && value >= min && value <= max)
        return (uint32_t)value;
    fprintf(stderr, "load: --%s takes a number from %u to %u, not \"%s\"\n", name, min, max, text);
    exit(64);
}

static enum protocol protocol_named(const char *name) {
    static const char *const names[] = {[TEXT] = "text", [META] = "meta", [BINARY] = "binary"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum protocol)i;
    fail("--protocol is text, meta or binary");
    return TEXT;
}

static void parse(struct options *options, int argc, char **argv) {
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"protocol", required_argument, NULL, 'P'},
        {"operation", required_argument, NULL, 'o'},
        {"fill", no_argument, NULL, 'f'},
        {"connections", required_argument, NULL, 'c'},
        {"depth", required_argument, NULL, 'd'},
        {"keys", required_argument, NULL, 'k'},
        {"value-bytes", required_argument, NULL, 'v'},
        {"seconds", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    int which = 0, option;
    while ((option = getopt_long(argc, argv, "", names, &which)) != -1) {
        if (option == '?')
            exit(64);
        const char *name = names[which].name;
        if (option == 'p')
            options->port = number(name, optarg, 1, 65535);
        else if (option == 'P')
            options->protocol = protocol_named(optarg);
        else if (option == 'o')
            options->set = strcmp(optarg, "set") == 0;
        else if (option == 'f')
            options->fill = true;
        else if (option == 'c')
            options->connections = number(name, optarg, 1, 10000);
        else if (option == 'd')
            options->depth = number(name, optarg, 1, 1000);
        else if (option == 'k')
            options->keys = number(name, optarg, 1, KEYS_MAX - 1);
        else if (option == 'v')
            options->value_bytes = number(name, optarg, 0, 1000000);
        else
            options->seconds = number(name, optarg, 1, 3600);
    }
}

int main(int argc, char **argv) {
    struct load load = {.options = {.port = 11211,
                                    .connections = 50,
                                    .depth = 8,
                                    .keys = 100000,
                                    .value_bytes = 100,
                                    .seconds = 5}};
    parse(&load.options, argc, argv);
    load.poll = epoll_create1(0);
    load.connections = calloc(load.options.connections, sizeof *load.connections);
    if (!load.connections)
        fail("no memory");
    for (uint32_t i = 0; i < load.options.connections; i++)
        open_connection(&load, &load.connections[i], i + 1);
    double start_s = now_s();
    for (uint32_t i = 0; i < load.options.connections; i++)
        start_next(&load, &load.connections[i]);
    run(&load);
    double seconds = now_s() - start_s, operations = load.operations ? (double)load.operations : 1;
    printf("%.0f operations in %.2f s, %.1f bytes of request and %.1f of reply each\n",
           (double)load.operations, seconds, (double)load.bytes_out / operations,
           (double)load.bytes_in / operations);
    return EXIT_SUCCESS;
}
