#include "bench/load_tls.h"

#include "bench/histogram.h"
#include "bench/load_client.h"
#include "bench/load_cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define HELLOS_AT_ONCE 16

static void fail(const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    fprintf(stderr, "load: %s%s%s\n", what, reason ? ": " : "", reason ? reason : "");
    exit(EXIT_FAILURE);
}

/* The newest session of all connections, for the next handshake. */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
    SSL_SESSION **newest = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (!newest) {
        return 0;
    }
    SSL_SESSION_free(*newest);
    *newest = session;
    return 1;
}

SSL_CTX *load_tls_create(const struct load_options *options) {
    if (!options->tls) {
        return NULL;
    }
    int version = options->tls == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_min_proto_version(context, version) != 1 ||
        SSL_CTX_set_max_proto_version(context, version) != 1) {
        fail("--tls");
    }
    if (options->tls_ciphers &&
        (version == TLS1_2_VERSION
             ? SSL_CTX_set_cipher_list(context, options->tls_ciphers)
             : SSL_CTX_set_ciphersuites(context, options->tls_ciphers)) != 1) {
        fail("--ciphers");
    }
    if (options->tls_ca && SSL_CTX_load_verify_locations(context, options->tls_ca, NULL) != 1) {
        fail("--ca");
    }
    if (options->tls_certificate &&
        (SSL_CTX_use_certificate_chain_file(context, options->tls_certificate) != 1 ||
         SSL_CTX_use_PrivateKey_file(context, options->tls_key, SSL_FILETYPE_PEM) != 1)) {
        fail("--cert and --cert-key");
    }
    SSL_CTX_set_verify(context, options->tls_ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    return context;
}

void load_tls_destroy(SSL_CTX *context) {
    SSL_CTX_free(context);
}

static void link_shake_hands(struct link *link, SSL_CTX *context, SSL_SESSION *session) {
    link->ssl = SSL_new(context);
    if (!link->ssl || SSL_set_fd(link->ssl, link->descriptor) != 1 ||
        (session && SSL_set_session(link->ssl, session) != 1)) {
        fail("no memory for the connections");
    }
    if (SSL_connect(link->ssl) != 1) {
        fail("the TLS handshake has failed");
    }
}

void link_open(struct link *link, int descriptor, SSL_CTX *context) {
    *link = (struct link){.descriptor = descriptor};
    if (context) {
        link_shake_hands(link, context, NULL);
    }
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
}

void link_close(struct link *link) {
    SSL_free(link->ssl);
    close(link->descriptor);
}

/* What SSL_read() and SSL_write() have returned, as a system call would. */
static ssize_t link_result(struct link *link, int result) {
    if (result > 0) {
        return result;
    }
    int error = SSL_get_error(link->ssl, result);
    bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    errno = waits ? EAGAIN : ECONNRESET;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t link_send(struct link *link, const char *bytes, size_t length) {
    if (!link->ssl) {
        return send(link->descriptor, bytes, length, MSG_NOSIGNAL);
    }
    return link_result(link, SSL_write(link->ssl, bytes, (int)length));
}

ssize_t link_receive(struct link *link, char *bytes, size_t length) {
    if (!link->ssl) {
        return recv(link->descriptor, bytes, length, 0);
    }
    return link_result(link, SSL_read(link->ssl, bytes, (int)length));
}

bool link_has_pending(const struct link *link) {
    return link->ssl && SSL_has_pending(link->ssl);
}

/* Handshakes. */

static int connect_to(const struct load_options *options) {
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || connect(descriptor, (const struct sockaddr *)&options->address,
                                  sizeof(options->address)) != 0) {
        fail("the server does not accept connections");
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return descriptor;
}

/* One handshake, and a request whose answer comes with the tickets. Returns whether it resumed. */
static bool shake_hands_once(const struct load_options *options, SSL_CTX *context,
                             SSL_SESSION *session) {
    char answer[16];
    struct link link = {.descriptor = connect_to(options)};
    link_shake_hands(&link, context, session);
    if (SSL_write(link.ssl, "mn\r\n", 4) != 4 || SSL_read(link.ssl, answer, sizeof(answer)) != 4) {
        fail("no answer behind a handshake");
    }
    bool resumed = SSL_session_reused(link.ssl);
    SSL_shutdown(link.ssl);
    link_close(&link);
    return resumed;
}

/* A client's first part, which may be sent again and again. */
static size_t record_hello(SSL_CTX *context, char *hello, size_t bytes_max) {
    SSL *ssl = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem());
    if (!ssl || !out) {
        fail("no memory for a hello");
    }
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_connect(ssl);
    int length = BIO_read(out, hello, (int)bytes_max);
    SSL_free(ssl);
    ERR_clear_error();
    return length > 0 ? (size_t)length : 0;
}

/* Says it on some connections at a time, waits for the first byte of each answer, and resets them.
 */
static void say_hello(const struct load_options *options, const char *hello, size_t length) {
    int descriptors[HELLOS_AT_ONCE];
    char answer;
    const struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < HELLOS_AT_ONCE; i++) {
        descriptors[i] = connect_to(options);
        if (send(descriptors[i], hello, length, MSG_NOSIGNAL) != (ssize_t)length) {
            fail("a hello is not taken");
        }
    }
    for (int i = 0; i < HELLOS_AT_ONCE; i++) {
        if (recv(descriptors[i], &answer, 1, 0) != 1) {
            fail("a hello is not answered");
        }
        setsockopt(descriptors[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(descriptors[i]);
    }
}

static void say_hellos(const struct load_options *options) {
    char hello[4096];
    SSL_CTX *context = load_tls_create(options);
    if (!context) {
        fail("--handshakes needs --tls");
    }
    size_t length = record_hello(context, hello, sizeof(hello));
    uint64_t begun_ns = client_clock_ns(), count = 0;
    uint64_t end_ns = begun_ns + (uint64_t)(options->run_s * SECOND_NS), now_ns = begun_ns;
    while (now_ns < end_ns) {
        say_hello(options, hello, length);
        count += HELLOS_AT_ONCE;
        now_ns = client_clock_ns();
        double due_ns = options->rate > 0 ? (double)count / options->rate * SECOND_NS : 0;
        double early_ns = due_ns - (double)(now_ns - begun_ns);
        if (early_ns > 0) {
            usleep((useconds_t)(early_ns / 1e3));
        }
    }
    printf("hellos %" PRIu64 "\nhellos_per_s %.0f\n", count,
           (double)count * SECOND_NS / (double)(now_ns - begun_ns));
    load_tls_destroy(context);
}

static void shake_hands(const struct load_options *options) {
    struct histogram *times = calloc(1, sizeof(*times));
    SSL_CTX *context = load_tls_create(options);
    SSL_SESSION *newest = NULL;
    uint64_t count = 0, resumed = 0;
    if (!times || !context) {
        fail("--handshakes needs --tls, and memory");
    }
    SSL_CTX_set_app_data(context, &newest);
    shake_hands_once(options, context, NULL);
    uint64_t begun_ns = client_clock_ns(), now_ns = begun_ns;
    uint64_t end_ns = begun_ns + (uint64_t)(options->run_s * SECOND_NS);
    uint64_t before_ns = options->server_pid > 0 ? load_cpu_of(options->server_pid).running_ns : 0;
    while (now_ns < end_ns && count < options->requests_max) {
        uint64_t start_ns = now_ns;
        SSL_SESSION *session = options->handshakes == HANDSHAKES_RESUMED ? newest : NULL;
        resumed += shake_hands_once(options, context, session);
        count++;
        now_ns = client_clock_ns();
        histogram_add(times, now_ns - start_ns);
    }
    printf("handshakes %" PRIu64 "\nresumed %" PRIu64 "\nhandshakes_per_s %.0f\n", count, resumed,
           (double)count * SECOND_NS / (double)(now_ns - begun_ns));
    printf("p50_us %.1f\np99_us %.1f\n", (double)histogram_quantile_ns(times, 0.5) / 1e3,
           (double)histogram_quantile_ns(times, 0.99) / 1e3);
    if (options->server_pid > 0 && count > 0) {
        uint64_t ran_ns = load_cpu_of(options->server_pid).running_ns - before_ns;
        printf("server_cpu_us_per_handshake %.2f\n", (double)ran_ns / 1e3 / (double)count);
    }
    SSL_SESSION_free(newest);
    load_tls_destroy(context);
    free(times);
}

void load_tls_shake_hands(const struct load_options *options) {
    if (options->handshakes == HANDSHAKES_HELLO) {
        say_hellos(options);
    } else {
        shake_hands(options);
    }
}
