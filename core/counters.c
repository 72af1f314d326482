#include "core/counters.h"

void counters_reset(struct counters *counters) {
    const struct counters before = *counters;
    *counters = (struct counters){0};
#define KEEP(name) counters->name = before.name;
#define DROP(name)
    COUNTERS(DROP, KEEP)
#undef KEEP
#undef DROP
}

static uint64_t greater(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

void shard_stats_add(struct shard_stats *sum, const struct shard_stats *part) {
    /* Both parts are nothing but uint64_t. */
    _Static_assert(sizeof *sum % sizeof(uint64_t) == 0, "a sum of 64-bit numbers");
    uint64_t segment_bytes = greater(sum->store.segment_bytes, part->store.segment_bytes);
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)part;
    for (size_t i = 0; i < sizeof *sum / sizeof(uint64_t); i++)
        to[i] += from[i];
    sum->store.segment_bytes = segment_bytes;
}
