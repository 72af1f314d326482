/* Text: what is answered to each op. */
#include "proto/number.h"
#include "proto/reply.h"

#include <assert.h>

struct line {
    const char *text;
    size_t length;
};

#define LINE(text)                                                                                 \
    { text "\r\n", sizeof(text "\r\n") - 1 }

static const struct line error_lines[] = {
    [PROTO_ERROR_COMMAND] = LINE("ERROR"),
    [PROTO_ERROR_FORMAT] = LINE("CLIENT_ERROR bad command line format"),
    [PROTO_ERROR_DATA_CHUNK] = LINE("CLIENT_ERROR bad data chunk"),
    [PROTO_ERROR_DELTA] = LINE("CLIENT_ERROR invalid numeric delta argument"),
    [PROTO_ERROR_EXPTIME] = LINE("CLIENT_ERROR invalid exptime argument"),
    [PROTO_ERROR_DELETE_USAGE] =
        LINE("CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"),
    [PROTO_ERROR_TOO_LARGE] = LINE("SERVER_ERROR object too large for cache"),
    [PROTO_ERROR_NO_MEMORY] = LINE("SERVER_ERROR out of memory storing object"),
};

/* What is answered to a command that failed on its item. */
static const struct line failure_lines[] = {
    [RESULT_NOT_FOUND] = LINE("NOT_FOUND"),
    [RESULT_EXISTS] = LINE("EXISTS"),
    [RESULT_NOT_STORED] = LINE("NOT_STORED"),
    [RESULT_TOO_LARGE] = LINE("SERVER_ERROR object too large for cache"),
    [RESULT_NO_MEMORY] = LINE("SERVER_ERROR out of memory storing object"),
    [RESULT_NON_NUMERIC] = LINE("CLIENT_ERROR cannot increment or decrement non-numeric value"),
};

static size_t write_line(char *out, const struct line *line) {
    memcpy(out, line->text, line->length);
    return line->length;
}

static size_t write_error(char *out, enum proto_error error) {
    assert(error != PROTO_ERROR_NONE && error <= PROTO_ERROR_NO_MEMORY);
    return write_line(out, &error_lines[error]);
}

static size_t write_failure(char *out, enum result_status status) {
    assert(status != RESULT_OK && status <= RESULT_NON_NUMERIC);
    return write_line(out, &failure_lines[status]);
}

/* VALUE <key> <flags> <bytes> [<cas>]\r\n<value>\r\n */
static char *put_value(char *out, const struct request *request, const struct result *result) {
    out = REPLY_PUT(out, "VALUE ");
    out = reply_put(out, request->key, request->key_length);
    *out++ = ' ';
    out = number_write(out, result->client_flags);
    *out++ = ' ';
    out = number_write(out, result->value_length);
    if (request->return_cas) {
        *out++ = ' ';
        out = number_write(out, result->cas);
    }
    out = REPLY_PUT(out, "\r\n");
    out = reply_put(out, result->value, result->value_length);
    return REPLY_PUT(out, "\r\n");
}

/* A miss is silent, but the last key of a line brings its END. */
static size_t write_get(char *out, const struct request *request, const struct result *result) {
    char *at = out;
    if (result->status == RESULT_OK) {
        at = put_value(at, request, result);
    }
    if (request->last) {
        at = REPLY_PUT(at, "END\r\n");
    }
    return (size_t)(at - out);
}

static size_t write_number(char *out, const struct result *result) {
    char *at = number_write(out, result->number);
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

static size_t write_version(char *out, const struct result *result) {
    char *at = REPLY_PUT(out, "VERSION ");
    at = reply_put(at, result->value, result->value_length);
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

#define WRITE_LITERAL(out, text) ((size_t)(REPLY_PUT((out), text "\r\n") - (out)))

/* What a command on one item answers when it was done. */
static size_t write_done(char *out, enum op op, const struct result *result) {
    switch (op) {
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
        return WRITE_LITERAL(out, "STORED");
    case OP_DELETE:
        return WRITE_LITERAL(out, "DELETED");
    case OP_TOUCH:
        return WRITE_LITERAL(out, "TOUCHED");
    case OP_INCR:
    case OP_DECR:
        return write_number(out, result);
    case OP_GET:
    case OP_GAT:
    case OP_REJECT:
    case OP_FLUSH:
    case OP_STATS:
    case OP_VERSION:
    case OP_VERBOSITY:
    case OP_NOOP:
    case OP_END:
    case OP_ERROR:
    case OP_QUIT:
        break;
    }
    assert(false);
    return 0;
}

static size_t write_item_command(char *out, const struct request *request,
                                 const struct result *result) {
    if (result->status != RESULT_OK) {
        return write_failure(out, (enum result_status)result->status);
    }
    return write_done(out, (enum op)request->op, result);
}

size_t text_reply_write(char *out, const struct request *request, const struct result *result) {
    if (request->quiet) {
        return 0;
    }
    switch ((enum op)request->op) {
    case OP_GET:
    case OP_GAT:
        return write_get(out, request, result);
    case OP_TOUCH:
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
    case OP_DELETE:
    case OP_INCR:
    case OP_DECR:
        return write_item_command(out, request, result);
    case OP_FLUSH:
    case OP_VERBOSITY:
        return WRITE_LITERAL(out, "OK");
    case OP_VERSION:
        return write_version(out, result);
    case OP_END:
        return WRITE_LITERAL(out, "END");
    case OP_REJECT:
    case OP_ERROR:
        return write_error(out, (enum proto_error)request->error);
    case OP_QUIT:
        return 0;
    case OP_NOOP:
    case OP_STATS:
        break;
    }
    assert(false);
    return 0;
}

size_t text_reply_stat(char *out, const char *name, const char *value) {
    char *at = REPLY_PUT(out, "STAT ");
    at = reply_put(at, name, strlen(name));
    *at++ = ' ';
    at = reply_put(at, value, strlen(value));
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}
