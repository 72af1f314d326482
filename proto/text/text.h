/* The text parser's inner parts: lines, words and the table of commands. Private to proto/.
 *
 *     get  some_key  other\r\n
 *        ▲                ▲ ▲ ▲
 *        rest           end │ next
 *                     newline
 */
#ifndef PROTO_TEXT_TEXT_H
#define PROTO_TEXT_TEXT_H

#include "proto/parse.h"

#include <endian.h>
#include <string.h>

/* Where in the stream the text parser is: parser.state. */
enum text_state {
    TEXT_LINE,          /* at the start of a command line */
    TEXT_KEYS,          /* at a key of a checked get line; parser.scanned tells where it ends */
    TEXT_TOUCH_KEYS,    /* the same for gat, with parser.exptime */
    TEXT_STREAMED_KEYS, /* at a key of a get line whose end was not in sight */
    TEXT_SKIP_LINE,     /* in a line that was answered with an error already */
};

/* A complete command line. */
struct text_line {
    const char *start;
    const char *rest; /* what follows the words taken so far */
    const char *end;  /* where its last word may end: before \r\n or \n */
    const char *newline;
    const char *next;  /* after the newline: a value block */
    size_t after_next; /* how many bytes are there from next on */
    char *key_space;   /* for a key that is decoded */
};

struct text_word {
    const char *start;
    size_t length;
};

struct text_command;

/* Makes a request of a line; *used is set to the line's length on entry. */
typedef enum parse_status text_command_parse(struct parser *parser,
                                             const struct text_command *command,
                                             struct text_line *line, struct request *request,
                                             size_t *used);

struct text_command {
    char word[16]; /* filled up with zeros */
    uint8_t length;
    uint8_t op; /* enum op */
    bool cas;   /* gets and gats return it, cas compares it */
    text_command_parse *parse;
};

text_command_parse text_parse_get;
text_command_parse text_parse_gat;
text_command_parse text_parse_store;
text_command_parse text_parse_meta_get;
text_command_parse text_parse_meta_store;
text_command_parse text_parse_meta_delete;
text_command_parse text_parse_meta_delta;
text_command_parse text_parse_meta_item;
text_command_parse text_parse_meta_noop;
text_command_parse text_parse_lru_crawler;
text_command_parse text_parse_lru;
text_command_parse text_parse_slabs;
text_command_parse text_parse_memory_limit;
text_command_parse text_parse_shutdown;
text_command_parse text_parse_debug_time;

/* A line of a connection that must log in; otherwise as a text_command_parse. */
enum parse_status text_parse_login(struct parser *parser, struct text_line *line,
                                   struct request *request, size_t *used);

/* The command that the line's first word names, or NULL. */
const struct text_command *text_find_command(const struct text_line *line, struct text_word word);

/* Takes the next key of a get line whose command was parsed by an earlier call. */
enum parse_status text_next_key(struct parser *parser, const char *bytes, size_t length,
                                struct request *request, size_t *used);
enum parse_status text_next_streamed_key(struct parser *parser, const char *bytes, size_t length,
                                         struct request *request, size_t *used);

/* Whether the last word of the line is noreply. */
bool text_line_is_quiet(const struct text_line *line);

/* Fills in an error that is answered, or that a noreply on the line silences. */
enum parse_status text_error(struct request *request, enum proto_error error);
enum parse_status text_line_error(const struct text_line *line, struct request *request,
                                  enum proto_error error);

/* The length of a value block as the next word of a line tells it. False when it is malformed, or
 * so long that it is taken for a mistake: then nothing is swallowed. */
bool text_take_value_length(struct text_line *line, uint32_t *length);

/* Takes the value block behind the line, of request->value_length bytes, into a request that is
 * complete but for it, or lets it come as an upload. When the value is refused, its key's old one
 * is dropped if `drops`. */
enum parse_status text_take_value(struct parser *parser, const struct text_line *line, bool drops,
                                  struct request *request, size_t *used);

/* The same for a value that is neither refused nor an upload, whatever its length. */
enum parse_status text_take_block(struct parser *parser, const struct text_line *line,
                                  struct request *request, size_t *used);

/* Answers with an error now and swallows the value when it comes. */
enum parse_status text_refuse_value(struct parser *parser, bool drops, enum proto_error error,
                                    struct request *request);

/* The first 8 bytes as a number, the first of them lowest. */
static inline uint64_t text_load(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return le64toh(word);
}

/* Marks with its highest bit each space among eight bytes; exact up to the first one. */
static inline uint64_t text_match_spaces(uint64_t word) {
    const uint64_t ones = 0x0101010101010101;
    uint64_t zeroed = word ^ (ones * ' ');
    return (zeroed - ones) & ~zeroed & (ones << 7);
}

/* How many bytes there are before the first space, at most limit. Keys are short: eight bytes at a
 * time beats a call of memchr. The last few are looked at together with those before them, shifted
 * out again. */
static inline size_t text_word_length(const char *bytes, size_t limit) {
    size_t at = 0;
    for (; limit - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t found = text_match_spaces(text_load(bytes + at));
        if (found != 0) {
            return at + (size_t)__builtin_ctzll(found) / 8;
        }
    }
    if (at > 0 && at < limit) {
        uint64_t tail = text_load(bytes + limit - sizeof(uint64_t));
        uint64_t found = text_match_spaces(tail >> (8 * (at + sizeof(uint64_t) - limit)));
        return found != 0 ? at + (size_t)__builtin_ctzll(found) / 8 : limit;
    }
    while (at < limit && bytes[at] != ' ') {
        at++;
    }
    return at;
}

static inline const char *text_skip_spaces(const char *at, const char *end) {
    while (at < end && *at == ' ') {
        at++;
    }
    return at;
}

/* Takes the next word off the line; its length is 0 when there is none. */
static inline struct text_word text_take_word(struct text_line *line) {
    const char *start = text_skip_spaces(line->rest, line->end);
    size_t length = text_word_length(start, (size_t)(line->end - start));
    line->rest = start + length;
    return (struct text_word){start, length};
}

/* Takes the next word off the line as a number. False when it is none, or there is no word; it is
 * taken off all the same. */
bool text_take_u64(struct text_line *line, uint64_t *value);
bool text_take_u32(struct text_line *line, uint32_t *value);
bool text_take_i64(struct text_line *line, int64_t *value);

static inline bool text_word_is(struct text_word word, const char *text) {
    return word.length == strlen(text) && memcmp(word.start, text, word.length) == 0;
}

static inline bool text_key_fits(struct text_word key) {
    return key.length > 0 && key.length <= KEY_LENGTH_MAX;
}

/* The offset of the end of a line's words, given that of its newline. */
static inline const char *text_line_end(const char *start, const char *newline) {
    return newline > start && newline[-1] == '\r' ? newline - 1 : newline;
}

#endif
