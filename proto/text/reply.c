/* Text: what is answered to each op. */
#include "proto/number.h"
#include "proto/put.h"

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
    [PROTO_ERROR_LOGIN] = LINE("CLIENT_ERROR unauthenticated"),
    [PROTO_ERROR_FLUSH] = LINE("CLIENT_ERROR flush_all not allowed"),
    [PROTO_ERROR_METADUMP] = LINE("ERROR metadump not allowed"),
    [PROTO_ERROR_MGDUMP] = LINE("ERROR key dump not allowed"),
    [PROTO_ERROR_DETAIL] = LINE("CLIENT_ERROR stats detail not allowed"),
    [PROTO_ERROR_CACHEDUMP] = LINE("CLIENT_ERROR stats cachedump not allowed"),
    [PROTO_ERROR_WATCH] = LINE("CLIENT_ERROR watch commands not allowed"),
    [PROTO_ERROR_LOGIN_LENGTH] = LINE("CLIENT_ERROR auth token too long"),
    [PROTO_ERROR_LOGIN_END] = LINE("CLIENT_ERROR bad command line termination"),
    [PROTO_ERROR_LOGIN_FORMAT] = LINE("CLIENT_ERROR bad authentication token format"),
    [PROTO_ERROR_FLAG] = LINE("CLIENT_ERROR invalid flag"),
    [PROTO_ERROR_FLAG_TWICE] = LINE("CLIENT_ERROR duplicate flag"),
    [PROTO_ERROR_FLAGS_TOO_MANY] = LINE("CLIENT_ERROR options flags are too long"),
    [PROTO_ERROR_FLAG_TOKEN] = LINE("CLIENT_ERROR bad token in command line format"),
    [PROTO_ERROR_FLAG_INITIAL] = LINE("CLIENT_ERROR invalid numeric initial value"),
    [PROTO_ERROR_FLAG_DELTA] = LINE("CLIENT_ERROR invalid numeric delta value"),
    [PROTO_ERROR_FLAG_KEY] = LINE("CLIENT_ERROR error decoding key"),
    [PROTO_ERROR_FLAG_OPAQUE] = LINE("CLIENT_ERROR opaque token too long"),
    [PROTO_ERROR_FLAG_SET_MODE] = LINE("CLIENT_ERROR invalid mode for ms M token"),
    [PROTO_ERROR_FLAG_DELTA_MODE] = LINE("CLIENT_ERROR invalid mode for ma M token"),
    [PROTO_ERROR_DELTA_FLAGS] = LINE("CLIENT_ERROR invalid or duplicate flag"),
    [PROTO_ERROR_MEMORY_TOO_SMALL] = LINE("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
    [PROTO_ERROR_MEMORY_IN_BYTES] =
        LINE("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"),
    [PROTO_ERROR_CRAWLER_SLEEP] = LINE("CLIENT_ERROR sleep must be one second or less"),
    [PROTO_ERROR_SLAB_REASSIGN] = LINE("CLIENT_ERROR slab reassignment disabled"),
    [PROTO_ERROR_AUTOMOVE_WINDOW] = LINE("CLIENT_ERROR automove window too low or too high"),
    [PROTO_ERROR_LRU_SHARES] = LINE("ERROR hot and warm pcts must not exceed 80"),
    [PROTO_ERROR_LRU_FACTORS] = LINE("ERROR hot/warm age factors must be greater than 0"),
};

/* What is answered to a command that failed on its item. */
static const struct line failure_lines[] = {
    [RESULT_NOT_FOUND] = LINE("NOT_FOUND"),
    [RESULT_EXISTS] = LINE("EXISTS"),
    [RESULT_NOT_STORED] = LINE("NOT_STORED"),
    [RESULT_TOO_LARGE] = LINE("SERVER_ERROR object too large for cache"),
    [RESULT_NO_MEMORY] = LINE("SERVER_ERROR out of memory storing object"),
    [RESULT_NON_NUMERIC] = LINE("CLIENT_ERROR cannot increment or decrement non-numeric value"),
    [RESULT_LOGIN_FAILED] = LINE("CLIENT_ERROR authentication failure"),
};

static const struct line stored_line = LINE("STORED");
static const struct line deleted_line = LINE("DELETED");
static const struct line touched_line = LINE("TOUCHED");

static size_t write_line(char *out, const struct line *line) {
    memcpy(out, line->text, line->length);
    return line->length;
}

size_t text_reply_error(char *out, enum proto_error error) {
    assert(error < sizeof(error_lines) / sizeof(error_lines[0]));
    assert(error_lines[error].text);
    return write_line(out, &error_lines[error]);
}

size_t text_reply_failure(char *out, enum result_status status) {
    assert(status != RESULT_OK);
    assert(status < sizeof(failure_lines) / sizeof(failure_lines[0]));
    return write_line(out, &failure_lines[status]);
}

/* VALUE <key> <flags> <bytes> [<cas>]\r\n */
static char *put_value_line(char *out, const struct request *request, const struct result *result) {
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
    return REPLY_PUT(out, "\r\n");
}

/* A miss is silent, but the last key of a line brings its END. */
static size_t write_get(char *out, const struct request *request, const struct result *result) {
    char *at = out;
    if (result->status == RESULT_OK) {
        at = put_value_line(at, request, result);
        if (result->large != 0) {
            return (size_t)(at - out);
        }
        at = reply_put(at, result->value, result->value_length);
        at = REPLY_PUT(at, "\r\n");
    }
    if (request->last) {
        at = REPLY_PUT(at, "END\r\n");
    }
    return (size_t)(at - out);
}

static size_t write_number(char *out, const struct result *result) {
    if (result->status != RESULT_OK) {
        return text_reply_failure(out, (enum result_status)result->status);
    }
    char *at = number_write(out, result->number);
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

/* What came of a change: one line when it was done, another when it wasn't. */
static size_t write_outcome(char *out, const struct result *result, const struct line *done) {
    if (result->status != RESULT_OK) {
        return text_reply_failure(out, (enum result_status)result->status);
    }
    return write_line(out, done);
}

/* A line that whoever executed the request has worded; none when it is empty. */
static size_t write_result_line(char *out, const char *before, const struct result *result) {
    if (result->value_length == 0) {
        return 0;
    }
    char *at = reply_put(out, before, strlen(before));
    at = reply_put(at, result->value, result->value_length);
    at = REPLY_PUT(at, "\r\n");
    return (size_t)(at - out);
}

#define WRITE_LITERAL(out, text) ((size_t)(REPLY_PUT((out), text "\r\n") - (out)))

size_t text_reply_write(char *out, const struct request *request, const struct result *result) {
    if (request->quiet) {
        return 0;
    }
    switch ((enum op)request->op) {
    case OP_GET:
    case OP_GAT:
        return write_get(out, request, result);
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
    case OP_LOGIN:
        return write_outcome(out, result, &stored_line);
    case OP_DELETE:
        return write_outcome(out, result, &deleted_line);
    case OP_TOUCH:
        return write_outcome(out, result, &touched_line);
    case OP_INCR:
    case OP_DECR:
        return write_number(out, result);
    case OP_METADUMP:
    case OP_MGDUMP:
    case OP_CRAWL:
    case OP_CRAWLER_SWITCH:
    case OP_CRAWLER_SLEEP:
    case OP_CRAWLER_TOCRAWL:
    case OP_MEMORY_LIMIT:
    case OP_DEBUG_TIME:
    case OP_SHUTDOWN:
        return write_result_line(out, "", result);
    case OP_VERSION:
        return write_result_line(out, "VERSION ", result);
    case OP_FLUSH:
    case OP_VERBOSITY:
    case OP_OK:
        return WRITE_LITERAL(out, "OK");
    case OP_END:
        return WRITE_LITERAL(out, "END");
    case OP_REJECT:
    case OP_ERROR:
        return text_reply_error(out, (enum proto_error)request->error);
    case OP_QUIT:
        return 0;
    case OP_META_GET:
    case OP_META_ITEM:
    case OP_NOOP:
    case OP_STATS:
    case OP_SASL_LIST:
    case OP_UPLOAD_PART:
    case OP_UPLOAD_END:
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
