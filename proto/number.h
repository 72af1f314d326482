/* number: decimal numbers as memcached 1.6.45 reads them, without locale, errno or allocation.
 *
 * It has two readers. Its own (vendor/mcmc) takes digits alone, in few characters. That of flags
 * and exptime of a text set is strtol(3), which takes white space and a sign in front.
 */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits of the greatest uint64_t. */
#define NUMBER_DIGITS_MAX 20

/* The most characters of a number that is read to 64 and to 32 bits: leading zeros count. */
#define NUMBER_LENGTH_64_MAX 22
#define NUMBER_LENGTH_32_MAX 11

/* Reads all of text[0..length) as a number: digits and nothing else. False, with *value unchanged,
 * when it is anything else, empty included, or too great or too long. */
bool number_parse_u64(const char *text, size_t length, uint64_t *value);
bool number_parse_u32(const char *text, size_t length, uint32_t *value);

/* The same with an optional minus sign, which alone is 0; within 64 and within 32 bits. */
bool number_parse_i64(const char *text, size_t length, int64_t *value);
bool number_parse_i32(const char *text, size_t length, int64_t *value);

/* Reads a number at the front of text[0..length) as strtol(3) does: after white space and an
 * optional sign. It must end there, or with white space or a zero byte, behind which may be
 * anything. False, with *value unchanged, when there is none or it is too great. */
bool number_parse_front(const char *text, size_t length, int64_t *value);

/* Writes at most NUMBER_DIGITS_MAX digits and no NUL. Returns what follows the last one. */
char *number_write(char *out, uint64_t value);

#endif
