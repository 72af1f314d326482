/* input: what the fuzzers make of libFuzzer's bytes: a head of four, that any bytes will do for,
 * and the stream.
 *
 *     +----------+------+------+------+----------
 *     | switches |  seed of the       | stream …
 *     |          |  fragments         |
 *     +----------+------+------+------+----------
 *
 * In the corpora the head is made of letters and digits: the low five bits of the first one are the
 * switches, so that digits stand for the first four.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum input_switch {
    INPUT_MUST_LOGIN = 1 << 0,
    INPUT_SMALL_VALUES = 1 << 1, /* values above VALUE_LENGTH_SMALL are refused */
    INPUT_UPLOADS = 1 << 2,      /* values above UPLOAD_FROM come as uploads */
    INPUT_SASL = 1 << 3,
    INPUT_LONG = 1 << 4, /* each # of the stream becomes INPUT_LONG_KEYS keys */
};

#define INPUT_HEAD_BYTES 4

/* Two of these are longer than a get line that is looked at as a whole. */
#define INPUT_LONG_KEYS ((size_t)700)
#define INPUT_LONG_MAX 4 /* so many of a stream; further ones stay # */

struct input {
    uint8_t switches;
    uint64_t random; /* state of input_draw() */
    char *stream;
    size_t length;
};

/* False when there is nothing behind the head. Ended by input_finish(). */
bool input_init(struct input *input, const uint8_t *bytes, size_t length);
void input_finish(struct input *input);

/* A number below limit. */
uint32_t input_draw(struct input *input, uint32_t limit);

/* How long the next fragment of a stream with `left` bytes is, at least 1: mostly short. */
size_t input_fragment(struct input *input, size_t left);

#endif
