#include "core/server/etcd.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/etcd_reply.h"

/* A longer answer, or line of a watch, is none of ours. */
#define ETCD_ANSWER_BYTES_MAX ((size_t)8 << 20)

#define ETCD_URL_BYTES 1024

struct etcd_request {
    CURL *easy;
    bool busy;
    bool done; /* with `result` */
    CURLcode result;
    char *body;
    char *answer;
    size_t length;
    size_t capacity;
    char problem[CURL_ERROR_SIZE];
};

struct etcd {
    const struct cluster_config *config;
    const struct etcd_events *events;
    void *context;
    CURLM *multi;
    struct curl_slist *headers;
    struct etcd_request requests[ETCD_PLACES];
    uint32_t server;
    char token[ETCD_TOKEN_BYTES];
};

/* Bytes of an answer; fewer taken than given ends the request. */
static size_t etcd_receive(char *bytes, size_t size, size_t count, void *owner) {
    struct etcd_request *request = owner;
    size_t length = size * count, needed = request->length + length;
    if (needed > ETCD_ANSWER_BYTES_MAX) {
        return 0;
    }
    if (needed > request->capacity) {
        char *larger = realloc(request->answer, needed * 2);
        if (!larger) {
            return 0;
        }
        request->answer = larger;
        request->capacity = needed * 2;
    }
    memcpy(request->answer + request->length, bytes, length);
    request->length = needed;
    return length;
}

/* What is the same for all requests of a place. */
static void etcd_prepare(const struct etcd *etcd, struct etcd_request *request) {
    const struct cluster_config *config = etcd->config;
    CURL *easy = request->easy;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, etcd_receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->problem);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    if (config->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
    }
    if (config->certificate_file) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, config->certificate_file);
    }
    if (config->key_file) {
        curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key_file);
    }
}

struct etcd *etcd_create(const struct cluster_config *config, const struct etcd_events *events,
                         void *context) {
    struct etcd *etcd = calloc(1, sizeof(*etcd));
    if (!etcd) {
        return NULL;
    }
    *etcd = (struct etcd){.config = config, .events = events, .context = context};
    etcd->multi = curl_multi_init();
    bool fine = etcd->multi;
    for (int i = 0; i < ETCD_PLACES; i++) {
        struct etcd_request *request = &etcd->requests[i];
        request->easy = curl_easy_init();
        fine = fine && request->easy;
        if (request->easy) {
            etcd_prepare(etcd, request);
        }
    }
    etcd_set_token(etcd, "");
    if (!fine || !etcd->headers) {
        etcd_destroy(etcd);
        return NULL;
    }
    return etcd;
}

static void etcd_end(struct etcd *etcd, struct etcd_request *request) {
    if (request->busy) {
        curl_multi_remove_handle(etcd->multi, request->easy);
    }
    free(request->body);
    request->body = NULL;
    request->busy = request->done = false;
    request->length = 0;
}

void etcd_destroy(struct etcd *etcd) {
    if (!etcd) {
        return;
    }
    for (int i = 0; i < ETCD_PLACES; i++) {
        struct etcd_request *request = &etcd->requests[i];
        etcd_end(etcd, request);
        curl_easy_cleanup(request->easy);
        free(request->answer);
    }
    curl_slist_free_all(etcd->headers);
    curl_multi_cleanup(etcd->multi);
    free(etcd);
}

bool etcd_is_busy(const struct etcd *etcd, enum etcd_place place) {
    return etcd->requests[place].busy;
}

bool etcd_ask(struct etcd *etcd, enum etcd_place place, const char *path, char *body,
              long timeout_ms) {
    struct etcd_request *request = &etcd->requests[place];
    char url[ETCD_URL_BYTES];
    assert(!request->busy);
    if (!body) {
        return false;
    }
    size_t end = strlen(etcd_server(etcd));
    end -= etcd_server(etcd)[end - 1] == '/';
    snprintf(url, sizeof(url), "%.*s%s", (int)end, etcd_server(etcd), path);
    request->body = body;
    request->length = 0;
    request->done = false;
    request->problem[0] = '\0';
    curl_easy_setopt(request->easy, CURLOPT_URL, url);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, etcd->headers);
    curl_easy_setopt(request->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(request->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms ? timeout_ms : 5000L);
    request->busy = curl_multi_add_handle(etcd->multi, request->easy) == CURLM_OK;
    if (!request->busy) {
        etcd_end(etcd, request);
        return false;
    }
    return true;
}

void etcd_cancel(struct etcd *etcd) {
    for (int i = 0; i < ETCD_PLACES; i++) {
        etcd_end(etcd, &etcd->requests[i]);
    }
}

/* Requests that are under way would use the headers that are freed here. */
void etcd_set_token(struct etcd *etcd, const char *token) {
    char line[ETCD_TOKEN_BYTES + 32];
    etcd_cancel(etcd);
    snprintf(etcd->token, sizeof(etcd->token), "%s", token);
    curl_slist_free_all(etcd->headers);
    etcd->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (*token) {
        snprintf(line, sizeof(line), "Authorization: %s", token);
        struct curl_slist *longer = curl_slist_append(etcd->headers, line);
        etcd->headers = longer ? longer : etcd->headers;
    }
}

bool etcd_has_token(const struct etcd *etcd) {
    return *etcd->token;
}

void etcd_next_server(struct etcd *etcd) {
    etcd->server = (etcd->server + 1) % etcd->config->etcd_count;
}

const char *etcd_server(const struct etcd *etcd) {
    return etcd->config->etcds[etcd->server];
}

/* Telling. */

static void etcd_collect_done(struct etcd *etcd) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(etcd->multi, &left))) {
        for (int i = 0; message->msg == CURLMSG_DONE && i < ETCD_PLACES; i++) {
            struct etcd_request *request = &etcd->requests[i];
            if (request->easy == message->easy_handle) {
                request->done = true;
                request->result = message->data.result;
            }
        }
    }
}

/* The first line of an answer, for people. */
static void etcd_quote(const struct etcd_request *request, char line[ETCD_MESSAGE_BYTES]) {
    size_t length = 0;
    for (; length < request->length && length < ETCD_MESSAGE_BYTES - 1; length++) {
        char c = request->answer[length];
        if (c < ' ' || c > '~') {
            break;
        }
        line[length] = c;
    }
    line[length] = '\0';
}

/* False: the answer is one of success. */
static bool etcd_has_failed(const struct etcd_request *request, struct etcd_failure *failure) {
    long status = 0;
    char message[ETCD_MESSAGE_BYTES];
    *failure = (struct etcd_failure){0};
    if (request->result != CURLE_OK) {
        const char *text = curl_easy_strerror(request->result);
        snprintf(failure->text, sizeof(failure->text), "%.200s",
                 *request->problem ? request->problem : text);
        return true;
    }
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        return false;
    }
    if (etcd_parse_error(request->answer, request->length, &failure->code, message)) {
        snprintf(failure->text, sizeof(failure->text), "%s", message);
    } else {
        etcd_quote(request, message);
        snprintf(failure->text, sizeof(failure->text), "HTTP status %ld%s%s", status,
                 *message ? ": " : "", message);
    }
    return true;
}

static void etcd_tell_done(struct etcd *etcd, enum etcd_place place) {
    struct etcd_request *request = &etcd->requests[place];
    struct etcd_failure failure;
    bool failed = etcd_has_failed(request, &failure);
    size_t length = request->length;
    char *answer = request->answer;
    /* What is told may ask for something else in this place. */
    request->answer = NULL;
    request->capacity = 0;
    etcd_end(etcd, request);
    if (!failed && place == ETCD_WATCH) {
        failed = true;
        snprintf(failure.text, sizeof(failure.text), "the watch has ended");
    }
    if (failed) {
        etcd->events->failed(etcd->context, place, &failure);
    } else {
        etcd->events->answered(etcd->context, place, answer ? answer : "", length);
    }
    free(answer);
}

/* Takes the first line off the watch's answer, which the caller frees; NULL: there is none. */
static char *etcd_take_line(struct etcd_request *watch, size_t *length) {
    const char *newline = watch->length ? memchr(watch->answer, '\n', watch->length) : NULL;
    if (!newline) {
        return NULL;
    }
    *length = (size_t)(newline - watch->answer);
    char *line = malloc(*length + 1);
    if (line) {
        memcpy(line, watch->answer, *length);
    }
    watch->length -= *length + 1;
    memmove(watch->answer, newline + 1, watch->length);
    return line;
}

static void etcd_tell_lines(struct etcd *etcd) {
    struct etcd_request *watch = &etcd->requests[ETCD_WATCH];
    long status = 0;
    size_t length;
    char *line;
    curl_easy_getinfo(watch->easy, CURLINFO_RESPONSE_CODE, &status);
    while (status == 200 && watch->busy && (line = etcd_take_line(watch, &length))) {
        etcd->events->watched(etcd->context, line, length);
        free(line);
    }
}

void etcd_run(struct etcd *etcd, int wait_ms) {
    int running;
    curl_multi_poll(etcd->multi, NULL, 0, wait_ms, NULL);
    curl_multi_perform(etcd->multi, &running);
    etcd_collect_done(etcd);
    etcd_tell_lines(etcd);
    for (int i = 0; i < ETCD_PLACES; i++) {
        if (etcd->requests[i].busy && etcd->requests[i].done) {
            etcd_tell_done(etcd, (enum etcd_place)i);
        }
    }
}

void etcd_wake(struct etcd *etcd) {
    curl_multi_wakeup(etcd->multi);
}
