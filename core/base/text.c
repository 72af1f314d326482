#include "core/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_FIRST 4096

/* Makes room for so many bytes more. */
static bool text_reserve(struct text *text, size_t bytes) {
    size_t capacity = text->capacity ? text->capacity : TEXT_BYTES_FIRST;
    if (text->failed) {
        return false;
    }
    while (capacity - text->length < bytes) {
        capacity *= 2;
    }
    if (capacity == text->capacity) {
        return true;
    }
    char *larger = realloc(text->bytes, capacity);
    if (!larger) {
        text->failed = true;
        return false;
    }
    text->bytes = larger;
    text->capacity = capacity;
    return true;
}

void text_add_bytes(struct text *text, const char *bytes, size_t length) {
    if (length > 0 && text_reserve(text, length)) {
        memcpy(text->bytes + text->length, bytes, length);
        text->length += length;
    }
}

void text_add(struct text *text, const char *string) {
    text_add_bytes(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !text_reserve(text, (size_t)length + 1)) {
        text->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

/* The length that a first byte promises, and the least character of that length (RFC 3629). */
static size_t text_promised(unsigned char first, uint32_t *least) {
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    *least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    return length;
}

size_t text_character(const char *bytes, size_t length) {
    unsigned char first = length > 0 ? (unsigned char)*bytes : 0;
    uint32_t least = 0;
    if (first < 0x80) {
        return length > 0;
    }
    size_t promised = text_promised(first, &least);
    if (promised == 0 || promised > length) {
        return 0;
    }
    uint32_t character = first & (0x7fu >> promised);
    for (size_t i = 1; i < promised; i++) {
        if (((unsigned char)bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        character = character << 6 | ((unsigned char)bytes[i] & 0x3f);
    }
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    return character < least || surrogate || character > 0x10ffff ? 0 : promised;
}

/* Control characters, those of Latin-1 among them. */
static bool text_is_control(const char *bytes, size_t length) {
    unsigned char first = (unsigned char)bytes[0];
    return (length == 1 && (first < 0x20 || first == 0x7f)) ||
           (length == 2 && first == 0xc2 && (unsigned char)bytes[1] < 0xa0);
}

static void text_add_json_character(struct text *text, const char *bytes, size_t length) {
    if (length == 1 && strchr("\"\\<>&'", *bytes)) {
        text_format(text, "\\u%04x", (unsigned char)*bytes);
    } else {
        text_add_bytes(text, bytes, length);
    }
}

void text_add_json(struct text *text, const char *bytes, size_t length) {
    text_add(text, "\"");
    for (size_t at = 0; at < length;) {
        size_t character = text_character(bytes + at, length - at);
        if (character == 0 || text_is_control(bytes + at, character)) {
            text_format(text, "\\\\x%02x", (unsigned char)bytes[at++]);
        } else {
            text_add_json_character(text, bytes + at, character);
            at += character;
        }
    }
    text_add(text, "\"");
}

void text_free(struct text *text) {
    free(text->bytes);
    *text = (struct text){0};
}
