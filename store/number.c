#include "store/number.h"

#include <string.h>

/* isspace() of the C locale, which may not be the program's. */
static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool number_parse(const char *text, uint32_t length, uint64_t *number) {
    uint32_t i = 0;
    while (i < length && is_space(text[i])) {
        i++;
    }
    bool negative = i < length && text[i] == '-';
    if (i < length && (text[i] == '-' || text[i] == '+')) {
        i++;
    }
    uint32_t first = i;
    uint64_t sum = 0;
    for (; i < length && is_digit(text[i]); i++) {
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum)) {
            return false;
        }
    }
    if (i == first || (negative && sum != 0)) {
        return false;
    }
    if (i < length && !is_space(text[i]) && text[i] != '\0') {
        return false;
    }
    *number = sum;
    return true;
}

uint32_t number_format(uint64_t number, char text[NUMBER_DIGITS_MAX]) {
    char digits[NUMBER_DIGITS_MAX];
    uint32_t at = NUMBER_DIGITS_MAX;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    memcpy(text, digits + at, NUMBER_DIGITS_MAX - at);
    return NUMBER_DIGITS_MAX - at;
}
