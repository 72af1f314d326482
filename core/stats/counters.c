#include "core/stats/counters.h"

#define COUNTERS_KEEP_COUNT(name)
#define COUNTERS_KEEP_GAUGE(name) counters->name = before.name;
#define COUNTERS_KEEP(name, type, unit, sentence) COUNTERS_KEEP_##type(name)

void counters_reset(struct counters *counters) {
    const struct counters before = *counters;
    *counters = (struct counters){0};
    COUNTERS(COUNTERS_KEEP)
    COUNTERS_TLS(COUNTERS_KEEP)
}

/* Adds structures that consist of 64-bit numbers alone. */
static void add_numbers(void *sum, const void *part, size_t bytes) {
    uint64_t *to = sum;
    const uint64_t *from = part;
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
        to[i] += from[i];
    }
}

void counters_add(struct counters *sum, const struct counters *part) {
    _Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "64-bit numbers");
    add_numbers(sum, part, sizeof(*sum));
}

static uint64_t counters_greatest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* The lesser of two times, of which 0 means none. */
static uint64_t counters_least(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) {
        return a + b;
    }
    return a < b ? a : b;
}

void shard_stats_add(struct shard_stats *sum, const struct shard_stats *part) {
    _Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "64-bit numbers");
    const struct store_stats before = sum->store;
    add_numbers(sum, part, sizeof(*sum));
    sum->store.segment_bytes = counters_greatest(before.segment_bytes, part->store.segment_bytes);
    sum->store.evicted_idle = counters_greatest(before.evicted_idle, part->store.evicted_idle);
    sum->store.prefixes = counters_greatest(before.prefixes, part->store.prefixes);
    sum->store.oldest_time = counters_least(before.oldest_time, part->store.oldest_time);
    sum->store.small.oldest_time =
        counters_least(before.small.oldest_time, part->store.small.oldest_time);
    sum->store.main.oldest_time =
        counters_least(before.main.oldest_time, part->store.main.oldest_time);
}
