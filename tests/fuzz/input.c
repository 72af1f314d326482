#include "tests/fuzz/input.h"

#include <stdlib.h>
#include <string.h>

static const char long_key[] = " a-key-of-a-usual-length-for-a-get-of-many-of-them";
#define LONG_KEY_BYTES (sizeof(long_key) - 1)

/* Copies one byte of the stream, or what it stands for. Returns the bytes written. */
static size_t expand(char *out, char byte, uint32_t *expanded) {
    if (byte != '#' || *expanded == INPUT_LONG_MAX) {
        *out = byte;
        return 1;
    }
    ++*expanded;
    for (size_t i = 0; i < INPUT_LONG_KEYS; i++) {
        memcpy(out + i * LONG_KEY_BYTES, long_key, LONG_KEY_BYTES);
    }
    return INPUT_LONG_KEYS * LONG_KEY_BYTES;
}

bool input_init(struct input *input, const uint8_t *bytes, size_t length) {
    if (length <= INPUT_HEAD_BYTES) {
        return false;
    }
    *input = (struct input){
        .switches = bytes[0] & 31,
        .random = 1 + bytes[1] + 256 * (uint64_t)bytes[2] + 65536 * (uint64_t)bytes[3],
    };
    bool is_long = input->switches & INPUT_LONG;
    uint32_t expanded = is_long ? 0 : INPUT_LONG_MAX;
    input->stream = malloc(length + INPUT_LONG_MAX * INPUT_LONG_KEYS * LONG_KEY_BYTES);
    for (size_t i = INPUT_HEAD_BYTES; i < length; i++) {
        input->length += expand(input->stream + input->length, (char)bytes[i], &expanded);
    }
    return true;
}

void input_finish(struct input *input) {
    free(input->stream);
}

/* xorshift64* (Vigna 2016). */
uint32_t input_draw(struct input *input, uint32_t limit) {
    uint64_t state = input->random;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    input->random = state;
    return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 33) % limit;
}

size_t input_fragment(struct input *input, size_t left) {
    static const uint32_t longest[] = {1, 3, 16, 100, 3000};
    uint32_t kind = input_draw(input, sizeof(longest) / sizeof(*longest));
    uint32_t unit = input->switches & INPUT_LONG ? 1000 : 1;
    size_t length = 1 + input_draw(input, longest[kind] * unit);
    return length < left ? length : left;
}
