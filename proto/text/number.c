/* Text: numbers as words of a line. */
#include "proto/number.h"
#include "proto/text/text.h"

/* So many digits fit into an int64_t whatever they are. */
#define DIGITS_PLAIN_MAX 18

/* The ordinary number, digits and nothing else, in one pass. False, with nothing taken, for all
 * others, be they numbers or not. */
static inline bool take_plain(struct text_line *line, uint64_t *value) {
    const char *start = text_skip_spaces(line->rest, line->end);
    const char *end = line->end;
    const char *at = start;
    uint64_t sum = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';
        if (digit > 9) {
            break;
        }
        sum = sum * 10 + digit;
    }
    if (at == start || at - start > DIGITS_PLAIN_MAX || (at < end && *at != ' ')) {
        return false;
    }
    line->rest = at;
    *value = sum;
    return true;
}

bool text_take_u64(struct text_line *line, uint64_t *value) {
    if (take_plain(line, value)) {
        return true;
    }
    struct text_word word = text_take_word(line);
    return number_parse_u64(word.start, word.length, value);
}

bool text_take_u32(struct text_line *line, uint32_t *value) {
    uint64_t wide;
    if (!text_take_u64(line, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

bool text_take_i64(struct text_line *line, int64_t *value) {
    uint64_t plain;
    if (take_plain(line, &plain)) {
        *value = (int64_t)plain;
        return true;
    }
    struct text_word word = text_take_word(line);
    return number_parse_i64(word.start, word.length, value);
}
