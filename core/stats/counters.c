#include "core/stats/counters.h"

void counters_reset(struct counters *counters) {
    const struct counters before = *counters;
    *counters = (struct counters){0};
#define KEEP(name) counters->name = before.name;
#define DROP(name)
    COUNTERS(DROP, KEEP)
#undef KEEP
#undef DROP
}

static uint64_t greatest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Of those that are not 0. */
static uint64_t least(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) {
        return a + b;
    }
    return a < b ? a : b;
}

void shard_stats_add(struct shard_stats *sum, const struct shard_stats *part) {
    /* Both parts are nothing but uint64_t. */
    _Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "a sum of 64-bit numbers");
    const struct store_stats before = sum->store;
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)part;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++) {
        to[i] += from[i];
    }
    sum->store.segment_bytes = greatest(before.segment_bytes, part->store.segment_bytes);
    sum->store.evicted_idle = greatest(before.evicted_idle, part->store.evicted_idle);
    sum->store.oldest_time = least(before.oldest_time, part->store.oldest_time);
    sum->store.small.oldest_time = least(before.small.oldest_time, part->store.small.oldest_time);
    sum->store.main.oldest_time = least(before.main.oldest_time, part->store.main.oldest_time);
}
