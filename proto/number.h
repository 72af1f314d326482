/* Decimal numbers as they stand on the wire, without locale, errno or allocation. */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits of the greatest uint64_t. */
#define NUMBER_DIGITS_MAX 20

/* Reads all of text[0..length) as a number with an optional plus sign. False when it is anything
 * else, empty included, or does not fit; *value is then left alone. */
bool number_parse_u64(const char *text, size_t length, uint64_t *value);

/* The same with an upper limit, with a sign, and with both: a time that fits into 32 bits. */
bool number_parse_u32(const char *text, size_t length, uint32_t *value);
bool number_parse_i64(const char *text, size_t length, int64_t *value);
bool number_parse_seconds(const char *text, size_t length, int64_t *value);

/* Writes the digits, at most NUMBER_DIGITS_MAX, no terminator. Returns what follows the last one.
 */
char *number_write(char *out, uint64_t value);

#endif
