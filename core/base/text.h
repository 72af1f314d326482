/* text: a string that grows, for answers that are written in one go.
 *
 * When there is no memory it has failed: further calls do nothing, so that only the end has to
 * check. All zeros is an empty text.
 */
#ifndef CORE_BASE_TEXT_H
#define CORE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* not NUL-terminated; NULL while empty */
    size_t length;
    size_t capacity;
    bool failed;
};

void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add(struct text *text, const char *string);
__attribute__((format(printf, 2, 3))) void text_format(struct text *text, const char *format, ...);

/* Appends bytes as a string of JSON, with its quotes. What is no UTF-8, and control characters,
 * are written as the log writes them: \x and two digits, which JSON shows as these four characters.
 * No byte is left that ends an element or a script of HTML. */
void text_add_json(struct text *text, const char *bytes, size_t length);

/* The bytes of the UTF-8 character that `bytes` begins with, of up to `length`; 0: there is none.
 */
size_t text_character(const char *bytes, size_t length);

/* Frees the bytes; the text is empty then. */
void text_free(struct text *text);

#endif
