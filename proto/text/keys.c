/* Text: the keys of get, gets, gat and gats, one request each. */
#include "proto/number.h"
#include "proto/text/text.h"

#include <assert.h>

bool parser_is_amid_keys(const struct parser *parser) {
    bool keys = parser->state == TEXT_KEYS || parser->state == TEXT_TOUCH_KEYS ||
                parser->state == TEXT_STREAMED_KEYS;
    return parser->protocol == PROTOCOL_TEXT && keys;
}

static void fill(const struct parser *parser, struct request *request, const char *key,
                 size_t length, bool last) {
    bool touch = parser->state == TEXT_TOUCH_KEYS;
    *request = (struct request){
        .op = touch ? OP_GAT : OP_GET,
        .protocol = PROTOCOL_TEXT,
        .return_cas = parser->return_cas,
        .last = last,
        .key_length = (uint16_t)length,
        .exptime = touch ? parser->exptime : 0,
        .key = key,
    };
}

/* Whether no word is longer than a key may be. A key that is too long leaves no space in the first
 * 251 bytes from its start; so look for the last space in that many, and go on behind it. */
static bool keys_fit(const char *at, const char *end) {
    while (end - at > KEY_LENGTH_MAX) {
        const char *space = memrchr(at, ' ', KEY_LENGTH_MAX + 1);
        if (!space) {
            return false;
        }
        at = space + 1;
    }
    return true;
}

/* Yields the key at `key` of the line that ends with newline. *used counts from bytes. */
static enum parse_status take_key(struct parser *parser, const char *bytes, const char *key,
                                  const char *newline, struct request *request, size_t *used) {
    const char *end = text_line_end(key, newline);
    size_t length = text_word_length(key, (size_t)(end - key));
    const char *next = text_skip_spaces(key + length, end);
    bool last = next == end;
    fill(parser, request, key, length, last);
    if (last) {
        *used = (size_t)(newline + 1 - bytes);
        parser->state = TEXT_LINE;
        parser->scanned = 0;
    } else {
        *used = (size_t)(next - bytes);
        parser->scanned = (uint32_t)(newline - next);
    }
    return PARSE_REQUEST;
}

/* Checks the whole of a line that is at its first key, so that an error never follows a value. */
static enum parse_status take_first_key(struct parser *parser, enum text_state state,
                                        const struct text_command *command,
                                        const struct text_line *line, struct request *request,
                                        size_t *used) {
    const char *key = text_skip_spaces(line->rest, line->end);
    if (key == line->end || !keys_fit(key, line->end)) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    parser->state = (uint8_t)state;
    parser->return_cas = command->cas;
    return take_key(parser, line->start, key, line->newline, request, used);
}

enum parse_status text_parse_get(struct parser *parser, const struct text_command *command,
                                 struct text_line *line, struct request *request, size_t *used) {
    return take_first_key(parser, TEXT_KEYS, command, line, request, used);
}

/* gat and gats <exptime> <key>+ */
enum parse_status text_parse_gat(struct parser *parser, const struct text_command *command,
                                 struct text_line *line, struct request *request, size_t *used) {
    struct text_word exptime = text_take_word(line);
    if (text_skip_spaces(line->rest, line->end) == line->end) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    if (!number_parse_seconds(exptime.start, exptime.length, &parser->exptime)) {
        return text_error(request, PROTO_ERROR_EXPTIME);
    }
    return take_first_key(parser, TEXT_TOUCH_KEYS, command, line, request, used);
}

enum parse_status text_next_key(struct parser *parser, const char *bytes, size_t length,
                                struct request *request, size_t *used) {
    assert(parser->scanned < length);
    const char *newline = bytes + parser->scanned;
    assert(*newline == '\n');
    return take_key(parser, bytes, bytes, newline, request, used);
}

/* A word of 252 bytes is too long whatever follows; one of 251 may be a key and a \r. */
#define STREAMED_WORD_MAX (KEY_LENGTH_MAX + 2)

static enum parse_status refuse_streamed_key(struct parser *parser, struct request *request,
                                             bool line_ends) {
    parser->state = line_ends ? TEXT_LINE : TEXT_SKIP_LINE;
    return text_error(request, PROTO_ERROR_FORMAT);
}

/* Yields the word before the delimiter at bytes[length]. */
static enum parse_status take_streamed_word(struct parser *parser, const char *bytes, size_t length,
                                            struct request *request) {
    bool last = bytes[length] == '\n';
    if (last && length > 0 && bytes[length - 1] == '\r') {
        length--;
    }
    if (length > KEY_LENGTH_MAX) {
        return refuse_streamed_key(parser, request, last);
    }
    if (last) {
        parser->state = TEXT_LINE;
    }
    if (length == 0) {
        *request = (struct request){.op = OP_END, .protocol = PROTOCOL_TEXT};
        return PARSE_REQUEST;
    }
    fill(parser, request, bytes, length, last);
    return PARSE_REQUEST;
}

enum parse_status text_next_streamed_key(struct parser *parser, const char *bytes, size_t length,
                                         struct request *request, size_t *used) {
    const char *word = text_skip_spaces(bytes, bytes + length);
    size_t spaces = (size_t)(word - bytes);
    size_t there = length - spaces;
    size_t window = there < STREAMED_WORD_MAX ? there : STREAMED_WORD_MAX;
    const char *newline = memchr(word, '\n', window);
    size_t word_length = text_word_length(word, newline ? (size_t)(newline - word) : window);
    *used = spaces;
    if (word_length < window) {
        *used += word_length + 1;
        return take_streamed_word(parser, word, word_length, request);
    }
    if (window < STREAMED_WORD_MAX) {
        return parse_more(parser, there + 1);
    }
    *used += window;
    return refuse_streamed_key(parser, request, false);
}
