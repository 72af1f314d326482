/* floods: what a client of TLS may ask for again and again, step by step: how little of it is done
 * in a turn while others wait, that all of it is done in the end, and what is refused. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "by_hand.h"
#include "engine.h"
#include "server.h"

#define UPDATES 300
#define FLOODERS 5

/* A client of a simulated server. */
struct peer {
    struct world *world;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    struct socket *socket;
    char answer[8192]; /* what was read last, with a NUL */
};

/* The server does what it can, with all I/O. */
static void peer_serve(struct peer *peer) {
    bool goes_on = true;
    while (goes_on) {
        peer->world->now_ns += peer->world->choices.step_ns;
        goes_on = engine_step_any(peer->world->engines[0]);
        goes_on = server_run(peer->world, 0) || goes_on;
    }
}

/* Puts what the client has encrypted into its socket. */
static void peer_send(struct peer *peer) {
    char bytes[1 << 15];
    int length;
    while ((length = BIO_read(peer->out, bytes, sizeof(bytes))) > 0) {
        WORLD_CHECK(peer->world,
                    socket_write(peer->socket, bytes, (size_t)length) == (size_t)length);
    }
}

/* Decrypts what has come; false when the server has ended it. */
static bool peer_read(struct peer *peer) {
    char bytes[1 << 14];
    long length;
    size_t sum = 0;
    while ((length = socket_read(peer->socket, bytes, sizeof(bytes))) > 0) {
        WORLD_CHECK(peer->world, BIO_write(peer->in, bytes, (int)length) == length);
    }
    int read;
    while ((read = SSL_read(peer->ssl, peer->answer + sum, (int)(sizeof(peer->answer) - 1 - sum))) >
           0) {
        sum += (size_t)read;
    }
    peer->answer[sum] = '\0';
    ERR_clear_error();
    return length >= 0;
}

static void peer_connect(struct peer *peer, struct world *world, int version) {
    *peer = (struct peer){.world = world};
    peer->socket = socket_connect(world);
    peer->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(peer->context, version);
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    WORLD_CHECK(world, peer->socket && peer->ssl && peer->in && peer->out);
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_connect_state(peer->ssl);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(peer->ssl);
        peer_send(peer);
        peer_serve(peer);
        peer_read(peer);
    }
    WORLD_CHECK(world, SSL_is_init_finished(peer->ssl));
}

static void peer_close(struct peer *peer) {
    socket_end(peer->socket);
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
}

/* The number of a statistic that a client asks for. */
static unsigned peer_statistic(struct peer *peer, const char *name) {
    char wanted[64];
    WORLD_CHECK(peer->world, SSL_write(peer->ssl, "stats\r\n", 7) == 7);
    peer_send(peer);
    peer_serve(peer);
    peer_read(peer);
    snprintf(wanted, sizeof(wanted), "STAT %s ", name);
    const char *line = strstr(peer->answer, wanted);
    WORLD_CHECK(peer->world, line);
    return (unsigned)atoi(line + strlen(wanted));
}

static struct world *start(void) {
    struct world *world = by_hand_create_tls();
    by_hand_serve(world, 0);
    return world;
}

static void stop(struct world *world) {
    by_hand_serve(world, 0);
    server_stop(world);
    for (int i = 0; i < 100 && !server_has_ended(world); i++) {
        world->now_ns += 100000000;
        by_hand_serve(world, 0);
    }
    WORLD_CHECK(world, server_has_ended(world));
    by_hand_destroy(world);
}

/* Asks for new keys again and again, and then for an answer. */
static void peer_flood(struct peer *peer, int kind) {
    for (int i = 0; i < UPDATES; i++) {
        WORLD_CHECK(peer->world, SSL_key_update(peer->ssl, kind) == 1);
        SSL_do_handshake(peer->ssl);
    }
    SSL_write(peer->ssl, "mn\r\n", 4);
    peer_send(peer);
}

/* In one turn one change of keys of all who want it, and who asks for something is answered. */
static void test_key_updates(void) {
    struct world *world = start();
    struct peer other, flooders[FLOODERS];
    peer_connect(&other, world, TLS1_3_VERSION);
    for (int i = 0; i < FLOODERS; i++) {
        peer_connect(&flooders[i], world, TLS1_3_VERSION);
    }
    unsigned before = peer_statistic(&other, "reactor_turns");
    for (int i = 0; i < FLOODERS; i++) {
        peer_flood(&flooders[i], i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    SSL_write(other.ssl, "mn\r\n", 4);
    peer_send(&other);
    bool answered = false;
    for (int i = 0; i < 20 && !answered; i++) {
        engine_step_any(world->engines[0]);
        server_run(world, 0);
        peer_read(&other);
        answered = strcmp(other.answer, "MN\r\n") == 0;
    }
    WORLD_CHECK(world, answered);
    peer_serve(&other);
    for (int i = 0; i < FLOODERS; i++) {
        peer_read(&flooders[i]);
        WORLD_CHECK(world, strcmp(flooders[i].answer, "MN\r\n") == 0);
    }
    unsigned turns = peer_statistic(&other, "reactor_turns") - before;
    WORLD_CHECK(world, turns >= UPDATES * FLOODERS - FLOODERS);
    WORLD_CHECK(world, peer_statistic(&other, "ssl_key_updates") == UPDATES * FLOODERS);
    peer_close(&other);
    for (int i = 0; i < FLOODERS; i++) {
        peer_close(&flooders[i]);
    }
    stop(world);
    printf("ok 1 - changes of keys wait in order, and nobody waits for them\n");
}

/* TLS 1.2: the connection ends, and is counted. */
static void test_renegotiations(void) {
    struct world *world = start();
    struct peer other, peer;
    peer_connect(&other, world, TLS1_3_VERSION);
    for (unsigned i = 0; i < 5; i++) {
        peer_connect(&peer, world, TLS1_2_VERSION);
        SSL_renegotiate(peer.ssl);
        SSL_do_handshake(peer.ssl);
        peer_send(&peer);
        peer_serve(&peer);
        WORLD_CHECK(world, !peer_read(&peer));
        WORLD_CHECK(world, peer_statistic(&other, "ssl_renegotiations") == i + 1);
        peer_close(&peer);
        peer_serve(&other);
    }
    peer_close(&other);
    stop(world);
    printf("ok 2 - renegotiations end the connection\n");
}

/* What no client has a reason for behind the handshake, at most some times: OpenSSL counts. By
 * records in clear, which TLS 1.3 refuses at once, and by those that it encrypts itself. */
static void test_useless_records(void) {
    static const char records[][8] = {
        "\x14\x03\x03\x00\x01\x01",     /* a change of ciphers */
        "\x15\x03\x03\x00\x02\x01\x5a", /* a warning */
        "\x16\x03\x03\x00\x00",         /* nothing of a handshake */
        "\x17\x03\x03\x00\x00",         /* nothing */
    };
    static const size_t lengths[] = {6, 7, 5, 5};
    struct world *world = start();
    struct peer other, peer;
    peer_connect(&other, world, TLS1_3_VERSION);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t kind = 0; kind < sizeof(lengths) / sizeof(*lengths); kind++) {
            peer_connect(&peer, world, version);
            for (int i = 0; i < 100; i++) {
                socket_write(peer.socket, records[kind], lengths[kind]);
            }
            peer_serve(&peer);
            WORLD_CHECK(world, !peer_read(&peer));
            peer_close(&peer);
            peer_serve(&other);
        }
    }
    WORLD_CHECK(world, peer_statistic(&other, "ssl_proto_errors") == 8);
    peer_close(&other);
    stop(world);
    printf("ok 3 - useless records end the connection\n");
}

int main(void) {
    printf("1..3\n");
    test_key_updates();
    test_renegotiations();
    test_useless_records();
    return EXIT_SUCCESS;
}
