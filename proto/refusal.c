#include "proto/refusal.h"

#include <assert.h>

#include "proto/put.h"
#include "proto/reply.h"

static const char *const error_lines[] = {
    [PROTO_ERROR_COMMAND] = "ERROR",
    [PROTO_ERROR_FORMAT] = "CLIENT_ERROR bad command line format",
    [PROTO_ERROR_DATA_CHUNK] = "CLIENT_ERROR bad data chunk",
    [PROTO_ERROR_DELTA] = "CLIENT_ERROR invalid numeric delta argument",
    [PROTO_ERROR_EXPTIME] = "CLIENT_ERROR invalid exptime argument",
    [PROTO_ERROR_DELETE_USAGE] =
        "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]",
    [PROTO_ERROR_TOO_LARGE] = "SERVER_ERROR object too large for cache",
    [PROTO_ERROR_NO_MEMORY] = "SERVER_ERROR out of memory storing object",
    [PROTO_ERROR_LOGIN] = "CLIENT_ERROR unauthenticated",
    [PROTO_ERROR_FLUSH] = "CLIENT_ERROR flush_all not allowed",
    [PROTO_ERROR_FLUSH_PREFIX] = "CLIENT_ERROR flush_prefix not allowed",
    [PROTO_ERROR_METADUMP] = "ERROR metadump not allowed",
    [PROTO_ERROR_MGDUMP] = "ERROR key dump not allowed",
    [PROTO_ERROR_DETAIL] = "CLIENT_ERROR stats detail not allowed",
    [PROTO_ERROR_CACHEDUMP] = "CLIENT_ERROR stats cachedump not allowed",
    [PROTO_ERROR_HOTKEYS] = "ERROR hotkeys not allowed",
    [PROTO_ERROR_WATCH] = "CLIENT_ERROR watch commands not allowed",
    [PROTO_ERROR_LOGIN_LENGTH] = "CLIENT_ERROR auth token too long",
    [PROTO_ERROR_LOGIN_END] = "CLIENT_ERROR bad command line termination",
    [PROTO_ERROR_LOGIN_FORMAT] = "CLIENT_ERROR bad authentication token format",
    [PROTO_ERROR_FLAG] = "CLIENT_ERROR invalid flag",
    [PROTO_ERROR_FLAG_TWICE] = "CLIENT_ERROR duplicate flag",
    [PROTO_ERROR_FLAGS_TOO_MANY] = "CLIENT_ERROR options flags are too long",
    [PROTO_ERROR_FLAG_TOKEN] = "CLIENT_ERROR bad token in command line format",
    [PROTO_ERROR_FLAG_INITIAL] = "CLIENT_ERROR invalid numeric initial value",
    [PROTO_ERROR_FLAG_DELTA] = "CLIENT_ERROR invalid numeric delta value",
    [PROTO_ERROR_FLAG_KEY] = "CLIENT_ERROR error decoding key",
    [PROTO_ERROR_FLAG_OPAQUE] = "CLIENT_ERROR opaque token too long",
    [PROTO_ERROR_FLAG_SET_MODE] = "CLIENT_ERROR invalid mode for ms M token",
    [PROTO_ERROR_FLAG_DELTA_MODE] = "CLIENT_ERROR invalid mode for ma M token",
    [PROTO_ERROR_DELTA_FLAGS] = "CLIENT_ERROR invalid or duplicate flag",
    [PROTO_ERROR_MEMORY_TOO_SMALL] = "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
    [PROTO_ERROR_MEMORY_IN_BYTES] = "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
    [PROTO_ERROR_CRAWLER_SLEEP] = "CLIENT_ERROR sleep must be one second or less",
    [PROTO_ERROR_SLAB_REASSIGN] = "CLIENT_ERROR slab reassignment disabled",
    [PROTO_ERROR_AUTOMOVE_WINDOW] = "CLIENT_ERROR automove window too low or too high",
    [PROTO_ERROR_LRU_SHARES] = "ERROR hot and warm pcts must not exceed 80",
    [PROTO_ERROR_LRU_FACTORS] = "ERROR hot/warm age factors must be greater than 0",
    [PROTO_ERROR_MEMORY_LIMIT] = "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust",
    [PROTO_ERROR_CRAWLER_DISABLED] = "CLIENT_ERROR lru crawler disabled",
    [PROTO_ERROR_CLASSES] = "BADCLASS invalid class id",
    [PROTO_ERROR_METADUMP_PIPELINED] = "ERROR cannot pipeline other commands before metadump",
    [PROTO_ERROR_MGDUMP_PIPELINED] = "ERROR cannot pipeline other commands before mgdump",
    [PROTO_ERROR_WATCH_PIPELINED] = "ERROR cannot pipeline other commands before watch",
    [PROTO_ERROR_WATCHERS] = "WATCHER_TOO_MANY log watcher limit reached",
    [PROTO_ERROR_SHUTDOWN_DISABLED] = "SERVER_ERROR: shutdown not enabled",
    [PROTO_ERROR_SHUTDOWN_MODE] = "CLIENT_ERROR invalid shutdown mode",
    [PROTO_ERROR_PREFIXES] = "SERVER_ERROR too many prefixes being flushed",
    [PROTO_ERROR_STATS_MEMORY] = "SERVER_ERROR out of memory writing stats",
};

struct answer_line {
    const char *text;
    size_t length;
};

#define LINE(text)                                                                                 \
    { text "\r\n", sizeof(text "\r\n") - 1 }

/* The answers to commands that were executed and failed. */
static const struct answer_line failure_lines[] = {
    [RESULT_NOT_FOUND] = LINE("NOT_FOUND"),
    [RESULT_EXISTS] = LINE("EXISTS"),
    [RESULT_NOT_STORED] = LINE("NOT_STORED"),
    [RESULT_TOO_LARGE] = LINE("SERVER_ERROR object too large for cache"),
    [RESULT_NO_MEMORY] = LINE("SERVER_ERROR out of memory storing object"),
    [RESULT_NON_NUMERIC] = LINE("CLIENT_ERROR cannot increment or decrement non-numeric value"),
    [RESULT_LOGIN_FAILED] = LINE("CLIENT_ERROR authentication failure"),
};

enum parse_status refusal_fill(struct parse *parse, enum proto_error error) {
    *parse->request =
        (struct request){.op = OP_ERROR, .protocol = PROTOCOL_TEXT, .error = (uint8_t)error};
    return PARSE_REQUEST;
}

enum parse_status refusal_fill_line(struct parse *parse, const struct line *line,
                                    enum proto_error error) {
    refusal_fill(parse, error);
    parse->request->quiet = line_is_quiet(line);
    return PARSE_REQUEST;
}

const char *reply_error_line(enum proto_error error) {
    assert(error < sizeof(error_lines) / sizeof(error_lines[0]));
    assert(error_lines[error]);
    return error_lines[error];
}

size_t refusal_write_error(char *out, enum proto_error error) {
    const char *line = reply_error_line(error);
    char *at = put_bytes(out, line, strlen(line));
    at = PUT_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

size_t refusal_write_failure(char *out, enum result_status status) {
    assert(status != RESULT_OK);
    assert(status < sizeof(failure_lines) / sizeof(failure_lines[0]));
    memcpy(out, failure_lines[status].text, failure_lines[status].length);
    return failure_lines[status].length;
}
