#include "proto/base64.h"

#include <stdbool.h>
#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a digit, or -1. */
static int base64_value_of(char digit) {
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    if (digit == '+') {
        return 62;
    }
    return digit == '/' ? 63 : -1;
}

/* Decodes the first `there` (2 to 4) of four digits into there - 1 bytes. */
static bool base64_decode_group(char *out, const char *text, size_t there) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < there ? base64_value_of(text[i]) : 0;
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i + 1 < there; i++) {
        out[i] = (char)(bits >> (16 - 8 * i));
    }
    return true;
}

size_t base64_decode(char *out, const char *text, size_t length) {
    if (length == 0 || length % 4 != 0) {
        return 0;
    }
    size_t padding = (size_t)(text[length - 1] == '=');
    padding += padding == 1 && text[length - 2] == '=';
    size_t there = length - padding;
    char *at = out;
    for (size_t i = 0; i < there; i += 4) {
        size_t group = there - i < 4 ? there - i : 4;
        if (!base64_decode_group(at, text + i, group)) {
            return 0;
        }
        at += group - 1;
    }
    return (size_t)(at - out);
}

char *base64_encode(char *out, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i += 3) {
        size_t there = length - i < 3 ? length - i : 3;
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++) {
            bits = bits << 8 | (j < there ? (unsigned char)bytes[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            *out++ = j <= there ? digits[bits >> (18 - 6 * j) & 63] : '=';
        }
    }
    return out;
}
