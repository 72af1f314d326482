/* Traces: what lines mean, and what follows from a key. */
#include "bench/trace.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* Reads text; the result of trace_read(). */
static uint64_t read_text(struct trace *trace, const char *text, struct trace_options options) {
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    trace_init(trace);
    uint64_t line = trace_read(trace, file, &options);
    fclose(file);
    return line;
}

static const struct trace_key *request(const struct trace *trace, size_t at) {
    return &trace->keys[trace->requests[at]];
}

static bool is_key(const struct trace *trace, size_t at, const char *text) {
    const struct trace_key *key = request(trace, at);
    return key->length == strlen(text) && memcmp(trace->text + key->text, text, key->length) == 0;
}

Test(trace, blocks_are_counted_up) {
    struct trace trace;
    cr_assert(eq(
        u64, read_text(&trace, "7 3 0 0\n8 1 0 1\n", (struct trace_options){.blocks = true}), 0));
    cr_assert(eq(sz, trace.requests_count, 4));
    cr_assert(eq(u32, trace.keys_count, 3));
    cr_assert(is_key(&trace, 2, "9"));
    cr_assert(is_key(&trace, 3, "8"));
    trace_finish(&trace);
}

Test(trace, keys_with_and_without_bytes) {
    struct trace trace;
    struct trace_options own = {.own_sizes = true};
    cr_assert(eq(u64, read_text(&trace, "a\nb,5\r\na,9", (struct trace_options){0}), 0));
    cr_assert(is_key(&trace, 1, "b"));
    cr_assert(eq(u32, trace.requests[0], trace.requests[2]));
    cr_assert(eq(u32, request(&trace, 1)->value_bytes, trace_value_bytes(trace_hash("b", 1))));
    trace_finish(&trace);
    cr_assert(eq(u64, read_text(&trace, "b,5\nc,2000000\nb,7\n", own), 0));
    cr_assert(eq(u32, request(&trace, 2)->value_bytes, 5));
    cr_assert(eq(u32, request(&trace, 1)->value_bytes, TRACE_VALUE_BYTES_MAX));
    trace_finish(&trace);
}

Test(trace, no_request_is_named_by_its_line) {
    static const char *const wrong[] = {"a\n\n", "a\nb c\n", "a\nb,x\n", "a\nb,1,2\n"};
    struct trace trace;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        cr_assert(eq(u64, read_text(&trace, wrong[i], (struct trace_options){0}), 2));
        trace_finish(&trace);
    }
    cr_assert(eq(u64, read_text(&trace, "a\n", (struct trace_options){.own_sizes = true}), 1));
    trace_finish(&trace);
    cr_assert(eq(u64, read_text(&trace, "1 x\n", (struct trace_options){.blocks = true}), 1));
    trace_finish(&trace);
}

Test(trace, long_keys_end_at_250) {
    struct trace trace;
    char text[260];
    memset(text, 'k', sizeof(text));
    strcpy(text + 250, "\n");
    cr_assert(eq(u64, read_text(&trace, text, (struct trace_options){0}), 0));
    trace_finish(&trace);
    strcpy(text + 249, "kk\n");
    cr_assert(eq(u64, read_text(&trace, text, (struct trace_options){0}), 1));
    trace_finish(&trace);
}

Test(trace, only_the_first_requests) {
    struct trace trace;
    struct trace_options options = {.blocks = true, .requests_max = 5};
    cr_assert(eq(u64, read_text(&trace, "1 3\n1 3\n1 3\n", options), 0));
    cr_assert(eq(sz, trace.requests_count, 5));
    trace_finish(&trace);
}

/* 60 % of 64 to 200 bytes, 30 % to 800, 10 % to 4096; and more keys than any table had room for. */
Test(trace, sizes_are_spread_as_said) {
    struct trace trace;
    struct trace_options options = {.requests_max = 100000, .zipf_keys = 100000, .seed = 3};
    size_t small = 0, middle = 0;
    trace_init(&trace);
    trace_generate(&trace, &options); /* exponent 0: all keys alike */
    cr_assert(lt(u32, 60000, trace.keys_count));
    for (uint32_t i = 0; i < trace.keys_count; i++) {
        cr_assert(ge(u32, trace.keys[i].value_bytes, 64));
        cr_assert(le(u32, trace.keys[i].value_bytes, 4096));
        small += trace.keys[i].value_bytes <= 200;
        middle += trace.keys[i].value_bytes > 200 && trace.keys[i].value_bytes <= 800;
    }
    cr_assert(eq(u32, (uint32_t)(small * 100 / trace.keys_count + 1) / 2, 30));
    cr_assert(eq(u32, (uint32_t)(middle * 100 / trace.keys_count + 1) / 2, 15));
    trace_finish(&trace);
}

/* Exponent 1 over three keys: 6/11, 3/11, 2/11 of the requests. */
Test(trace, zipf_follows_its_exponent) {
    struct trace trace;
    struct trace_options options = {.requests_max = 110000, .zipf = 1, .zipf_keys = 3, .seed = 1};
    int counts[3] = {0};
    trace_init(&trace);
    trace_generate(&trace, &options);
    for (size_t i = 0; i < trace.requests_count; i++) {
        counts[trace.text[request(&trace, i)->text] - '0']++;
    }
    for (int rank = 0; rank < 3; rank++) {
        cr_assert(lt(int, abs(counts[rank] - 60000 / (rank + 1)), 1000));
    }
    trace_finish(&trace);
}

Test(trace, values_differ_by_key_and_fill_their_length) {
    char one[201], other[201];
    struct trace_key key = {.hash = trace_hash("a", 1), .value_bytes = 199};
    memset(one, '.', sizeof(one));
    trace_put_value(one, &key);
    cr_assert(eq(chr, one[199], '.'));
    key.hash = trace_hash("b", 1);
    trace_put_value(other, &key);
    for (size_t i = 0; i < 192; i += 8) {
        cr_assert(ne(int, memcmp(one + i, other + i, 8), 0));
    }
}
