/* Finds the next line of the text stream and its command; lines without a command. */
#include <assert.h>

#include "proto/refusal.h"
#include "proto/text/command.h"
#include "proto/text/text.h"

/* The word must stand at the very front: a line that begins with a space has no command. */
static enum parse_status text_parse_line(struct parse *parse, struct line *line) {
    struct word word = {line->start, word_length(line->start, (size_t)(line->end - line->start))};
    const struct text_command *command = text_find_command(line, word);
    parse->next = line->next;
    if (parse->parser->must_login) {
        return text_parse_login(parse, line);
    }
    line->rest = line->start + word.length;
    if (!command) {
        return text_parse_unknown(parse, line);
    }
    line->op = command->op;
    line->cas = command->cas;
    return command->parse(parse, line);
}

/* The length of `get ` or `gets ` in front, or 0. */
static size_t text_get_prefix(const char *bytes, bool *return_cas) {
    *return_cas = memcmp(bytes, "gets ", 5) == 0;
    if (*return_cas) {
        return 5;
    }
    return memcmp(bytes, "get ", 4) == 0 ? 4 : 0;
}

/* A line without its newline: waits for that, takes the keys of a long get line one by one, or
 * gives up. */
static enum parse_status text_parse_partial_line(struct parse *parse) {
    struct parser *parser = parse->parser;
    if (parse->length > TEXT_LINE_LENGTH_MAX) {
        bool return_cas;
        size_t prefix = text_get_prefix(parse->bytes, &return_cas);
        if (prefix == 0 || parser->must_login) {
            return PARSE_CLOSE;
        }
        if (parse->length >= TEXT_GET_LINE_WHOLE_MAX) {
            parser->state = TEXT_STREAMED_KEYS;
            parser->scanned = 0;
            parser->return_cas = return_cas;
            parse_skip(parse, prefix);
            return text_next_streamed_key(parse);
        }
    }
    parser->scanned = (uint32_t)parse->length;
    return parse_more(parse, parse->length + 1);
}

/* The newline is searched for only within the longest get line that is checked as a whole, so that
 * the outcome does not depend on how much of a line arrives at once. */
static enum parse_status text_parse_next_line(struct parse *parse) {
    struct parser *parser = parse->parser;
    const char *bytes = parse->bytes;
    size_t window =
        parse->length < TEXT_GET_LINE_WHOLE_MAX ? parse->length : TEXT_GET_LINE_WHOLE_MAX;
    assert(parser->scanned <= window);
    const char *newline = memchr(bytes + parser->scanned, '\n', window - parser->scanned);
    if (!newline) {
        return text_parse_partial_line(parse);
    }
    parser->scanned = 0;
    struct line line = {
        .start = bytes,
        .end = line_end(bytes, newline),
        .newline = newline,
        .next = newline + 1,
        .after_next = parse->length - (size_t)(newline + 1 - bytes),
    };
    return text_parse_line(parse, &line);
}

/* Skips the rest of a line, then takes the next one. */
static enum parse_status text_skip_line(struct parse *parse) {
    const char *newline = memchr(parse->bytes, '\n', parse->length);
    if (!newline) {
        parse_skip(parse, parse->length);
        return parse_more(parse, 1);
    }
    parse->parser->state = TEXT_LINE;
    parse_skip(parse, (size_t)(newline + 1 - parse->bytes));
    return parse->length > 0 ? text_parse_next_line(parse) : parse_more(parse, 1);
}

enum parse_status text_parse(struct parse *parse) {
    switch ((enum text_state)parse->parser->state) {
    case TEXT_LINE:
        return text_parse_next_line(parse);
    case TEXT_KEYS:
    case TEXT_TOUCH_KEYS:
        return text_next_key(parse);
    case TEXT_STREAMED_KEYS:
        return text_next_streamed_key(parse);
    case TEXT_SKIP_LINE:
        return text_skip_line(parse);
    }
    assert(false);
    return PARSE_CLOSE;
}
