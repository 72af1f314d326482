#include "proto/number.h"

#include <string.h>

/* Any number of this many digits fits into 64 bits: no check for overflow is needed. */
#define DIGITS_SAFE 19

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

static inline unsigned number_digit(char c) {
    return (unsigned char)c - (unsigned)'0';
}

/* A number of more than DIGITS_SAFE digits, which may have leading zeros. */
static bool number_parse_long(const char *text, size_t length, uint64_t *value) {
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = number_digit(text[i]);
        if (digit > 9 || __builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)digit, &sum)) {
            return false;
        }
    }
    *value = sum;
    return true;
}

static bool number_parse_digits(const char *text, size_t length, uint64_t *value) {
    if (length == 0) {
        return false;
    }
    if (length > DIGITS_SAFE) {
        return number_parse_long(text, length, value);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = number_digit(text[i]);
        if (digit > 9) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool number_parse_u64(const char *text, size_t length, uint64_t *value) {
    return length <= NUMBER_LENGTH_64_MAX && number_parse_digits(text, length, value);
}

bool number_parse_u32(const char *text, size_t length, uint32_t *value) {
    uint64_t wide;
    if (length > NUMBER_LENGTH_32_MAX || !number_parse_digits(text, length, &wide) ||
        wide > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

/* False when the number is outside -max - 1 .. max. */
static bool number_sign(uint64_t magnitude, bool negative, int64_t max, int64_t *value) {
    if (magnitude > (uint64_t)max + negative) {
        return false;
    }
    *value = (int64_t)(negative ? -magnitude : magnitude);
    return true;
}

static bool number_parse_signed(const char *text, size_t length, int64_t max, int64_t *value) {
    if (length == 0) {
        return false; /* there may be no text at all, and no offset from that */
    }
    bool negative = text[0] == '-';
    uint64_t magnitude = 0;
    bool sign_alone = negative && length == 1;
    return (sign_alone || number_parse_digits(text + negative, length - negative, &magnitude)) &&
           number_sign(magnitude, negative, max, value);
}

bool number_parse_i64(const char *text, size_t length, int64_t *value) {
    return length <= NUMBER_LENGTH_64_MAX && number_parse_signed(text, length, INT64_MAX, value);
}

bool number_parse_i32(const char *text, size_t length, int64_t *value) {
    return length <= NUMBER_LENGTH_32_MAX && number_parse_signed(text, length, INT32_MAX, value);
}

/* isspace() of the C locale, which may not be the program's. */
static bool number_is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool number_parse_front(const char *text, size_t length, int64_t *value) {
    const char *end = text + length;
    const char *at = text;
    while (at < end && number_is_space(*at)) {
        at++;
    }
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    const char *digits = at;
    while (at < end && number_digit(*at) <= 9) {
        at++;
    }
    uint64_t magnitude;
    bool ends = at == end || number_is_space(*at) || *at == '\0';
    return ends && number_parse_digits(digits, (size_t)(at - digits), &magnitude) &&
           number_sign(magnitude, negative, INT64_MAX, value);
}

static unsigned number_count_digits(uint64_t value) {
    unsigned digits = 1;
    while (value >= 10000) {
        value /= 10000;
        digits += 4;
    }
    return digits + (value >= 10) + (value >= 100) + (value >= 1000);
}

char *number_write(char *out, uint64_t value) {
    if (value < 10) {
        *out = (char)('0' + value);
        return out + 1;
    }
    char *end = out + number_count_digits(value);
    char *at = end;
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        memcpy(at - 2, digit_pairs + value * 2, 2);
    } else {
        at[-1] = (char)('0' + value);
    }
    return end;
}
