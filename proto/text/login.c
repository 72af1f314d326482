/* Text: the lines of a connection that must log in (protocol.txt, "Authentication"). */
#include "proto/text/text.h"

/* No login is so short: the sender doesn't speak this protocol. */
#define LOGIN_LINE_LENGTH_MIN 6

/* set <key> <flags> <exptime> <bytes>, of which only the length counts. */
static bool parse_fields(struct text_line *line, struct request *request) {
    line->rest = line->start;
    struct text_word command = text_take_word(line);
    bool is_set = command.start == line->start && text_word_is(command, "set");
    for (int ignored = 0; ignored < 3; ignored++) {
        text_take_word(line);
    }
    return is_set && text_take_u32(line, &request->value_length);
}

/* What memcached says to a value that can't be a login. */
static enum parse_status check_value(struct request *request) {
    if (request->op == OP_ERROR && request->error == PROTO_ERROR_DATA_CHUNK) {
        return text_error(request, PROTO_ERROR_LOGIN_END);
    }
    bool is_login = request->op == OP_LOGIN;
    if (is_login && !memchr(request->value, ' ', request->value_length)) {
        return text_error(request, PROTO_ERROR_LOGIN_FORMAT);
    }
    return PARSE_REQUEST;
}

enum parse_status text_parse_login(struct parser *parser, struct text_line *line,
                                   struct request *request, size_t *used) {
    if (line->newline - line->start < LOGIN_LINE_LENGTH_MIN) {
        return PARSE_CLOSE;
    }
    *request = (struct request){.op = OP_LOGIN, .protocol = PROTOCOL_TEXT};
    if (!parse_fields(line, request)) {
        return text_error(request, PROTO_ERROR_LOGIN);
    }
    if (request->value_length > LOGIN_LENGTH_MAX) {
        return text_error(request, PROTO_ERROR_LOGIN_LENGTH);
    }
    enum parse_status status = text_take_block(parser, line, request, used);
    return status == PARSE_REQUEST ? check_value(request) : status;
}
