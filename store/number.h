/* number: decimal numbers in values, as incr and decr see them. Private to the store. */
#ifndef STORE_NUMBER_H
#define STORE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#define NUMBER_DIGITS_MAX 20 /* of 2^64 - 1 */

/* Parses what memcached takes for a number: white space, a sign, digits, and then the end, white
 * space or a zero byte, after which anything may follow. Returns false when text is none, when it
 * does not fit in 64 bits, or when it is negative (-0 is 0). */
bool number_parse(const char *text, uint32_t length, uint64_t *number);

/* Writes the digits, without a final zero byte; returns their number. */
uint32_t number_format(uint64_t number, char text[NUMBER_DIGITS_MAX]);

#endif
