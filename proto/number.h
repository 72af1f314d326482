/* number: decimal numbers as the protocols have them, without locale, errno or allocation. */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits of the greatest uint64_t. */
#define NUMBER_DIGITS_MAX 20

/* Reads all of text[0..length) as a number with an optional plus sign. False, with *value
 * unchanged, when it is anything else, empty included, or too great. */
bool number_parse_u64(const char *text, size_t length, uint64_t *value);

/* The same within 32 bits; with an optional sign; and seconds: with a sign and within 32 bits. */
bool number_parse_u32(const char *text, size_t length, uint32_t *value);
bool number_parse_i64(const char *text, size_t length, int64_t *value);
bool number_parse_seconds(const char *text, size_t length, int64_t *value);

/* Writes at most NUMBER_DIGITS_MAX digits and no NUL. Returns what follows the last one. */
char *number_write(char *out, uint64_t value);

#endif
