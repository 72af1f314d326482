/* load_tls: a connection's bytes, plain or by TLS (OpenSSL).
 *
 * One thread. What can't go on ends the program with a line on stderr, as in load_client.h.
 */
#ifndef BENCH_LOAD_TLS_H
#define BENCH_LOAD_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct load_options;
struct ssl_ctx_st;
struct ssl_st;

/* A socket that is connected and doesn't wait any more. */
struct link {
    int descriptor;
    struct ssl_st *ssl; /* NULL: plain */
};

/* The context of all connections, of --ca, --cert, --cert-key, --tls and --ciphers; NULL without
 * --tls. */
struct ssl_ctx_st *load_tls_create(const struct load_options *options);
void load_tls_destroy(struct ssl_ctx_st *context);

/* Takes over a connected socket; with a context it shakes hands first. */
void link_open(struct link *link, int descriptor, struct ssl_ctx_st *context);
void link_close(struct link *link);

/* As send(2) and recv(2), which don't wait: -1 and EAGAIN. An unfinished send is to be repeated
 * with the same bytes and maybe more behind them. */
ssize_t link_send(struct link *link, const char *bytes, size_t length);
ssize_t link_receive(struct link *link, char *bytes, size_t length);

/* Whether bytes have come that no event will tell of. */
bool link_has_pending(const struct link *link);

/* Handshakes one after another over new connections, each with one request behind it (mn), for the
 * options' time, and tells of them; or hellos alone. */
void load_tls_shake_hands(const struct load_options *options);

#endif
