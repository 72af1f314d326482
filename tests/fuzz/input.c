#include "tests/fuzz/input.h"

bool input_init(struct input *input, const uint8_t *bytes, size_t length) {
    if (length < INPUT_HEAD_BYTES)
        return false;
    *input = (struct input){
        .switches = bytes[0] & 15,
        .random = 1 + bytes[1] + 256 * (uint64_t)bytes[2] + 65536 * (uint64_t)bytes[3],
        .stream = (const char *)bytes + INPUT_HEAD_BYTES,
        .length = length - INPUT_HEAD_BYTES,
    };
    return true;
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
    uint32_t kind = input_draw(input, sizeof longest / sizeof *longest);
    size_t length = 1 + input_draw(input, longest[kind]);
    return length < left ? length : left;
}
