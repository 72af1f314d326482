/* Fuzzes TLS as a whole: the real reactor on the simulated engine at one end, a client that is
 * OpenSSL's at the other, and between them a network that the input rules: it cuts, changes,
 * repeats, swaps, drops and invents bytes, each way.
 *
 * An input is a head of one byte and then steps of two: a letter, see step_table, and a number.
 *
 * Checked, beside what the parts assert of themselves: what the client can decrypt is the beginning
 * of what must be answered, and all of it where nothing was changed; and when the client has gone
 * the server has nothing left of it.
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/wire.h"
#include "tests/sim/by_hand.h"
#include "tests/sim/engine.h"
#include "tests/sim/secure.h"
#include "tests/sim/server.h"

#define WIRE_BYTES_MAX ((size_t)1 << 20)
#define VALUE_BYTES_MAX 70000
#define STEPS_MAX 100
#define CONNECTIONS_MAX 8
#define CLOSE_S 15 /* beyond each of the server's limits on a client of TLS */

enum head { HEAD_TLS_1_2 = 1 << 0, HEAD_NO_TICKETS = 1 << 1 };

struct fuzzed {
    struct world *world;
    SSL_CTX *context;
    SSL_SESSION *session; /* of an earlier connection */
    SSL *ssl;
    BIO *in, *out; /* the client's */
    struct socket *socket;
    struct wire going, coming;
    struct wire wanted; /* all that has to be answered on this connection */
    size_t answered;    /* so much of it has come */
    uint32_t connections;
    uint32_t value_bytes; /* of this connection's key; 0: none */
    bool damaged;         /* either wire was changed */
    bool failed;          /* the client's TLS has */
    bool ended;           /* the client has said its end */
    const uint8_t *bytes; /* the steps to come */
    size_t length;
};

/* The server and the client. */

static void fuzzed_serve(struct fuzzed *fuzzed) {
    struct world *world = fuzzed->world;
    bool goes_on = true;
    for (int i = 0; i < 100000 && goes_on; i++) {
        world->now_ns += world->choices.step_ns;
        goes_on = engine_step_any(world->engines[0]);
        goes_on = server_run(world, 0) || goes_on;
    }
    assert(!goes_on);
}

static void fuzzed_connect(struct fuzzed *fuzzed) {
    fuzzed->socket = socket_connect(fuzzed->world);
    assert(fuzzed->socket);
    fuzzed->ssl = SSL_new(fuzzed->context);
    fuzzed->in = BIO_new(BIO_s_mem());
    fuzzed->out = BIO_new(BIO_s_mem());
    assert(fuzzed->ssl && fuzzed->in && fuzzed->out);
    BIO_set_mem_eof_return(fuzzed->in, -1);
    SSL_set_bio(fuzzed->ssl, fuzzed->in, fuzzed->out);
    SSL_set_connect_state(fuzzed->ssl);
    if (fuzzed->session) {
        SSL_set_session(fuzzed->ssl, fuzzed->session);
    }
    fuzzed->connections++;
    fuzzed->going.length = fuzzed->coming.length = fuzzed->wanted.length = 0;
    fuzzed->answered = fuzzed->value_bytes = 0;
    fuzzed->damaged = fuzzed->failed = fuzzed->ended = false;
    SSL_do_handshake(fuzzed->ssl);
    ERR_clear_error();
    fuzzed_serve(fuzzed);
}

/* Takes what the client's OpenSSL has written. */
static void fuzzed_collect(struct fuzzed *fuzzed) {
    char *bytes;
    long length = BIO_get_mem_data(fuzzed->out, &bytes);
    if (length > 0 && fuzzed->going.length < WIRE_BYTES_MAX) {
        wire_put(&fuzzed->going, bytes, (size_t)length);
    }
    BIO_reset(fuzzed->out);
}

static void fuzzed_check(struct fuzzed *fuzzed, int result) {
    int error = result > 0 ? SSL_ERROR_NONE : SSL_get_error(fuzzed->ssl, result);
    bool right =
        error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN;
    assert(right || fuzzed->damaged || fuzzed->failed);
    fuzzed->failed |= !right;
    ERR_clear_error();
}

/* What comes must be what was to be answered. */
static void fuzzed_read(struct fuzzed *fuzzed) {
    char bytes[1 << 14];
    int length = 0;
    if (!fuzzed->failed && !SSL_is_init_finished(fuzzed->ssl)) {
        fuzzed_check(fuzzed, SSL_do_handshake(fuzzed->ssl));
    }
    while (!fuzzed->failed && SSL_is_init_finished(fuzzed->ssl) &&
           (length = SSL_read(fuzzed->ssl, bytes, sizeof(bytes))) > 0) {
        assert((size_t)length <= fuzzed->wanted.length - fuzzed->answered);
        assert(memcmp(bytes, fuzzed->wanted.bytes + fuzzed->answered, (size_t)length) == 0);
        fuzzed->answered += (size_t)length;
    }
    if (!fuzzed->failed && SSL_is_init_finished(fuzzed->ssl)) {
        fuzzed_check(fuzzed, length);
    }
    fuzzed_collect(fuzzed);
}

/* The network. */

static size_t fuzzed_send(struct fuzzed *fuzzed, size_t most) {
    fuzzed_collect(fuzzed);
    struct wire *going = &fuzzed->going;
    size_t length = going->length < most ? going->length : most;
    size_t sent =
        length > 0 && !fuzzed->ended ? socket_write(fuzzed->socket, going->bytes, length) : 0;
    wire_drop(going, 0, sent);
    fuzzed_serve(fuzzed);
    return sent;
}

/* From the server's socket to the wire, where it may still be changed. */
static bool fuzzed_fetch(struct fuzzed *fuzzed) {
    char bytes[1 << 14];
    long length = 0;
    bool any = false;
    while (fuzzed->coming.length < WIRE_BYTES_MAX &&
           (length = socket_read(fuzzed->socket, bytes, sizeof(bytes))) > 0) {
        wire_put(&fuzzed->coming, bytes, (size_t)length);
        fuzzed_serve(fuzzed);
        any = true;
    }
    return any;
}

static void fuzzed_receive(struct fuzzed *fuzzed, size_t most) {
    struct wire *coming = &fuzzed->coming;
    fuzzed_fetch(fuzzed);
    size_t length = coming->length < most ? coming->length : most;
    if (length > 0) {
        assert(BIO_write(fuzzed->in, coming->bytes, (int)length) == (int)length);
        wire_drop(coming, 0, length);
    }
    fuzzed_read(fuzzed);
}

/* All that is under way gets there. */
static void fuzzed_exchange_all(struct fuzzed *fuzzed) {
    size_t sent = 1;
    while (sent > 0 || fuzzed->coming.length > 0 || fuzzed_fetch(fuzzed)) {
        fuzzed_receive(fuzzed, SIZE_MAX);
        sent = fuzzed_send(fuzzed, SIZE_MAX);
    }
}

/* The end of a connection. */

static void fuzzed_disconnect(struct fuzzed *fuzzed) {
    struct world *world = fuzzed->world;
    fuzzed_exchange_all(fuzzed);
    if (!fuzzed->damaged && !fuzzed->ended) {
        assert(fuzzed->answered == fuzzed->wanted.length);
    }
    if (!fuzzed->failed && !fuzzed->damaged && SSL_is_init_finished(fuzzed->ssl)) {
        SSL_SESSION_free(fuzzed->session);
        fuzzed->session = SSL_get1_session(fuzzed->ssl);
    }
    if (!fuzzed->ended) {
        socket_end(fuzzed->socket);
    }
    for (int i = 0; i < CLOSE_S && !fuzzed->socket->closed; i++) {
        fuzzed_serve(fuzzed);
        fuzzed_fetch(fuzzed);
        world->now_ns += 1000000000;
    }
    assert(fuzzed->socket->closed);
    SSL_free(fuzzed->ssl);
    fuzzed->ssl = NULL;
    ERR_clear_error();
}

/* Steps. */

static bool fuzzed_says(const struct fuzzed *fuzzed) {
    return !fuzzed->failed && !fuzzed->ended && SSL_is_init_finished(fuzzed->ssl) &&
           SSL_get_shutdown(fuzzed->ssl) == 0 && fuzzed->going.length < WIRE_BYTES_MAX;
}

static void fuzzed_say(struct fuzzed *fuzzed, const char *request, size_t length,
                       const char *answer, size_t answer_length) {
    fuzzed_check(fuzzed, SSL_write(fuzzed->ssl, request, (int)length));
    wire_put(&fuzzed->wanted, answer, answer_length);
    fuzzed_collect(fuzzed);
}

static void fuzzed_fill(char *bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        bytes[i] = (char)('a' + (i * 7 + length) % 26);
    }
}

/* Each connection has a key of its own, since nobody knows what came of those that were damaged. */
static void fuzzed_set(struct fuzzed *fuzzed, uint32_t length) {
    char *request = malloc(length + 64);
    int head = sprintf(request, "set k%u 0 0 %u\r\n", fuzzed->connections, length);
    fuzzed_fill(request + head, length);
    memcpy(request + head + length, "\r\n", 2);
    fuzzed_say(fuzzed, request, (size_t)head + length + 2, "STORED\r\n", 8);
    fuzzed->value_bytes = length;
    free(request);
}

static void fuzzed_get(struct fuzzed *fuzzed) {
    char request[64];
    uint32_t length = fuzzed->value_bytes;
    char *answer = malloc(length + 64);
    int head = length > 0 ? sprintf(answer, "VALUE k%u 0 %u\r\n", fuzzed->connections, length) : 0;
    fuzzed_fill(answer + head, length);
    int tail = sprintf(answer + head + length, length > 0 ? "\r\nEND\r\n" : "END\r\n");
    int asked = sprintf(request, "get k%u\r\n", fuzzed->connections);
    fuzzed_say(fuzzed, request, (size_t)asked, answer, (size_t)(head + tail) + length);
    free(answer);
}

static void step_command(struct fuzzed *fuzzed, uint8_t number) {
    static const uint32_t lengths[] = {1, 10, 1000, 4096, 16384, 16385, 40000, VALUE_BYTES_MAX};
    if (!fuzzed_says(fuzzed)) {
        return;
    }
    switch (number % 4) {
    case 0:
        fuzzed_say(fuzzed, "mn\r\n", 4, "MN\r\n", 4);
        break;
    case 1:
        fuzzed_get(fuzzed);
        break;
    case 2:
        fuzzed_set(fuzzed, lengths[number / 4 % 8]);
        break;
    default: /* records of one byte */
        fuzzed_check(fuzzed, SSL_write(fuzzed->ssl, "m", 1));
        fuzzed_say(fuzzed, "n\r\n", 3, "MN\r\n", 4);
        break;
    }
}

static void step_send(struct fuzzed *fuzzed, uint8_t number) {
    fuzzed_send(fuzzed, (size_t)number + 1);
}

static void step_send_all(struct fuzzed *fuzzed, uint8_t number) {
    size_t most = (size_t)1 << number % 21;
    for (int i = 0; i < 700 && fuzzed_send(fuzzed, most) > 0; i++) {
    }
}

static void step_receive(struct fuzzed *fuzzed, uint8_t number) {
    fuzzed_receive(fuzzed, (size_t)1 << number % 21);
}

static void step_exchange(struct fuzzed *fuzzed, uint8_t number) {
    (void)number;
    fuzzed_exchange_all(fuzzed);
}

/* The wire that the next change is of: the client's, or that to it. */
static struct wire *fuzzed_wire(struct fuzzed *fuzzed, bool coming) {
    fuzzed_collect(fuzzed);
    fuzzed_fetch(fuzzed);
    struct wire *wire = coming ? &fuzzed->coming : &fuzzed->going;
    fuzzed->damaged |= wire->length > 0;
    return wire;
}

static void step_flip(struct fuzzed *fuzzed, uint8_t number) {
    struct wire *wire = fuzzed_wire(fuzzed, number & 128);
    size_t place = (number & 127) >> 3 << (number & 1);
    if (wire->length > 0) {
        wire->bytes[place % wire->length] ^= (char)(1 << (number & 7));
    }
}

static void step_repeat(struct fuzzed *fuzzed, uint8_t number) {
    struct wire *wire = fuzzed_wire(fuzzed, number & 128);
    if (wire->length > 0 && wire->length < WIRE_BYTES_MAX) {
        wire_insert(wire, 0, wire->bytes, wire_record(wire, 0));
    }
}

static void step_swap(struct fuzzed *fuzzed, uint8_t number) {
    struct wire *wire = fuzzed_wire(fuzzed, number & 128);
    size_t first = wire->length > 0 ? wire_record(wire, 0) : 0;
    size_t second = wire->length > first ? wire_record(wire, first) : 0;
    if (second > 0) {
        wire_insert(wire, 0, wire->bytes + first, second);
        wire_drop(wire, second + first, second);
    }
}

static void step_drop(struct fuzzed *fuzzed, uint8_t number) {
    struct wire *wire = fuzzed_wire(fuzzed, number & 128);
    size_t record = wire->length > 0 ? wire_record(wire, 0) : 0;
    size_t length = (size_t)(number & 127) + 1;
    wire_drop(wire, 0, number % 2 || length > record ? record : length);
}

/* Bytes of the input itself, in front of what is on the wire. */
static void step_invent(struct fuzzed *fuzzed, uint8_t number) {
    struct wire *wire = fuzzed_wire(fuzzed, number & 128);
    size_t length = number & 127;
    length = length < fuzzed->length ? length : fuzzed->length;
    wire_insert(wire, 0, fuzzed->bytes, length);
    fuzzed->bytes += length;
    fuzzed->length -= length;
    fuzzed->damaged |= length > 0;
}

/* A head of a record that promises what the number says. */
static void step_head(struct fuzzed *fuzzed, uint8_t number) {
    static const uint8_t types[] = {20, 21, 22, 23};
    uint8_t head[] = {types[number & 3], 3, 3, (uint8_t)(number & 0x7c), number};
    fuzzed_collect(fuzzed);
    wire_put(&fuzzed->going, head, sizeof(head));
    fuzzed->damaged = true;
}

/* New keys of TLS 1.3, or in 1.2 a renegotiation, which ends the connection. */
static void step_keys(struct fuzzed *fuzzed, uint8_t number) {
    if (!fuzzed_says(fuzzed)) {
        return;
    }
    if (SSL_version(fuzzed->ssl) == TLS1_3_VERSION) {
        for (int i = 0; i <= number % 16; i++) {
            SSL_key_update(fuzzed->ssl,
                           number % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
            SSL_do_handshake(fuzzed->ssl);
        }
    } else {
        fuzzed->damaged = true;
        SSL_renegotiate(fuzzed->ssl);
        SSL_do_handshake(fuzzed->ssl);
    }
    ERR_clear_error();
    fuzzed_collect(fuzzed);
}

static void step_end(struct fuzzed *fuzzed, uint8_t number) {
    if (fuzzed->ended) {
        return;
    }
    if (number & 1 && fuzzed_says(fuzzed)) {
        SSL_shutdown(fuzzed->ssl);
        ERR_clear_error();
        fuzzed_collect(fuzzed);
    }
    if (number & 2) {
        fuzzed->ended = true;
        socket_end(fuzzed->socket);
    }
    if (number & 4) {
        fuzzed->ended = fuzzed->failed = true;
        socket_reset(fuzzed->socket, "its client resets it");
    }
    fuzzed->damaged |= fuzzed->ended; /* it may be in the middle of a record */
    fuzzed_serve(fuzzed);
}

static void step_time(struct fuzzed *fuzzed, uint8_t number) {
    fuzzed->damaged |= fuzzed->answered == 0; /* it may be closed for a handshake that is late */
    fuzzed->world->now_ns += (uint64_t)number * 100000000;
    fuzzed_serve(fuzzed);
}

static void step_next(struct fuzzed *fuzzed, uint8_t number) {
    (void)number;
    if (fuzzed->connections < CONNECTIONS_MAX) {
        fuzzed_disconnect(fuzzed);
        fuzzed_connect(fuzzed);
    }
}

static const struct {
    char letter;
    void (*run)(struct fuzzed *fuzzed, uint8_t number);
} step_table[] = {
    {'c', step_command},  {'s', step_send},   {'a', step_send_all}, {'r', step_receive},
    {'x', step_exchange}, {'f', step_flip},   {'d', step_repeat},   {'w', step_swap},
    {'o', step_drop},     {'i', step_invent}, {'h', step_head},     {'k', step_keys},
    {'e', step_end},      {'t', step_time},   {'n', step_next},
};

static void fuzzed_run(struct fuzzed *fuzzed) {
    for (int i = 0; i < STEPS_MAX && fuzzed->length >= 2; i++) {
        size_t count = sizeof(step_table) / sizeof(*step_table), step = 0;
        uint8_t letter = fuzzed->bytes[0], number = fuzzed->bytes[1];
        fuzzed->bytes += 2;
        fuzzed->length -= 2;
        while (step < count && (uint8_t)step_table[step].letter != letter) {
            step++;
        }
        step_table[step < count ? step : letter % count].run(fuzzed, number);
    }
}

/* The server ends, and has nothing left. */
static void fuzzed_stop(struct fuzzed *fuzzed) {
    struct world *world = fuzzed->world;
    assert(server_is_idle(world));
    server_check_idle(world);
    server_stop(world);
    for (int i = 0; i < 100 && !server_has_ended(world); i++) {
        world->now_ns += 100000000;
        fuzzed_serve(fuzzed);
    }
    assert(server_has_ended(world));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct fuzzed fuzzed = {.bytes = bytes + 1, .length = length - 1};
    if (length == 0) {
        return 0;
    }
    fuzzed.world = by_hand_create_tls();
    fuzzed.context = SSL_CTX_new(TLS_client_method());
    if (*bytes & HEAD_TLS_1_2) {
        SSL_CTX_set_max_proto_version(fuzzed.context, TLS1_2_VERSION);
    }
    if (*bytes & HEAD_NO_TICKETS) {
        SSL_CTX_set_options(fuzzed.context, SSL_OP_NO_TICKET);
    }
    fuzzed_serve(&fuzzed);
    fuzzed_connect(&fuzzed);
    fuzzed_run(&fuzzed);
    fuzzed_disconnect(&fuzzed);
    fuzzed_stop(&fuzzed);
    SSL_SESSION_free(fuzzed.session);
    SSL_CTX_free(fuzzed.context);
    by_hand_destroy(fuzzed.world);
    wire_finish(&fuzzed.going);
    wire_finish(&fuzzed.coming);
    wire_finish(&fuzzed.wanted);
    return 0;
}
