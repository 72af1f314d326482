/* Fuzzes all that lies between two sockets, without them: one connection's stream on a server of
 * two shards, fed whole and in fragments, with the other shard and the client taking their turns as
 * the input says.
 *
 * Checked, beside what the parts assert of themselves: the pipeline always takes bytes again or
 * closes, nothing is left over at the end, and the client is sent the same, whatever the turns.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/fixture.h"
#include "tests/fuzz/input.h"

#define SHARDS 2
#define RING_CAPACITY_BITS 8                /* 1 to 128 messages */
#define MEMORY_BYTES STORE_MEMORY_BYTES_MIN /* so that a value of 2 KiB is a large one */
#define FEED_BYTES_MAX ((size_t)16 * 1024)  /* received at once by a reactor */

/* Fragments of a stream make no difference but for lines beyond the limit. These answers differ by
 * themselves: statistics (also the opcode 0x10) and dumps, which are ordered by memory. */
static bool is_repeatable(const struct input *input) {
    return input->length <= TEXT_LINE_LENGTH_MAX &&
           !memmem(input->stream, input->length, "stats", 5) &&
           !memmem(input->stream, input->length, "dump", 4) &&
           !memchr(input->stream, 0x10, input->length);
}

static struct fixture *start(const struct input *input) {
    struct fixture *fixture = malloc(sizeof(*fixture));
    fixture_init(fixture, SHARDS, 1u << input->random % RING_CAPACITY_BITS, MEMORY_BYTES);
    return fixture;
}

static void stop(struct fixture *fixture) {
    fixture_finish(fixture);
    free(fixture);
}

static bool goes_on(const struct fixture *fixture) {
    return !fixture->pipeline.closing && !fixture->broken;
}

/* In pieces as large as a reactor receives them. */
static struct fixture *feed_whole(const struct input *input) {
    struct fixture *fixture = start(input);
    for (size_t at = 0; at < input->length && goes_on(fixture); at += FEED_BYTES_MAX) {
        size_t left = input->length - at;
        fixture_turn(fixture, input->stream + at, left < FEED_BYTES_MAX ? left : FEED_BYTES_MAX);
        fixture_run_until_idle(fixture);
    }
    assert(!goes_on(fixture) || fixture_takes_bytes(fixture));
    return fixture;
}

/* Turns for some of them. */
static void move(struct fixture *fixture, struct input *input) {
    if (input_draw(input, 2)) {
        fixture_serve(fixture, 1, 1 + input_draw(input, 3));
    }
    if (input_draw(input, 2)) {
        fixture_read(fixture, 1 + input_draw(input, 1000));
    }
    if (input_draw(input, 2)) {
        fixture_turn(fixture, NULL, 0);
    }
}

static struct fixture *feed_fragments(struct input input) {
    struct fixture *fixture = start(&input);
    for (size_t at = 0; at < input.length && goes_on(fixture);) {
        if (!fixture_takes_bytes(fixture)) {
            fixture_run_until_idle(fixture);
        }
        if (!goes_on(fixture)) {
            break;
        }
        assert(fixture_takes_bytes(fixture));
        size_t length = input_fragment(&input, input.length - at);
        if (length > FEED_BYTES_MAX) {
            length = FEED_BYTES_MAX;
        }
        fixture_turn(fixture, input.stream + at, length);
        at += length;
        move(fixture, &input);
    }
    fixture_run_until_idle(fixture);
    return fixture;
}

static bool is_same(const struct input *input) {
    struct fixture *whole = feed_whole(input);
    struct fixture *parts = feed_fragments(*input);
    bool same = whole->received_length == parts->received_length &&
                memcmp(whole->received ? whole->received : "",
                       parts->received ? parts->received : "", whole->received_length) == 0;
    same &= whole->pipeline.closing == parts->pipeline.closing;
    assert(!whole->broken && !parts->broken);
    stop(whole);
    stop(parts);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct input input;
    if (!input_init(&input, bytes, length)) {
        return 0;
    }
    /* Absolute expiry times are measured by the wall clock: a second that begins between the two
     * may show, but not twice. */
    bool same = is_same(&input);
    if (is_repeatable(&input)) {
        assert(same || is_same(&input));
    }
    input_finish(&input);
    return 0;
}
