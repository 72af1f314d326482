/* history: what the page's curves are made of: figures of the last quarter of an hour, sampled
 * every HISTORY_INTERVAL_S, so that the page is not empty when it is opened.
 *
 * Thread: one.
 */
#ifndef CORE_SERVER_HISTORY_H
#define CORE_SERVER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/text.h"
#include "core/stats/metrics.h"

#define HISTORY_INTERVAL_S 2
#define HISTORY_SAMPLES 450

/* ROW(name, kind, value): a RATE is what a counter has grown by in a second, a GAUGE what is so
 * now. `sum` is over all shards. */
/* clang-format off */
#define HISTORY_SERIES(ROW)                                                                        \
    ROW(operations, RATE, history_operations(sum))                                                 \
    ROW(gets, RATE, sum->counters.cmd_get)                                                         \
    ROW(sets, RATE, sum->counters.cmd_set)                                                         \
    ROW(hits, RATE, sum->counters.get_hits)                                                        \
    ROW(misses, RATE, sum->counters.get_misses)                                                    \
    ROW(copied, RATE, sum->counters.hot_hits)                                                      \
    ROW(evictions, RATE, sum->store.evictions)                                                     \
    ROW(expired, RATE, sum->store.expired)                                                         \
    ROW(received_bytes, RATE, sum->counters.bytes_read)                                            \
    ROW(sent_bytes, RATE, sum->counters.bytes_written)                                             \
    ROW(opened_connections, RATE, sum->counters.total_connections)                                 \
    ROW(connections, GAUGE, sum->counters.curr_connections)                                        \
    ROW(items, GAUGE, sum->store.items)                                                            \
    ROW(memory_bytes, GAUGE, sum->store.memory_bytes)
/* clang-format on */

enum history_name {
#define HISTORY_NAME(name, kind, value) HISTORY_##name,
    HISTORY_SERIES(HISTORY_NAME)
#undef HISTORY_NAME
        HISTORY_NAMES
};

#define HISTORY_PERCENTILES 3

struct history_sample {
    double unix_s;
    double values[HISTORY_NAMES];
    double cpu; /* processors that the reactors have kept busy */
    /* Of all commands since the sample before: p50, p99 and p99.9 in microseconds; 0: there was
     * none. */
    double latency_us[HISTORY_PERCENTILES];
};

struct history {
    struct history_sample samples[HISTORY_SAMPLES];
    uint64_t count; /* ever taken; number n is at n % HISTORY_SAMPLES */

    /* What the next one is compared with. */
    bool begun;
    uint64_t last_ns;
    uint64_t last_cpu_ns;
    double last[HISTORY_NAMES];
    struct latency last_latency;
};

/* Takes a sample; the first call only begins. */
void history_add(struct history *history, const struct metrics_sources *sources);

/* Appends as JSON what has come behind number `after`; all with 0. */
void history_write(struct text *text, const struct history *history, uint64_t after);

#endif
