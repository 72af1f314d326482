/* number: decimal numbers in values, as incr and decr see them. Private to the store. */
#ifndef STORE_NUMBER_H
#define STORE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#define NUMBER_DIGITS_MAX 20 /* of 2^64 - 1 */

/* What memcached takes for a number: white space, a sign, digits, and then the end, white space or
 * a zero byte, after which anything may follow. A negative one is none, but for -0. */
bool number_parse(const char *text, uint32_t length, uint64_t *number);

/* Writes without a final zero byte; the number of digits. */
uint32_t number_format(uint64_t number, char text[NUMBER_DIGITS_MAX]);

#endif
