#include "proto/line.h"

#include "proto/number.h"

/* Any number of this many digits fits into an int64_t. */
#define DIGITS_PLAIN_MAX 18

/* The usual number, digits and nothing else, in one pass. Returns how many digits; 0, with nothing
 * taken, for all other words, whether they are numbers or not. */
static inline size_t line_take_plain(struct line *line, uint64_t *value) {
    const char *start = line_skip_spaces(line->rest, line->end);
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
    if (at - start > DIGITS_PLAIN_MAX || (at < end && *at != ' ')) {
        return 0;
    }
    line->rest = at;
    *value = sum;
    return (size_t)(at - start);
}

bool line_take_u64(struct line *line, uint64_t *value) {
    if (line_take_plain(line, value) > 0) {
        return true;
    }
    struct word word = line_take_word(line);
    return number_parse_u64(word.start, word.length, value);
}

bool line_take_u32(struct line *line, uint32_t *value) {
    struct word word = line_take_word(line);
    return number_parse_u32(word.start, word.length, value);
}

bool line_take_i32(struct line *line, int64_t *value) {
    uint64_t plain;
    size_t digits = line_take_plain(line, &plain);
    if (digits > 0) {
        *value = (int64_t)plain;
        return digits <= NUMBER_LENGTH_32_MAX && plain <= INT32_MAX;
    }
    struct word word = line_take_word(line);
    return number_parse_i32(word.start, word.length, value);
}

/* The next word by number_parse_front(), which may read on behind it. */
static bool line_take_front(struct line *line, int64_t *value) {
    struct word word = line_take_word(line);
    return number_parse_front(word.start, (size_t)(line->end - word.start), value);
}

bool line_take_flags(struct line *line, uint32_t *value) {
    int64_t wide;
    uint64_t plain;
    if (line_take_plain(line, &plain) > 0) {
        wide = (int64_t)plain;
    } else if (!line_take_front(line, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return wide >= 0 && wide <= UINT32_MAX;
}

bool line_take_exptime(struct line *line, int64_t *value) {
    uint64_t plain;
    int64_t wide;
    if (line_take_plain(line, &plain) > 0) {
        *value = (int32_t)plain;
        return true;
    }
    if (!line_take_front(line, &wide)) {
        return false;
    }
    *value = (int32_t)wide;
    return true;
}

bool line_is_quiet(const struct line *line) {
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
