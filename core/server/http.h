/* http: the sockets of HTTP, by libmicrohttpd. The only file that knows that library is http.c;
 * http_without.c stands in for it in a build without.
 *
 *     descriptor of each listener ─▶ http_run() ─▶ requests ─▶ http_answer ─▶ response
 *
 * Nothing here waits: whoever owns it polls the descriptors and calls http_run(). Each request,
 * with the wait before it and the sending of its answer, has HTTP_REQUEST_S; at most
 * HTTP_CONNECTIONS_MAX connections of a listener are served at a time, and one more takes the place
 * of the one that has been without a complete request for longest: so a flood displaces itself and
 * others get through.
 *
 * Thread: one at a time, all but http_is_built().
 */
#ifndef CORE_SERVER_HTTP_H
#define CORE_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/base/text.h"

#define HTTP_CONNECTIONS_MAX 64
#define HTTP_REQUEST_S 10

/* Beyond HTTP_CONNECTIONS_MAX a connection is shut down for each that comes; libmicrohttpd frees it
 * a round later, so it may have twice as many. */
#define HTTP_LIMIT 128
_Static_assert(HTTP_LIMIT == 2 * HTTP_CONNECTIONS_MAX, "as told");

/* Descriptors that a listener has at most: its socket, libmicrohttpd's copy, what that sleeps on,
 * and connections. */
#define HTTP_DESCRIPTORS_MAX (3 + HTTP_LIMIT)

/* The names and passwords of basic authentication, of up to so many bytes. */
#define HTTP_CREDENTIAL_BYTES_MAX 512

/* Texts are NUL-terminated and last for the call; NULL: not given. */
struct http_request {
    const char *method;
    const char *path;
    const char *host;   /* the header */
    const char *accept; /* likewise */
    const char *after;  /* what stands behind ?after= */
    const char *user;   /* of basic authentication */
    const char *password;
    bool loopback; /* has come to a listener on a loopback address */
};

enum http_status {
    HTTP_OK = 200,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_INTERNAL_ERROR = 500,
    HTTP_UNAVAILABLE = 503,
};

struct http_response {
    enum http_status status;
    const char *type;   /* of the content; constant */
    const char *policy; /* Content-Security-Policy, or NULL; constant */
    struct text body;   /* belongs to http from then on */
};

typedef void http_answer(void *context, const struct http_request *request,
                         struct http_response *response);

/* What it is told; all is borrowed for as long as it lives, but for the texts of TLS. */
struct http_config {
    int descriptors[2 * CONFIG_METRICS_MAX]; /* listening sockets, which stay the caller's */
    bool loopback[2 * CONFIG_METRICS_MAX];
    uint32_t listeners;
    const char *chain; /* PEM, NUL-terminated; NULL: no TLS */
    const char *key;
    bool tls_1_3_only;
    http_answer *answer;
    void *context;
};

struct http;

/* False in a build without libmicrohttpd. */
bool http_is_built(void);

/* NULL when it can't be; *problem says why, in words. */
struct http *http_create(const struct http_config *config, const char **problem);

/* Closes all connections, but not the listening sockets. Accepts NULL. */
void http_destroy(struct http *http);

/* What is to be polled for reading: fills in `descriptors`, one for each listener. */
void http_descriptors(const struct http *http, int *descriptors);

/* Does what there is to do. Returns how many requests have been answered. */
uint32_t http_run(struct http *http, uint64_t now_s);

/* How long until http_run() has something to do without an event, in milliseconds; -1: for ever. */
int http_wait_ms(const struct http *http);

#endif
