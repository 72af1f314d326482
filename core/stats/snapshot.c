#include "core/stats/snapshot.h"

#include <stdlib.h>
#include <string.h>

const uint32_t snapshot_age_bounds_s[SNAPSHOT_AGES - 1] = {10, 60, 300, 1800, 7200, 43200, 172800};

struct snapshot *snapshot_create(uint32_t cores) {
    void *memory;
    size_t bytes = sizeof(struct snapshot) + cores * sizeof(struct snapshot_part);
    if (posix_memalign(&memory, SNAPSHOT_PART_ALIGNMENT, bytes) != 0) {
        return NULL;
    }
    struct snapshot *snapshot = memset(memory, 0, bytes);
    snapshot->cores = cores;
    return snapshot;
}

static void snapshot_add_ages(struct snapshot *snapshot, const struct snapshot_part *part) {
    for (uint32_t queue = 0; queue < 2; queue++) {
        for (uint32_t age = 0; age < SNAPSHOT_AGES; age++) {
            snapshot->ages[queue][age] += part->ages[queue][age];
        }
    }
}

void snapshot_add_up(struct snapshot *snapshot) {
    memset(&snapshot->sum, 0, sizeof(snapshot->sum));
    memset(snapshot->ages, 0, sizeof(snapshot->ages));
    memset(&snapshot->latency, 0, sizeof(snapshot->latency));
    memset(&snapshot->hotkeys, 0, sizeof(snapshot->hotkeys));
    for (uint32_t i = 0; i < snapshot->cores; i++) {
        shard_stats_add(&snapshot->sum, &snapshot->parts[i].stats);
        snapshot_add_ages(snapshot, &snapshot->parts[i]);
        latency_merge(&snapshot->latency, &snapshot->parts[i].latency);
        hotkeys_merge(&snapshot->hotkeys, &snapshot->parts[i].hotkeys);
    }
}

static uint64_t snapshot_rest(uint64_t whole, uint64_t part) {
    return whole > part ? whole - part : 0;
}

struct snapshot_memory snapshot_memory(const struct snapshot *snapshot) {
    const struct store_stats *store = &snapshot->sum.store;
    uint64_t segments = store->segments * store->segment_bytes;
    struct snapshot_memory memory = {
        .small_items = store->small.item_bytes,
        .main_items = store->main.item_bytes,
        .dead_items = store->dead_bytes,
        .segments_rest = snapshot_rest(segments, store->item_bytes + store->dead_bytes),
        .index = store->index_bytes,
        .ghosts = store->ghost_bytes,
        .copies = snapshot->sum.counters.hot_bytes,
        .buffers = snapshot->sum.counters.buffer_bytes,
    };
    memory.bookkeeping =
        snapshot_rest(store->memory_bytes, segments + store->index_bytes + store->ghost_bytes);
    memory.free = snapshot_rest(store->memory_bytes_max, store->memory_bytes);
    return memory;
}
