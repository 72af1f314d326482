/* Fuzzes what bench/load makes of a server's replies: any bytes, whole and in fragments, behind
 * requests that follow from the input. Checked: fragments make no difference, and what is left is
 * no longer than a reply's head. */
#include <assert.h>
#include <string.h>

#include "bench/load_exchange.h"
#include "tests/fuzz/input.h"

#define DEPTH 8
#define KEYS_MAX 3
#define NOW_NS 1000

struct outcome {
    bool is_reply;
    size_t taken;
    uint32_t under_way;
    struct exchange_counts counts;
};

static void ask(struct exchange *exchange, struct input *input) {
    while (!exchange_is_full(exchange)) {
        uint32_t count = input_draw(input, KEYS_MAX + 1);
        uint32_t *numbers = exchange_begin(exchange, 1, count);
        for (uint32_t i = 0; i < count; i++) {
            numbers[i] = input_draw(input, exchange->common->keys->count);
        }
    }
}

static struct outcome take(const struct input *given, bool fragments) {
    struct input input = *given;
    struct keys keys;
    struct exchange exchange;
    struct exchange_common common = {
        .protocol = (enum protocol)(input.switches % 3), .verify = true, .keys = &keys};
    struct outcome outcome = {.is_reply = true};
    size_t end = 0, taken;
    keys_init(&keys, "k", 10, 0);
    assert(keys_take_sizes(&keys, "0:1,5:1,40:1"));
    assert(exchange_init(&exchange, &common, DEPTH, KEYS_MAX));
    ask(&exchange, &input);
    while (outcome.is_reply && end < input.length) {
        end += fragments ? input_fragment(&input, input.length - end) : input.length;
        outcome.is_reply = exchange_take(&exchange, input.stream + outcome.taken,
                                         end - outcome.taken, NOW_NS, &taken);
        outcome.taken += taken;
        assert(outcome.taken <= end);
        assert(!outcome.is_reply || end - outcome.taken <= PROTOCOL_HEAD_BYTES_MAX);
    }
    outcome.under_way = exchange.count;
    outcome.counts = common.counts;
    exchange_finish(&exchange);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct input input;
    if (!input_init(&input, bytes, length)) {
        return 0;
    }
    struct outcome whole = take(&input, false), parts = take(&input, true);
    assert(whole.is_reply == parts.is_reply);
    assert(whole.taken == parts.taken);
    assert(whole.under_way == parts.under_way);
    assert(memcmp(&whole.counts, &parts.counts, sizeof(whole.counts)) == 0);
    input_finish(&input);
    return 0;
}
