#include "proto/reply.h"

#include "proto/base64.h"
#include "proto/binary/binary.h"
#include "proto/binary/packet.h"
#include "proto/meta/meta.h"
#include "proto/put.h"
#include "proto/text/text.h"

#include <assert.h>

/* Bytes of a reply beside key, value and opaque: more than the longest has, an mg with all flags.
 */
#define REPLY_FIXED_MAX 192

/* The reply to any request with a key may have the key. */
static size_t reply_key_bound(const struct request *request) {
    if (request->protocol == PROTOCOL_META) {
        return BASE64_LENGTH(request->key_length) + request->token_length;
    }
    return request->key_length;
}

size_t reply_bound(const struct request *request, const struct result *result) {
    size_t bound = REPLY_FIXED_MAX;
    if (op_has_key((enum op)request->op)) {
        bound += reply_key_bound(request);
    }
    if (result && result->value) {
        bound += result->value_length;
    }
    return bound;
}

static bool reply_is_binary(const struct request *request) {
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
    if (reply_is_binary(request)) {
        return 0;
    }
    char *at = PUT_LITERAL(out, "\r\n");
    if (request->last) {
        at = PUT_LITERAL(at, "END\r\n");
    }
    return (size_t)(at - out);
}

size_t reply_error_text(char *out, const struct request *request) {
    char reply[REPLY_ERROR_MAX + BINARY_HEADER_LENGTH];
    struct request loud = *request;
    loud.quiet = false;
    loud.op = OP_ERROR; /* an OP_REJECT and an upload's end have an error, too */
    size_t length = reply_write(reply, &loud, NULL);
    bool binary = reply_is_binary(request);
    size_t begin = binary ? BINARY_HEADER_LENGTH : 0;
    size_t end = binary ? length : length - 2; /* \r\n */
    memcpy(out, reply + begin, end - begin);
    return end - begin;
}

size_t reply_replace_by_error(char *replies, enum protocol protocol) {
    if (protocol != PROTOCOL_BINARY) {
        char *at = PUT_LITERAL(replies, "SERVER_ERROR answer too long for UDP\r\n");
        return (size_t)(at - replies);
    }
    struct request first = {
        .op = OP_ERROR,
        .protocol = PROTOCOL_BINARY,
        .error = PROTO_ERROR_TOO_LARGE,
        .opcode = binary_load_opcode(replies),
        .opaque = binary_load_opaque(replies),
    };
    return reply_write(replies, &first, NULL);
}

size_t reply_stat(char *out, const struct request *request, const char *name, const char *value) {
    return reply_is_binary(request) ? binary_reply_stat(out, request, name, value)
                                    : text_reply_stat(out, name, value);
}

size_t reply_stat_head(char *out, const struct request *request, const char *name,
                       uint32_t value_length) {
    assert(reply_is_binary(request));
    return binary_reply_stat_head(out, request, name, value_length);
}

size_t reply_stats_end(char *out, const struct request *request) {
    if (reply_is_binary(request)) {
        return binary_reply_stats_end(out, request);
    }
    return (size_t)(PUT_LITERAL(out, "END\r\n") - out);
}

size_t reply_stats_unknown(char *out, const struct request *request) {
    if (reply_is_binary(request)) {
        return binary_reply_stats_unknown(out, request);
    }
    return (size_t)(PUT_LITERAL(out, "ERROR\r\n") - out);
}

size_t reply_stats_line(char *out, const struct request *request, const char *line) {
    if (reply_is_binary(request)) {
        return binary_reply_stats_line(out, request, line);
    }
    char *at = put_bytes(out, line, strlen(line));
    return (size_t)(PUT_LITERAL(at, "\r\n") - out);
}
