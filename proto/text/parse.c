/* Text: finding a line, telling its command by the first word, and lines that are none. */
#include "proto/text/text.h"

#include <assert.h>

/* A line shorter than the shortest command is malformed rather than unknown. */
#define LINE_LENGTH_MIN 4

enum parse_status text_error(struct request *request, enum proto_error error) {
    *request = (struct request){.op = OP_ERROR, .protocol = PROTOCOL_TEXT, .error = (uint8_t)error};
    return PARSE_REQUEST;
}

enum parse_status text_line_error(const struct text_line *line, struct request *request,
                                  enum proto_error error) {
    text_error(request, error);
    request->quiet = text_line_is_quiet(line);
    return PARSE_REQUEST;
}

bool text_line_is_quiet(const struct text_line *line) {
    static const char noreply[] = "noreply";
    const size_t length = sizeof(noreply) - 1;
    const char *end = line->end;
    while (end > line->start && end[-1] == ' ') {
        end--;
    }
    size_t there = (size_t)(end - line->start);
    return there >= length && memcmp(end - length, noreply, length) == 0 &&
           (there == length || end[-(ptrdiff_t)length - 1] == ' ');
}

/* A browser that was led here must not get its body taken for commands: a line that ends like one
 * of HTTP ends the connection. */
static bool line_is_http(const struct text_line *line) {
    struct text_line rest = *line;
    struct text_word last = {line->start, 0};
    for (struct text_word word = text_take_word(&rest); word.length > 0;
         word = text_take_word(&rest)) {
        last = word;
    }
    return last.length >= 5 && memcmp(last.start, "HTTP/", 5) == 0;
}

static enum parse_status parse_unknown(const struct text_line *line, struct request *request) {
    if (line->next - line->start < LINE_LENGTH_MIN) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    if (line_is_http(line)) {
        return PARSE_CLOSE;
    }
    return text_line_error(line, request, PROTO_ERROR_COMMAND);
}

/* The word must stand at the very front: a line that begins with a space has no command. */
static enum parse_status parse_line(struct parser *parser, struct text_line *line,
                                    struct request *request, size_t *used) {
    struct text_word word = {line->start,
                             text_word_length(line->start, (size_t)(line->end - line->start))};
    const struct text_command *command = text_find_command(line, word);
    *used = (size_t)(line->next - line->start);
    if (parser->must_login) {
        return text_parse_login(parser, line, request, used);
    }
    line->rest = line->start + word.length;
    if (!command) {
        return parse_unknown(line, request);
    }
    return command->parse(parser, command, line, request, used);
}

/* The length of `get ` or `gets ` in front, or 0. */
static size_t get_prefix_length(const char *bytes, bool *return_cas) {
    *return_cas = memcmp(bytes, "gets ", 5) == 0;
    if (*return_cas) {
        return 5;
    }
    return memcmp(bytes, "get ", 4) == 0 ? 4 : 0;
}

/* No newline in sight: wait for it, stream the keys of a long get line, or give up. */
static enum parse_status parse_part_of_line(struct parser *parser, const char *bytes, size_t length,
                                            struct request *request, size_t *used) {
    if (length > TEXT_LINE_LENGTH_MAX) {
        bool return_cas;
        size_t prefix = get_prefix_length(bytes, &return_cas);
        if (prefix == 0 || parser->must_login) {
            return PARSE_CLOSE;
        }
        if (length >= TEXT_GET_LINE_WHOLE_MAX) {
            parser->state = TEXT_STREAMED_KEYS;
            parser->scanned = 0;
            parser->return_cas = return_cas;
            enum parse_status status =
                text_next_streamed_key(parser, bytes + prefix, length - prefix, request, used);
            *used += prefix;
            return status;
        }
    }
    parser->scanned = (uint32_t)length;
    return parse_more(parser, length + 1);
}

/* The newline is looked for only as far as a whole get line may reach, so that what becomes of a
 * line does not depend on how much of it arrives at once. */
static enum parse_status parse_next_line(struct parser *parser, const char *bytes, size_t length,
                                         char *key_space, struct request *request, size_t *used) {
    size_t window = length < TEXT_GET_LINE_WHOLE_MAX ? length : TEXT_GET_LINE_WHOLE_MAX;
    assert(parser->scanned <= window);
    const char *newline = memchr(bytes + parser->scanned, '\n', window - parser->scanned);
    if (!newline) {
        return parse_part_of_line(parser, bytes, length, request, used);
    }
    parser->scanned = 0;
    struct text_line line = {
        .start = bytes,
        .end = text_line_end(bytes, newline),
        .newline = newline,
        .next = newline + 1,
        .after_next = length - (size_t)(newline + 1 - bytes),
        .key_space = key_space,
    };
    return parse_line(parser, &line, request, used);
}

/* Drops the rest of a line, then takes up the next one. */
static enum parse_status skip_line(struct parser *parser, const char *bytes, size_t length,
                                   char *key_space, struct request *request, size_t *used) {
    const char *newline = memchr(bytes, '\n', length);
    if (!newline) {
        *used = length;
        return parse_more(parser, 1);
    }
    parser->state = TEXT_LINE;
    size_t skipped = (size_t)(newline + 1 - bytes);
    if (skipped == length) {
        *used = skipped;
        return parse_more(parser, 1);
    }
    enum parse_status status =
        parse_next_line(parser, bytes + skipped, length - skipped, key_space, request, used);
    *used += skipped;
    return status;
}

enum parse_status text_parse(struct parser *parser, const char *bytes, size_t length,
                             char *key_space, struct request *request, size_t *used) {
    switch ((enum text_state)parser->state) {
    case TEXT_LINE:
        return parse_next_line(parser, bytes, length, key_space, request, used);
    case TEXT_KEYS:
    case TEXT_TOUCH_KEYS:
        return text_next_key(parser, bytes, length, request, used);
    case TEXT_STREAMED_KEYS:
        return text_next_streamed_key(parser, bytes, length, request, used);
    case TEXT_SKIP_LINE:
        return skip_line(parser, bytes, length, key_space, request, used);
    }
    assert(false);
    return PARSE_CLOSE;
}
