/* Lines whose command is not known. */
#include "proto/refusal.h"
#include "proto/text/command.h"

/* As in memcached a shorter line, newline included, is malformed rather than unknown. */
#define LINE_LENGTH_MIN 4

/* A line that ends like one of HTTP closes the connection: a browser that was led here must not
 * have its body taken for commands. */
static bool text_line_is_http(const struct line *line) {
    struct line rest = *line;
    struct word last = {line->start, 0};
    for (struct word word = line_take_word(&rest); word.length > 0; word = line_take_word(&rest)) {
        last = word;
    }
    return last.length >= 5 && memcmp(last.start, "HTTP/", 5) == 0;
}

enum parse_status text_parse_unknown(struct parse *parse, struct line *line) {
    if (line->next - line->start < LINE_LENGTH_MIN) {
        return refusal_fill(parse, PROTO_ERROR_FORMAT);
    }
    if (text_line_is_http(line)) {
        return PARSE_CLOSE;
    }
    return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
}
