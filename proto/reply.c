#include "proto/reply.h"

#include "proto/base64.h"
#include "proto/put.h"

#include <assert.h>

/* More than any reply holds beside key, value and opaque: the longest is an mg that returns all
 * flags there are. */
#define REPLY_FIXED_MAX 192

/* Any reply to a request with a key may carry that. */
static size_t key_bound(const struct request *request) {
    if (request->protocol == PROTOCOL_META) {
        return BASE64_LENGTH(request->key_length) + request->token_length;
    }
    return request->key_length;
}

size_t reply_bound(const struct request *request, const struct result *result) {
    size_t bound = REPLY_FIXED_MAX;
    if (op_has_key((enum op)request->op)) {
        bound += key_bound(request);
    }
    if (result && result->value) {
        bound += result->value_length;
    }
    return bound;
}

static bool is_binary(const struct request *request) {
    return request->protocol == PROTOCOL_BINARY;
}

size_t reply_write(char *out, const struct request *request, const struct result *result) {
    switch ((enum protocol)request->protocol) {
    case PROTOCOL_TEXT:
        return text_reply_write(out, request, result);
    case PROTOCOL_BINARY:
        return binary_reply_write(out, request, result);
    case PROTOCOL_META:
        return meta_reply_write(out, request, result);
    case PROTOCOL_UNKNOWN:
        break;
    }
    assert(false);
    return 0;
}

size_t reply_write_tail(char *out, const struct request *request) {
    if (is_binary(request)) {
        return 0;
    }
    char *at = REPLY_PUT(out, "\r\n");
    if (request->last) {
        at = REPLY_PUT(at, "END\r\n");
    }
    return (size_t)(at - out);
}

size_t reply_stat(char *out, const struct request *request, const char *name, const char *value) {
    return is_binary(request) ? binary_reply_stat(out, request, name, value)
                              : text_reply_stat(out, name, value);
}

size_t reply_stats_end(char *out, const struct request *request) {
    if (is_binary(request)) {
        return binary_reply_stats_end(out, request);
    }
    return (size_t)(REPLY_PUT(out, "END\r\n") - out);
}

size_t reply_stats_unknown(char *out, const struct request *request) {
    if (is_binary(request)) {
        return binary_reply_stats_unknown(out, request);
    }
    return (size_t)(REPLY_PUT(out, "ERROR\r\n") - out);
}

size_t reply_stats_line(char *out, const struct request *request, const char *line) {
    if (is_binary(request)) {
        return binary_reply_stats_line(out, request, line);
    }
    char *at = reply_put(out, line, strlen(line));
    return (size_t)(REPLY_PUT(at, "\r\n") - out);
}
