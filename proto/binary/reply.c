/* Binary: what is answered to each op. */
#include "proto/binary/packet.h"
#include "proto/put.h"

#include <assert.h>

#define FLAGS_LENGTH 4

struct reply_header {
    enum binary_status status;
    uint16_t key_length;
    uint8_t extras_length;
    uint32_t value_length;
    uint64_t cas;
};

static char *put_header(char *out, const struct request *request,
                        const struct reply_header *header) {
    out[0] = (char)BINARY_REPLY_MAGIC;
    out[1] = (char)request->opcode;
    binary_store16(out + 2, header->key_length);
    out[4] = (char)header->extras_length;
    out[5] = 0;
    binary_store16(out + 6, (uint16_t)header->status);
    binary_store32(out + 8, header->extras_length + header->key_length + header->value_length);
    memcpy(out + 12, &request->opaque, sizeof(request->opaque));
    binary_store64(out + 16, header->cas);
    return out + BINARY_HEADER_LENGTH;
}

static const char *status_text(enum binary_status status) {
    switch (status) {
    case BINARY_STATUS_NOT_FOUND:
        return "Not found";
    case BINARY_STATUS_EXISTS:
        return "Data exists for key.";
    case BINARY_STATUS_TOO_LARGE:
        return "Too large.";
    case BINARY_STATUS_INVALID:
        return "Invalid arguments";
    case BINARY_STATUS_NOT_STORED:
        return "Not stored.";
    case BINARY_STATUS_NON_NUMERIC:
        return "Non-numeric server-side value for incr or decr";
    case BINARY_STATUS_UNKNOWN_COMMAND:
        return "Unknown command";
    case BINARY_STATUS_NO_MEMORY:
        return "Out of memory";
    case BINARY_STATUS_LOGIN:
        return "Auth failure.";
    case BINARY_STATUS_LOGIN_STEP:
    case BINARY_STATUS_OK:
        break;
    }
    return "";
}

static size_t write_status(char *out, const struct request *request, enum binary_status status) {
    const char *text = status_text(status);
    struct reply_header header = {.status = status, .value_length = (uint32_t)strlen(text)};
    char *at = put_header(out, request, &header);
    at = reply_put(at, text, header.value_length);
    return (size_t)(at - out);
}

/* What isn't here, and could come from a packet at all, is BINARY_STATUS_INVALID. */
static const uint8_t error_statuses[] = {
    [PROTO_ERROR_COMMAND] = BINARY_STATUS_UNKNOWN_COMMAND,
    [PROTO_ERROR_TOO_LARGE] = BINARY_STATUS_TOO_LARGE,
    [PROTO_ERROR_NO_MEMORY] = BINARY_STATUS_NO_MEMORY,
    [PROTO_ERROR_LOGIN] = BINARY_STATUS_LOGIN,
    [PROTO_ERROR_FLUSH] = BINARY_STATUS_LOGIN,
    [PROTO_ERROR_DETAIL] = BINARY_STATUS_NOT_FOUND,
    [PROTO_ERROR_CACHEDUMP] = BINARY_STATUS_NOT_FOUND,
    [PROTO_ERROR_LOGIN_STEP] = BINARY_STATUS_LOGIN_STEP,
};

static enum binary_status status_of_error(unsigned error) {
    bool known = error < sizeof(error_statuses) && error_statuses[error] != BINARY_STATUS_OK;
    return known ? (enum binary_status)error_statuses[error] : BINARY_STATUS_INVALID;
}

/* A condition that does not hold is told by what it asked for: add found an item, replace none. */
static enum binary_status status_of_not_stored(enum op op) {
    if (op == OP_ADD) {
        return BINARY_STATUS_EXISTS;
    }
    return op == OP_REPLACE ? BINARY_STATUS_NOT_FOUND : BINARY_STATUS_NOT_STORED;
}

static enum binary_status status_of_result(enum op op, enum result_status status) {
    switch (status) {
    case RESULT_OK:
        return BINARY_STATUS_OK;
    case RESULT_NOT_FOUND:
        return BINARY_STATUS_NOT_FOUND;
    case RESULT_EXISTS:
        return BINARY_STATUS_EXISTS;
    case RESULT_NOT_STORED:
        return status_of_not_stored(op);
    case RESULT_TOO_LARGE:
        return BINARY_STATUS_TOO_LARGE;
    case RESULT_NO_MEMORY:
        return BINARY_STATUS_NO_MEMORY;
    case RESULT_NON_NUMERIC:
        return BINARY_STATUS_NON_NUMERIC;
    case RESULT_LOGIN_FAILED:
        return BINARY_STATUS_LOGIN;
    }
    assert(false);
    return BINARY_STATUS_INVALID;
}

static size_t write_hit(char *out, const struct request *request, const struct result *result) {
    bool value = request->op != OP_TOUCH;
    struct reply_header header = {
        .status = BINARY_STATUS_OK,
        .key_length = request->return_key ? request->key_length : 0,
        .extras_length = FLAGS_LENGTH,
        .value_length = value ? result->value_length : 0,
        .cas = result->cas,
    };
    char *at = put_header(out, request, &header);
    binary_store32(at, result->client_flags);
    at += FLAGS_LENGTH;
    at = reply_put(at, request->key, header.key_length);
    if (value && result->large == 0) {
        at = reply_put(at, result->value, result->value_length);
    }
    return (size_t)(at - out);
}

/* get, gat and touch, with or without key. A quiet miss is silent. */
static size_t write_get(char *out, const struct request *request, const struct result *result) {
    if (result->status == RESULT_OK) {
        return write_hit(out, request, result);
    }
    if (result->status == RESULT_NOT_FOUND && request->quiet) {
        return 0;
    }
    if (result->status == RESULT_NOT_FOUND && request->return_key) {
        struct reply_header header = {
            .status = BINARY_STATUS_NOT_FOUND,
            .key_length = request->key_length,
        };
        char *at = put_header(out, request, &header);
        at = reply_put(at, request->key, request->key_length);
        return (size_t)(at - out);
    }
    return write_status(out, request,
                        status_of_result((enum op)request->op, (enum result_status)result->status));
}

/* A success without a body, which the quiet forms keep to themselves. */
static size_t write_bare(char *out, const struct request *request, uint64_t cas) {
    if (request->quiet) {
        return 0;
    }
    struct reply_header header = {.status = BINARY_STATUS_OK, .cas = cas};
    put_header(out, request, &header);
    return BINARY_HEADER_LENGTH;
}

static size_t write_number(char *out, const struct request *request, const struct result *result) {
    if (request->quiet) {
        return 0;
    }
    struct reply_header header = {
        .status = BINARY_STATUS_OK,
        .value_length = sizeof(result->number),
        .cas = result->cas,
    };
    char *at = put_header(out, request, &header);
    binary_store64(at, result->number);
    return BINARY_HEADER_LENGTH + sizeof(result->number);
}

/* A success with a text for its body. */
static size_t write_text(char *out, const struct request *request, const char *text,
                         uint32_t length) {
    struct reply_header header = {.status = BINARY_STATUS_OK, .value_length = length};
    char *at = put_header(out, request, &header);
    at = reply_put(at, text, length);
    return (size_t)(at - out);
}

static size_t write_login(char *out, const struct request *request, const struct result *result) {
    static const char done[] = "Authenticated";
    if (result->status != RESULT_OK) {
        return write_status(out, request, BINARY_STATUS_LOGIN);
    }
    return write_text(out, request, done, sizeof(done) - 1);
}

/* Stores, delete, incr and decr: a failure answers even where the quiet form was sent. */
static size_t write_change(char *out, const struct request *request, const struct result *result) {
    enum op op = (enum op)request->op;
    enum result_status status = (enum result_status)result->status;
    if (status != RESULT_OK) {
        return write_status(out, request, status_of_result(op, status));
    }
    if (op == OP_INCR || op == OP_DECR) {
        return write_number(out, request, result);
    }
    return write_bare(out, request, op == OP_DELETE ? 0 : result->cas);
}

size_t binary_reply_write(char *out, const struct request *request, const struct result *result) {
    switch ((enum op)request->op) {
    case OP_GET:
    case OP_GAT:
    case OP_TOUCH:
        return write_get(out, request, result);
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
    case OP_DELETE:
    case OP_INCR:
    case OP_DECR:
        return write_change(out, request, result);
    case OP_FLUSH:
    case OP_NOOP:
    case OP_QUIT:
        return write_bare(out, request, 0);
    case OP_VERSION:
        return write_text(out, request, result->value, result->value_length);
    case OP_LOGIN:
        return write_login(out, request, result);
    case OP_SASL_LIST:
        return write_text(out, request, "PLAIN", 5);
    case OP_REJECT:
    case OP_ERROR:
        return write_status(out, request, status_of_error(request->error));
    case OP_META_GET:
    case OP_META_ITEM:
    case OP_STATS:
    case OP_METADUMP:
    case OP_MGDUMP:
    case OP_CRAWL:
    case OP_CRAWLER_SWITCH:
    case OP_CRAWLER_SLEEP:
    case OP_CRAWLER_TOCRAWL:
    case OP_MEMORY_LIMIT:
    case OP_DEBUG_TIME:
    case OP_VERBOSITY:
    case OP_OK:
    case OP_SHUTDOWN:
    case OP_END:
    case OP_UPLOAD_PART:
    case OP_UPLOAD_END:
        break;
    }
    assert(false);
    return 0;
}

size_t binary_reply_stat(char *out, const struct request *request, const char *name,
                         const char *value) {
    struct reply_header header = {
        .status = BINARY_STATUS_OK,
        .key_length = (uint16_t)strlen(name),
        .value_length = (uint32_t)strlen(value),
    };
    char *at = put_header(out, request, &header);
    at = reply_put(at, name, header.key_length);
    at = reply_put(at, value, header.value_length);
    return (size_t)(at - out);
}

size_t binary_reply_stats_end(char *out, const struct request *request) {
    struct reply_header header = {.status = BINARY_STATUS_OK};
    put_header(out, request, &header);
    return BINARY_HEADER_LENGTH;
}

size_t binary_reply_stats_unknown(char *out, const struct request *request) {
    return write_status(out, request, BINARY_STATUS_NOT_FOUND);
}

/* memcached has no lines here: what went well ends at once, the rest is not found. */
size_t binary_reply_stats_line(char *out, const struct request *request, const char *line) {
    bool went_well = strcmp(line, "OK") == 0 || strcmp(line, "RESET") == 0;
    return went_well ? binary_reply_stats_end(out, request)
                     : binary_reply_stats_unknown(out, request);
}
