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
    if (length > 1 && text[0] == '+') {
        text++;
        length--;
    }
    return number_parse_digits(text, length, value);
}

bool number_parse_u32(const char *text, size_t length, uint32_t *value) {
    uint64_t wide;
    if (!number_parse_u64(text, length, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

bool number_parse_i64(const char *text, size_t length, int64_t *value) {
    bool negative = length > 1 && text[0] == '-';
    uint64_t magnitude;
    bool ok = negative ? number_parse_digits(text + 1, length - 1, &magnitude)
                       : number_parse_u64(text, length, &magnitude);
    if (!ok || magnitude > INT64_MAX) {
        return false;
    }
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

bool number_parse_seconds(const char *text, size_t length, int64_t *value) {
    int64_t wide;
    if (!number_parse_i64(text, length, &wide) || wide < INT32_MIN || wide > INT32_MAX) {
        return false;
    }
    *value = wide;
    return true;
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
