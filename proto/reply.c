#include "proto/reply.h"

/* More than any reply holds beside its key and its value: the longest is the usage line of delete,
 * then a text VALUE line with CAS and END. */
#define REPLY_FIXED_MAX 128

static bool carries_value(const struct request *request, const struct result *result) {
    switch ((enum op)request->op) {
    case OP_GET:
    case OP_GAT:
        return result->status == RESULT_OK;
    case OP_VERSION:
        return true;
    case OP_TOUCH:
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
    case OP_DELETE:
    case OP_INCR:
    case OP_DECR:
    case OP_REJECT:
    case OP_FLUSH:
    case OP_STATS:
    case OP_VERBOSITY:
    case OP_NOOP:
    case OP_END:
    case OP_ERROR:
    case OP_QUIT:
        break;
    }
    return false;
}

size_t reply_bound(const struct request *request, const struct result *result) {
    size_t bound = REPLY_FIXED_MAX;
    if (carries_value(request, result)) {
        bound += (size_t)request->key_length + result->value_length;
    } else if (request->return_key) {
        bound += request->key_length;
    }
    return bound;
}

static bool is_binary(const struct request *request) {
    return request->protocol == PROTOCOL_BINARY;
}

size_t reply_write(char *out, const struct request *request, const struct result *result) {
    return is_binary(request) ? binary_reply_write(out, request, result)
                              : text_reply_write(out, request, result);
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
