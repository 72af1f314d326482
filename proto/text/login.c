/* The lines of a connection that must log in (protocol.txt, "Authentication"). */
#include "proto/refusal.h"
#include "proto/text/command.h"
#include "proto/value.h"

/* Bytes before the newline. No login is shorter: the client doesn't speak this protocol. */
#define LOGIN_LINE_LENGTH_MIN 6

/* set <key> <flags> <exptime> <bytes>, of which only the length matters. */
static bool login_take_fields(struct line *line, uint32_t *value_length) {
    line->rest = line->start;
    struct word command = line_take_word(line);
    bool is_set = command.start == line->start && word_is(command, "set");
    for (int ignored = 0; ignored < 3; ignored++) {
        line_take_word(line);
    }
    return is_set && line_take_u32(line, value_length);
}

/* memcached's answers to a value that can't be credentials. */
static enum parse_status login_check_value(struct parse *parse) {
    const struct request *request = parse->request;
    if (request->op == OP_ERROR && request->error == PROTO_ERROR_DATA_CHUNK) {
        return refusal_fill(parse, PROTO_ERROR_LOGIN_END);
    }
    bool is_login = request->op == OP_LOGIN;
    if (is_login && !memchr(request->value, ' ', request->value_length)) {
        return refusal_fill(parse, PROTO_ERROR_LOGIN_FORMAT);
    }
    return PARSE_REQUEST;
}

enum parse_status text_parse_login(struct parse *parse, struct line *line) {
    if (line->newline - line->start < LOGIN_LINE_LENGTH_MIN) {
        return PARSE_CLOSE;
    }
    struct request *request = parse->request;
    *request = (struct request){.op = OP_LOGIN, .protocol = PROTOCOL_TEXT};
    if (!login_take_fields(line, &request->value_length)) {
        return refusal_fill(parse, PROTO_ERROR_LOGIN);
    }
    if (request->value_length > LOGIN_LENGTH_MAX) {
        return refusal_fill(parse, PROTO_ERROR_LOGIN_LENGTH);
    }
    enum parse_status status = value_take_block(parse, line);
    return status == PARSE_REQUEST ? login_check_value(parse) : status;
}
