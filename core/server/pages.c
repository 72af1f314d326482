#include "core/server/pages.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/server/page.h"
#include "core/stats/json.h"

#define JSON_TYPE "application/json"
#define HOST_BYTES 64

/* Who may ask. */

/* Cuts a port off: what follows the last colon, unless there are more and no brackets. */
static size_t pages_host_length(const char *host) {
    const char *colon = strrchr(host, ':');
    if (*host == '[') {
        const char *end = strchr(host, ']');
        return end ? (size_t)(end + 1 - host) : strlen(host);
    }
    return colon && colon == strchr(host, ':') ? (size_t)(colon - host) : strlen(host);
}

bool pages_is_local_host(const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    char name[HOST_BYTES];
    size_t length = pages_host_length(host);
    if (length == 0 || length >= sizeof(name)) {
        return false;
    }
    for (const char *rest = host + length; *rest; rest++) {
        if (!isdigit((unsigned char)*rest) && !(*rest == ':' && rest == host + length)) {
            return false;
        }
    }
    memcpy(name, host, length);
    name[length] = '\0';
    if (*name == '[') {
        bool closed = name[length - 1] == ']';
        name[length - 1] = '\0';
        return closed && inet_pton(AF_INET6, name + 1, address) == 1;
    }
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1;
}

static bool pages_knows(const struct pages *pages, const struct http_request *request) {
    if (!request->user || !request->password) {
        return false;
    }
    const struct credentials credentials = {
        .user = request->user,
        .password = request->password,
        .user_length = (uint32_t)strnlen(request->user, HTTP_CREDENTIAL_BYTES_MAX),
        .password_length = (uint32_t)strnlen(request->password, HTTP_CREDENTIAL_BYTES_MAX),
    };
    return logins_check(pages->logins, &credentials);
}

/* Pages. */

static void pages_say(struct http_response *response, enum http_status status, const char *line) {
    response->status = status;
    text_add(&response->body, line);
}

static bool pages_observe(struct pages *pages, struct metrics_sources *sources,
                          struct http_response *response) {
    if (pages->observe(pages->context, sources)) {
        return true;
    }
    pages_say(response, HTTP_UNAVAILABLE, "the reactors have not answered in time\n");
    return false;
}

static void pages_answer_metrics(struct pages *pages, const struct http_request *request,
                                 struct http_response *response) {
    struct metrics_sources sources;
    bool open = request->accept && strstr(request->accept, "application/openmetrics-text");
    if (pages_observe(pages, &sources, response)) {
        response->type = open ? METRICS_TYPE_OPEN : METRICS_TYPE_TEXT;
        metrics_write(&response->body, &sources, open);
    }
}

static void pages_answer_stats(struct pages *pages, const struct http_request *request,
                               struct http_response *response) {
    struct metrics_sources sources;
    (void)request;
    if (pages_observe(pages, &sources, response)) {
        response->type = JSON_TYPE;
        json_write(&response->body, &sources);
    }
}

static void pages_answer_history(struct pages *pages, const struct http_request *request,
                                 struct http_response *response) {
    uint64_t after = request->after ? strtoull(request->after, NULL, 10) : 0;
    response->type = JSON_TYPE;
    history_write(&response->body, &pages->history, after);
}

/* While the server stops the reactors end one by one. */
static void pages_answer_health(struct pages *pages, const struct http_request *request,
                                struct http_response *response) {
    struct metrics_sources sources;
    (void)request;
    if (atomic_load(pages->stopping) || pages_observe(pages, &sources, response)) {
        pages_say(response, HTTP_OK, "ok\n");
    }
}

static void pages_answer_ready(struct pages *pages, const struct http_request *request,
                               struct http_response *response) {
    (void)request;
    if (atomic_load(pages->drains) || atomic_load(pages->stopping)) {
        pages_say(response, HTTP_UNAVAILABLE, "stopping\n");
    } else {
        pages_say(response, HTTP_OK, "ready\n");
    }
}

static void pages_answer_page(struct pages *pages, const struct http_request *request,
                              struct http_response *response) {
    (void)pages, (void)request;
    response->type = "text/html; charset=utf-8";
    response->policy = page_policy;
    text_add_bytes(&response->body, page_html, page_html_length);
}

static const struct page_route {
    const char *path;
    bool open; /* to everybody */
    void (*answer)(struct pages *pages, const struct http_request *request,
                   struct http_response *response);
} page_routes[] = {
    {"/", false, pages_answer_page},
    {"/metrics", false, pages_answer_metrics},
    {"/stats.json", false, pages_answer_stats},
    {"/history.json", false, pages_answer_history},
    {"/healthz", true, pages_answer_health},
    {"/readyz", true, pages_answer_ready},
};

static const struct page_route *pages_route(const char *path) {
    for (size_t i = 0; i < sizeof(page_routes) / sizeof(*page_routes); i++) {
        if (strcmp(page_routes[i].path, path) == 0) {
            return &page_routes[i];
        }
    }
    return NULL;
}

void pages_answer(void *context, const struct http_request *request,
                  struct http_response *response) {
    struct pages *pages = context;
    const struct page_route *route = pages_route(request->path);
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (request->loopback && !pages->logins && request->host &&
        !pages_is_local_host(request->host)) {
        pages_say(response, HTTP_FORBIDDEN,
                  "on this address the host is to be an address or localhost\n");
    } else if (!reads) {
        pages_say(response, HTTP_METHOD_NOT_ALLOWED, "GET and HEAD are known\n");
    } else if (pages->logins && !(route && route->open) && !pages_knows(pages, request)) {
        pages_say(response, HTTP_UNAUTHORIZED, "who are you?\n");
    } else if (!route) {
        pages_say(response, HTTP_NOT_FOUND,
                  "there are /, /metrics, /stats.json, /history.json, /healthz and /readyz\n");
    } else {
        route->answer(pages, request, response);
    }
}
