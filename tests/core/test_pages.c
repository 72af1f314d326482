/* pages: whose requests over HTTP are of this machine. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/pages.h"

Test(pages, local_hosts) {
    static const char *const local[] = {"localhost",      "LocalHost:9150", "127.0.0.1",
                                        "127.0.0.1:9150", "192.0.2.7:1",    "[::1]",
                                        "[::1]:9150",     "[2001:db8::1]",  "0.0.0.0"};
    static const char *const others[] = {"",
                                         ":80",
                                         "evil.example",
                                         "localhost.evil.example",
                                         "127.0.0.1.evil.example",
                                         "::1",
                                         "[::1",
                                         "[::1]x",
                                         "[127.0.0.1]",
                                         "127.0.0.1:x",
                                         "localhost:1:2",
                                         "127.1",
                                         "2130706433",
                                         "localhost "};
    for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++) {
        cr_assert(pages_is_local_host(local[i]), "%s", local[i]);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        cr_assert(not(pages_is_local_host(others[i])), "%s", others[i]);
    }
}

/* Samples are rates between two, and the oldest make way. */
Test(pages, history) {
    struct snapshot *one = snapshot_create(1);
    uint64_t cpu_ns = 0;
    struct metrics_sources sources = {.snapshot = one, .cpu_ns = &cpu_ns};
    struct history *history = calloc(1, sizeof(*history));
    struct text text = {0};
    for (uint32_t i = 0; i <= 2 * HISTORY_SAMPLES; i++) {
        one->monotonic_ns = (uint64_t)i * 2000000000;
        one->sum.counters.cmd_get = (uint64_t)i * 100;
        one->sum.counters.curr_connections = i;
        cpu_ns = (uint64_t)i * 1000000000;
        history_add(history, &sources);
    }
    cr_assert(eq(u64, history->count, 2 * HISTORY_SAMPLES));
    const struct history_sample *sample = &history->samples[5];
    cr_assert(eq(dbl, sample->values[HISTORY_gets], 50));
    cr_assert(eq(dbl, sample->values[HISTORY_connections], HISTORY_SAMPLES + 6));
    cr_assert(eq(dbl, sample->cpu, 0.5));
    one->monotonic_ns += 2000000000;
    one->sum.counters.cmd_get = 0; /* stats reset */
    history_add(history, &sources);
    cr_assert(eq(dbl, history->samples[0].values[HISTORY_gets], 0));
    history_write(&text, history, 2 * HISTORY_SAMPLES);
    text_add_bytes(&text, "", 1);
    bool begins = strstr(text.bytes, "\"rows\":[[0,"), has_more = strstr(text.bytes, "],[");
    cr_assert(begins);
    cr_assert(not(has_more));
    text_free(&text);
    free(history);
    free(one);
}
