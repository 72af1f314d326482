#define OPENSSL_SUPPRESS_DEPRECATED /* a method for random bytes */
#include "secure.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/config.h"

struct secure {
    struct world *world;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;
    BIO *out;
    uint64_t moved;
    bool spoilt; /* a bit of what went out was changed, and nothing more is sent */
};

/* Random bytes. A chance of its own, so that OpenSSL takes none of the world's. */
static struct random secure_random;

static int secure_random_bytes(unsigned char *bytes, int length) {
    for (int i = 0; i < length; i++) {
        bytes[i] = (unsigned char)(random_next(&secure_random) >> 24);
    }
    return 1;
}

static int secure_random_status(void) {
    return 1;
}

void secure_seed(struct world *world) {
    static const RAND_METHOD method = {
        .bytes = secure_random_bytes,
        .pseudorand = secure_random_bytes,
        .status = secure_random_status,
    };
    secure_random.state = world->seed * 0x9e3779b97f4a7c15u + 1;
    RAND_set_rand_method(&method);
}

/* Files. */

static const char *secure_file(struct world *world, const char *name, char path[32], FILE **file) {
    int descriptor = memfd_create(name, MFD_CLOEXEC);
    WORLD_CHECK(world, descriptor >= 0);
    snprintf(path, 32, "/proc/self/fd/%d", descriptor);
    *file = fdopen(descriptor, "w");
    WORLD_CHECK(world, *file);
    return path;
}

static X509 *secure_certificate(struct world *world, EVP_PKEY *key) {
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    WORLD_CHECK(world, X509_set_version(certificate, 2) == 1);
    WORLD_CHECK(world, ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 1000000000);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"simulated", -1, -1,
                               0);
    WORLD_CHECK(world, X509_set_issuer_name(certificate, name) == 1);
    WORLD_CHECK(world, X509_set_pubkey(certificate, key) == 1);
    WORLD_CHECK(world, X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* The descriptors stay open behind the streams, since the server reads the files by them. */
struct secure_files {
    char chain[32];
    char key[32];
    FILE *streams[2];
};

void secure_files_init(struct world *world, struct tls_config *config) {
    struct secure_files *files = calloc(1, sizeof(*files));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    WORLD_CHECK(world, files && key);
    X509 *certificate = secure_certificate(world, key);
    config->chain_file = secure_file(world, "chain", files->chain, &files->streams[0]);
    config->key_file = secure_file(world, "key", files->key, &files->streams[1]);
    WORLD_CHECK(world, PEM_write_X509(files->streams[0], certificate) == 1);
    WORLD_CHECK(world,
                PEM_write_PrivateKey(files->streams[1], key, NULL, NULL, 0, NULL, NULL) == 1);
    fflush(files->streams[0]);
    fflush(files->streams[1]);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void secure_files_finish(struct tls_config *config) {
    struct secure_files *files = (struct secure_files *)config->chain_file; /* its first member */
    fclose(files->streams[0]);
    fclose(files->streams[1]);
    free(files);
}

/* Sessions. */

struct secure *secure_create(struct world *world) {
    struct secure *secure = calloc(1, sizeof(*secure));
    secure->world = world;
    secure->context = SSL_CTX_new(TLS_client_method());
    if (world->seed % 3 == 0) {
        SSL_CTX_set_max_proto_version(secure->context, TLS1_2_VERSION);
    }
    secure->ssl = SSL_new(secure->context);
    secure->in = BIO_new(BIO_s_mem());
    secure->out = BIO_new(BIO_s_mem());
    WORLD_CHECK(world, secure->ssl && secure->in && secure->out);
    BIO_set_mem_eof_return(secure->in, -1);
    SSL_set_bio(secure->ssl, secure->in, secure->out);
    SSL_set_connect_state(secure->ssl);
    return secure;
}

void secure_destroy(struct secure *secure) {
    if (!secure) {
        return;
    }
    SSL_free(secure->ssl);
    SSL_CTX_free(secure->context);
    free(secure);
}

size_t secure_pending(const struct secure *secure) {
    return BIO_ctrl_pending(secure->out);
}

uint64_t secure_moved(const struct secure *secure) {
    return secure->moved;
}

/* Now and then a bit is changed on the way, and the client ends its side behind it, since the
 * server may have been told to wait for more. */
#define SPOILS_ONE_IN 1000

static void secure_spoil(struct secure *secure, struct socket *socket, char *bytes, size_t length) {
    struct world *world = secure->world;
    if (world->settled || length == 0 || !random_one_in(&world->random, SPOILS_ONE_IN)) {
        return;
    }
    bytes[random_below(&world->random, (uint32_t)length)] ^=
        (char)(1 << random_below(&world->random, 8));
    socket->excuse = "a bit was changed on the way";
    secure->spoilt = true;
    world_note(world, "spoils", (uint64_t)socket->descriptor, length, 0);
}

static void secure_flush(struct secure *secure, struct socket *socket, size_t most) {
    char *bytes;
    long left = BIO_get_mem_data(secure->out, &bytes);
    size_t length = (size_t)left < most ? (size_t)left : most;
    secure_spoil(secure, socket, bytes, length);
    size_t sent = length > 0 ? socket_write(socket, bytes, length) : 0;
    char dropped[4096];
    secure->moved += sent;
    while (sent > 0) {
        int taken =
            BIO_read(secure->out, dropped, (int)(sent < sizeof(dropped) ? sent : sizeof(dropped)));
        WORLD_CHECK(secure->world, taken > 0);
        sent -= (size_t)taken;
    }
}

/* What can't be is a failure, unless the connection may end for a reason. */
static void secure_check(struct secure *secure, const struct socket *socket, int result) {
    int error = result > 0 ? SSL_ERROR_NONE : SSL_get_error(secure->ssl, result);
    bool right =
        error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN;
    if (!right && !socket->excuse && !secure->world->stopping) {
        world_fail(secure->world, "TLS of %d fails: %s", socket->descriptor,
                   ERR_reason_error_string(ERR_peek_error()));
    }
    ERR_clear_error();
}

static bool secure_shake_hands(struct secure *secure, struct socket *socket) {
    if (!SSL_is_init_finished(secure->ssl)) {
        secure_check(secure, socket, SSL_do_handshake(secure->ssl));
    }
    return SSL_is_init_finished(secure->ssl);
}

size_t secure_send(struct secure *secure, struct socket *socket, const char *bytes, size_t length,
                   size_t most) {
    if (secure->spoilt) {
        BIO_reset(secure->out);
        socket_end(socket);
        return length;
    }
    if (!secure_shake_hands(secure, socket) || secure_pending(secure) > 0) {
        secure_flush(secure, socket, most);
        return 0;
    }
    if (length == 0) {
        return 0;
    }
    int written = SSL_write(secure->ssl, bytes, (int)length);
    secure_check(secure, socket, written);
    secure_flush(secure, socket, most);
    return written > 0 ? (size_t)written : 0;
}

long secure_receive(struct secure *secure, struct socket *socket, char *bytes, size_t length,
                    size_t most) {
    char fragment[1 << 16];
    long received =
        socket_read(socket, fragment, most < sizeof(fragment) ? most : sizeof(fragment));
    if (received > 0) {
        secure->moved += (uint64_t)received;
        WORLD_CHECK(secure->world, BIO_write(secure->in, fragment, (int)received) == received);
    }
    if (!secure_shake_hands(secure, socket)) {
        return received < 0 ? -1 : 0;
    }
    size_t sum = 0;
    int read = 1;
    while (sum < length && (read = SSL_read(secure->ssl, bytes + sum, (int)(length - sum))) > 0) {
        sum += (size_t)read;
    }
    secure_check(secure, socket, read);
    return sum > 0 ? (long)sum : received < 0 ? -1 : 0;
}
