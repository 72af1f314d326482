/* Keys in base64 (RFC 4648, section 4), as the meta commands carry them. */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <stddef.h>

/* The length in base64 of `length` bytes. */
#define BASE64_LENGTH(length) (((size_t)(length) + 2) / 3 * 4)

/* Decodes text[0..length) to out, which holds `length` bytes. Returns the number of bytes written,
 * 0 when the text is empty or malformed. */
size_t base64_decode(char *out, const char *text, size_t length);

/* Writes BASE64_LENGTH(length) bytes; returns what follows them. */
char *base64_encode(char *out, const char *bytes, size_t length);

#endif
