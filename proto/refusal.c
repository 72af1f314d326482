#include "proto/refusal.h"

#include <assert.h>

struct answer_line {
    const char *text;
    size_t length;
};

#define LINE(text)                                                                                 \
    { text "\r\n", sizeof(text "\r\n") - 1 }

static const struct answer_line error_lines[] = {
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

static size_t refusal_write(char *out, const struct answer_line *line) {
    memcpy(out, line->text, line->length);
    return line->length;
}

size_t refusal_write_error(char *out, enum proto_error error) {
    assert(error < sizeof(error_lines) / sizeof(error_lines[0]));
    assert(error_lines[error].text);
    return refusal_write(out, &error_lines[error]);
}

size_t refusal_write_failure(char *out, enum result_status status) {
    assert(status != RESULT_OK);
    assert(status < sizeof(failure_lines) / sizeof(failure_lines[0]));
    return refusal_write(out, &failure_lines[status]);
}
