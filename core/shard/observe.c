#include "core/shard/observe.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/shard/share.h"

static void observe_keys(struct shard *shard, struct snapshot_part *part) {
    struct keyspace *keys = &shard->keys;
    uint32_t bounds[SNAPSHOT_AGES - 1];
    const struct store_ages ages = {.bounds = bounds,
                                    .count = SNAPSHOT_AGES - 1,
                                    .small = part->ages[0],
                                    .main = part->ages[1]};
    for (uint32_t i = 0; i < SNAPSHOT_AGES - 1; i++) {
        bounds[i] = snapshot_age_bounds_s[i] * CLOCK_TICKS_PER_SECOND;
    }
    memset(part->ages, 0, sizeof(part->ages));
    store_stats(keys->store, &part->stats.store);
    store_count_ages(keys->store, keys->now, &ages);
    latency_peek(&part->latency, &shard->latency);
    part->hotkeys.count = 0;
    if (!shard->facts->config->no_dump) {
        hotkeys_list(&keys->hotkeys, &part->hotkeys, keys->now_ns);
        share_mark(keys, &part->hotkeys);
    }
}

void observe_shard(struct shard *shard, struct snapshot_part *part) {
    shard_stats_read(shard, &part->stats);
    observe_keys(shard, part);
}

void observe_borrowed(struct shard *owner, struct snapshot_part *part) {
    part->stats.counters = owner->keys.left_counters;
    counters_add(&part->stats.counters, &owner->keys.counters);
    observe_keys(owner, part);
}
