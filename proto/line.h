/* line: a command line of the text stream, its words and its numbers; for text and meta commands.
 * Private to proto/.
 *
 *     get  some_key  other\r\n
 *     ▲  ▲                ▲ ▲ ▲
 * start  rest           end │ next
 *                         newline
 */
#ifndef PROTO_LINE_H
#define PROTO_LINE_H

#include <endian.h>
#include <string.h>

#include "proto/parse.h"

/* A complete command line. */
struct line {
    const char *start;
    const char *rest; /* what follows the words taken so far */
    const char *end;  /* the end of its last word, at the latest: before \r\n or \n */
    const char *newline;
    const char *next;  /* after the newline: a value block */
    size_t after_next; /* bytes received from `next` on */

    /* Of its row in the table of commands, see text/command.h. */
    uint8_t op;
    bool cas;
};

struct word {
    const char *start;
    size_t length; /* 0: there is none */
};

/* Makes a request of a line whose first word is taken. parse->next is line->next on entry. */
typedef enum parse_status line_parse(struct parse *parse, struct line *line);

/* Eight bytes as a number, the first of them lowest. */
static inline uint64_t word_load(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return le64toh(word);
}

/* Marks each space among eight bytes by its byte's highest bit; exact up to the first one. */
static inline uint64_t word_match_spaces(uint64_t bytes) {
    const uint64_t ones = 0x0101010101010101;
    uint64_t zeroed = bytes ^ (ones * ' ');
    return (zeroed - ones) & ~zeroed & (ones << 7);
}

/* The number of bytes before the first space, at most limit. Keys are short: eight bytes at a time
 * takes fewer instructions than a call of memchr. The last few bytes are loaded together with those
 * before them, which are shifted out. */
static inline size_t word_length(const char *bytes, size_t limit) {
    size_t at = 0;
    for (; limit - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t found = word_match_spaces(word_load(bytes + at));
        if (found != 0) {
            return at + (size_t)__builtin_ctzll(found) / 8;
        }
    }
    if (at > 0 && at < limit) {
        uint64_t tail = word_load(bytes + limit - sizeof(uint64_t));
        uint64_t found = word_match_spaces(tail >> (8 * (at + sizeof(uint64_t) - limit)));
        return found != 0 ? at + (size_t)__builtin_ctzll(found) / 8 : limit;
    }
    while (at < limit && bytes[at] != ' ') {
        at++;
    }
    return at;
}

static inline bool word_is(struct word word, const char *text) {
    return word.length == strlen(text) && memcmp(word.start, text, word.length) == 0;
}

static inline bool word_fits_key(struct word word) {
    return word.length > 0 && word.length <= KEY_LENGTH_MAX;
}

static inline const char *line_skip_spaces(const char *at, const char *end) {
    while (at < end && *at == ' ') {
        at++;
    }
    return at;
}

/* Takes the next word off the line. */
static inline struct word line_take_word(struct line *line) {
    const char *start = line_skip_spaces(line->rest, line->end);
    size_t length = word_length(start, (size_t)(line->end - start));
    line->rest = start + length;
    return (struct word){start, length};
}

/* Takes the next word off the line as a number, see proto/number.h. False when it is none, or there
 * is no word; it is taken off all the same. */
bool line_take_u64(struct line *line, uint64_t *value);
bool line_take_u32(struct line *line, uint32_t *value);
bool line_take_i32(struct line *line, int64_t *value);

/* The same for flags and exptime of a text set, which memcached reads with strtol(3): a word of
 * white space alone is the number that follows it. It keeps the lower 32 bits of an exptime, which
 * has a sign, so that 4294967295 is -1; greater flags are none here. */
bool line_take_flags(struct line *line, uint32_t *value);
bool line_take_exptime(struct line *line, int64_t *value);

/* Whether the last word is noreply (protocol.txt: "instructs the server to not send the reply"). */
bool line_is_quiet(const struct line *line);

/* The end of the words of a line from `start` on, given its newline. */
static inline const char *line_end(const char *start, const char *newline) {
    return newline > start && newline[-1] == '\r' ? newline - 1 : newline;
}

#endif
