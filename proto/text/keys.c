/* The keys of get, gets, gat and gats, one request each (protocol.txt, "Retrieval command"). */
#include <assert.h>

#include "proto/number.h"
#include "proto/refusal.h"
#include "proto/text/command.h"

bool parser_is_amid_keys(const struct parser *parser) {
    bool keys = parser->state == TEXT_KEYS || parser->state == TEXT_TOUCH_KEYS ||
                parser->state == TEXT_STREAMED_KEYS;
    return parser->protocol == PROTOCOL_TEXT && keys;
}

static bool keys_is_config(const struct parser *parser, struct word key) {
    return parser->discovers && memcmp(key.start, CONFIG_KEY, sizeof(CONFIG_KEY) - 1) == 0;
}

/* Compiled into its callers, as it is on the way of each key. */
__attribute__((always_inline)) static inline void keys_fill_request(struct parse *parse,
                                                                    struct word key, bool last) {
    const struct parser *parser = parse->parser;
    bool touch = parser->state == TEXT_TOUCH_KEYS;
    *parse->request = (struct request){
        .op = touch ? OP_GAT : OP_GET,
        .protocol = PROTOCOL_TEXT,
        .return_cas = parser->return_cas,
        .last = last,
        .key_length = (uint16_t)key.length,
        .exptime = touch ? parser->exptime : 0,
        .key = key.start,
    };
    if (!touch && key.length == sizeof(CONFIG_KEY) - 1 && keys_is_config(parser, key)) {
        parse->request->op = OP_CONFIG_KEY;
    }
}

/* Whether no word is longer than a key may be: every 251 bytes hold a space. */
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

/* Takes the key at `start` of the line that ends with `newline`. */
static enum parse_status keys_take(struct parse *parse, const char *start, const char *newline) {
    struct parser *parser = parse->parser;
    const char *end = line_end(start, newline);
    struct word key = {start, word_length(start, (size_t)(end - start))};
    const char *next = line_skip_spaces(start + key.length, end);
    bool last = next == end;
    keys_fill_request(parse, key, last);
    if (last) {
        parse->next = newline + 1;
        parser->state = TEXT_LINE;
        parser->scanned = 0;
    } else {
        parse->next = next;
        parser->scanned = (uint32_t)(newline - next);
    }
    return PARSE_REQUEST;
}

/* Checks the whole line before its first key is taken, so that no error follows a value. */
static enum parse_status keys_take_first(struct parse *parse, const struct line *line,
                                         enum text_state state) {
    const char *key = line_skip_spaces(line->rest, line->end);
    if (key == line->end || !keys_fit(key, line->end)) {
        return refusal_fill(parse, PROTO_ERROR_FORMAT);
    }
    parse->parser->state = (uint8_t)state;
    parse->parser->return_cas = line->cas;
    return keys_take(parse, key, line->newline);
}

/* get and gets <key>+ */
enum parse_status text_parse_get(struct parse *parse, struct line *line) {
    return keys_take_first(parse, line, TEXT_KEYS);
}

/* gat and gats <exptime> <key>+ */
enum parse_status text_parse_gat(struct parse *parse, struct line *line) {
    struct word exptime = line_take_word(line);
    if (line_skip_spaces(line->rest, line->end) == line->end) {
        return refusal_fill(parse, PROTO_ERROR_FORMAT);
    }
    if (!number_parse_i32(exptime.start, exptime.length, &parse->parser->exptime)) {
        return refusal_fill(parse, PROTO_ERROR_EXPTIME);
    }
    return keys_take_first(parse, line, TEXT_TOUCH_KEYS);
}

enum parse_status text_next_key(struct parse *parse) {
    assert(parse->parser->scanned < parse->length);
    const char *newline = parse->bytes + parse->parser->scanned;
    assert(*newline == '\n');
    return keys_take(parse, parse->bytes, newline);
}

/* A word of 252 bytes is too long in any case; one of 251 may be a key and a \r. */
#define STREAMED_WORD_MAX (KEY_LENGTH_MAX + 2)

static enum parse_status keys_refuse_streamed(struct parse *parse, bool line_ends) {
    parse->parser->state = line_ends ? TEXT_LINE : TEXT_SKIP_LINE;
    return refusal_fill(parse, PROTO_ERROR_FORMAT);
}

/* Takes the word, which a space or the newline follows. */
static enum parse_status keys_take_streamed(struct parse *parse, struct word word) {
    bool last = word.start[word.length] == '\n';
    if (last && word.length > 0 && word.start[word.length - 1] == '\r') {
        word.length--;
    }
    if (word.length > KEY_LENGTH_MAX) {
        return keys_refuse_streamed(parse, last);
    }
    if (last) {
        parse->parser->state = TEXT_LINE;
    }
    if (word.length == 0) {
        *parse->request = (struct request){.op = OP_END, .protocol = PROTOCOL_TEXT};
        return PARSE_REQUEST;
    }
    keys_fill_request(parse, word, last);
    return PARSE_REQUEST;
}

enum parse_status text_next_streamed_key(struct parse *parse) {
    const char *end = parse->bytes + parse->length;
    parse_skip(parse, (size_t)(line_skip_spaces(parse->bytes, end) - parse->bytes));
    const char *start = parse->bytes;
    size_t window = parse->length < STREAMED_WORD_MAX ? parse->length : STREAMED_WORD_MAX;
    const char *newline = memchr(start, '\n', window);
    struct word word = {start, word_length(start, newline ? (size_t)(newline - start) : window)};
    if (word.length < window) {
        parse->next = start + word.length + 1;
        return keys_take_streamed(parse, word);
    }
    if (window < STREAMED_WORD_MAX) {
        return parse_more(parse, parse->length + 1);
    }
    parse->next = start + window;
    return keys_refuse_streamed(parse, false);
}
