#include "core/server/http.h"

#include <assert.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct http_connection {
    int socket;
    bool shut;
    uint64_t since_s; /* the begin, or the end of the last request */
    TAILQ_ENTRY(http_connection) link;
};

TAILQ_HEAD(http_connections, http_connection);

struct http_listener {
    struct http *http;
    struct MHD_Daemon *daemon;
    bool loopback;
    uint32_t count;
    struct http_connections connections; /* not shut; the longest without a request first */
};

struct http {
    http_answer *answer;
    void *context;
    uint64_t now_s;
    uint32_t answered; /* in this round */
    uint32_t listeners;
    struct http_listener all[2 * CONFIG_METRICS_MAX];
};

bool http_is_built(void) {
    return true;
}

/* Connections. */

static void http_shut(struct http_listener *listener, struct http_connection *connection) {
    TAILQ_REMOVE(&listener->connections, connection, link);
    connection->shut = true;
    listener->count--;
    shutdown(connection->socket, SHUT_RDWR);
}

static void http_opened(struct http_listener *listener, struct MHD_Connection *mhd,
                        void **connection_context) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = calloc(1, sizeof(*connection));
    *connection_context = connection;
    if (!connection || !info) {
        return; /* it is answered, and libmicrohttpd's own time-out holds */
    }
    connection->socket = info->connect_fd;
    connection->since_s = listener->http->now_s;
    TAILQ_INSERT_TAIL(&listener->connections, connection, link);
    if (++listener->count > HTTP_CONNECTIONS_MAX) {
        http_shut(listener, TAILQ_FIRST(&listener->connections));
    }
}

static void http_closed(struct http_listener *listener, void **connection_context) {
    struct http_connection *connection = *connection_context;
    if (connection && !connection->shut) {
        TAILQ_REMOVE(&listener->connections, connection, link);
        listener->count--;
    }
    free(connection);
    *connection_context = NULL;
}

static void http_connection_changed(void *context, struct MHD_Connection *mhd,
                                    void **connection_context,
                                    enum MHD_ConnectionNotificationCode what) {
    struct http_listener *listener = context;
    switch (what) {
    case MHD_CONNECTION_NOTIFY_STARTED:
        http_opened(listener, mhd, connection_context);
        return;
    case MHD_CONNECTION_NOTIFY_CLOSED:
        http_closed(listener, connection_context);
        return;
    }
}

/* A request has ended, well or not: the connection's time begins anew. */
static void http_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                           enum MHD_RequestTerminationCode how) {
    struct http_listener *listener = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_connection *connection = info ? info->socket_context : NULL;
    (void)request_context, (void)how;
    if (connection && !connection->shut) {
        connection->since_s = listener->http->now_s;
        TAILQ_REMOVE(&listener->connections, connection, link);
        TAILQ_INSERT_TAIL(&listener->connections, connection, link);
    }
}

/* Requests. */

static void http_add_headers(struct MHD_Response *mhd, const struct http_response *response) {
    MHD_add_response_header(mhd, "Content-Type", response->type);
    MHD_add_response_header(mhd, "Cache-Control", "no-store");
    MHD_add_response_header(mhd, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(mhd, "X-Frame-Options", "DENY");
    MHD_add_response_header(mhd, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(mhd, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(mhd, "Content-Security-Policy",
                            response->policy ? response->policy : "default-src 'none'");
    if (response->status == HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(mhd, "Allow", "GET, HEAD");
    }
    if (response->status == HTTP_UNAUTHORIZED) {
        MHD_add_response_header(mhd, "WWW-Authenticate",
                                "Basic realm=\"simplecache\", charset=\"UTF-8\"");
    }
}

static enum MHD_Result http_queue(struct MHD_Connection *connection,
                                  struct http_response *response) {
    struct text *body = &response->body;
    if (body->failed) {
        text_free(body);
        response->status = HTTP_INTERNAL_ERROR;
    }
    struct MHD_Response *mhd =
        MHD_create_response_from_buffer(body->length, body->bytes, MHD_RESPMEM_MUST_FREE);
    if (!mhd) {
        text_free(body);
        return MHD_NO;
    }
    http_add_headers(mhd, response);
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)response->status, mhd);
    MHD_destroy_response(mhd);
    return queued;
}

static enum MHD_Result http_answer_request(struct http_listener *listener,
                                           struct MHD_Connection *connection, const char *path,
                                           const char *method) {
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(connection, &password);
    const struct http_request request = {
        .method = method,
        .path = path,
        .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
        .accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"),
        .after = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "after"),
        .user = user,
        .password = password,
        .loopback = listener->loopback,
    };
    struct http_response response = {.status = HTTP_OK, .type = "text/plain; charset=utf-8"};
    listener->http->answer(listener->http->context, &request, &response);
    listener->http->answered++;
    if (password) {
        explicit_bzero(password, strlen(password));
    }
    MHD_free(user);
    MHD_free(password);
    return http_queue(connection, &response);
}

/* Called first when the headers are there, then for each part of a body, which nobody reads, then
 * once more. A method that brings a body is refused at once. */
static enum MHD_Result http_called(void *context, struct MHD_Connection *connection,
                                   const char *path, const char *method, const char *version,
                                   const char *body, size_t *body_length, void **request_context) {
    static const char seen;
    struct http_listener *listener = context;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    (void)version, (void)body;
    if (reads && !*request_context) {
        *request_context = (void *)&seen;
        return MHD_YES;
    }
    if (*body_length > 0) {
        *body_length = 0;
        return MHD_YES;
    }
    return http_answer_request(listener, connection, path, method);
}

/* No path or value here needs escapes: so they stay as they are, and name nothing. */
static size_t http_keep(void *context, struct MHD_Connection *connection, char *text) {
    (void)context, (void)connection;
    return strlen(text);
}

/* Begin and end. */

static struct MHD_Daemon *http_start(struct http_listener *listener,
                                     const struct http_config *config, int descriptor) {
    unsigned flags = MHD_USE_EPOLL | (config->chain ? MHD_USE_TLS : 0);
    const char *versions = config->tls_1_3_only ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
                                                : "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3";
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_TIMEOUT, HTTP_REQUEST_S, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, HTTP_LIMIT, NULL},
        {MHD_OPTION_LISTEN_SOCKET, descriptor, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_connection_changed, listener},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_completed, listener},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)http_keep, NULL},
        {config->chain ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)config->chain},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)config->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)versions},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(flags, 0, NULL, NULL, http_called, listener, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

/* The library closes the descriptor that it is given, so it gets a copy. */
static bool http_open(struct http *http, const struct http_config *config, uint32_t number) {
    struct http_listener *listener = &http->all[number];
    int copy = fcntl(config->descriptors[number], F_DUPFD_CLOEXEC, 0);
    *listener = (struct http_listener){.http = http, .loopback = config->loopback[number]};
    TAILQ_INIT(&listener->connections);
    if (copy < 0) {
        return false;
    }
    listener->daemon = http_start(listener, config, copy);
    return listener->daemon; /* a start that fails has closed the copy */
}

struct http *http_create(const struct http_config *config, const char **problem) {
    struct http *http = calloc(1, sizeof(*http));
    if (!http) {
        *problem = "no memory";
        return NULL;
    }
    assert(config->listeners <= sizeof(http->all) / sizeof(*http->all));
    http->answer = config->answer;
    http->context = config->context;
    for (; http->listeners < config->listeners; http->listeners++) {
        if (!http_open(http, config, http->listeners)) {
            *problem = config->chain
                           ? "libmicrohttpd takes neither the certificate nor the key, or "
                             "has no TLS"
                           : "libmicrohttpd can't start";
            http_destroy(http);
            return NULL;
        }
    }
    return http;
}

void http_destroy(struct http *http) {
    for (uint32_t i = 0; http && i < http->listeners; i++) {
        MHD_stop_daemon(http->all[i].daemon);
    }
    free(http);
}

/* Running. */

void http_descriptors(const struct http *http, int *descriptors) {
    for (uint32_t i = 0; i < http->listeners; i++) {
        descriptors[i] =
            MHD_get_daemon_info(http->all[i].daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    }
}

static void http_end_late(struct http_listener *listener, uint64_t now_s) {
    struct http_connection *connection;
    while ((connection = TAILQ_FIRST(&listener->connections)) &&
           now_s > connection->since_s + HTTP_REQUEST_S) {
        http_shut(listener, connection);
    }
}

uint32_t http_run(struct http *http, uint64_t now_s) {
    http->now_s = now_s;
    http->answered = 0;
    for (uint32_t i = 0; i < http->listeners; i++) {
        http_end_late(&http->all[i], now_s);
        MHD_run(http->all[i].daemon);
    }
    return http->answered;
}

int http_wait_ms(const struct http *http) {
    int soonest = -1;
    for (uint32_t i = 0; i < http->listeners; i++) {
        MHD_UNSIGNED_LONG_LONG wait;
        if (MHD_get_timeout(http->all[i].daemon, &wait) != MHD_YES) {
            continue;
        }
        int wait_ms = wait > 1000 ? 1000 : (int)wait;
        soonest = soonest < 0 || wait_ms < soonest ? wait_ms : soonest;
    }
    return soonest;
}
