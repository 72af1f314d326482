/* http: a build without libmicrohttpd, where --metrics is refused. */
#include "core/server/http.h"

bool http_is_built(void) {
    return false;
}

struct http *http_create(const struct http_config *config, const char **problem) {
    (void)config;
    *problem = "this program was built without libmicrohttpd";
    return NULL;
}

void http_destroy(struct http *http) {
    (void)http;
}

void http_descriptors(const struct http *http, int *descriptors) {
    (void)http, (void)descriptors;
}

uint32_t http_run(struct http *http, uint64_t now_s) {
    (void)http, (void)now_s;
    return 0;
}

int http_wait_ms(const struct http *http) {
    (void)http;
    return -1;
}
