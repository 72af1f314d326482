#include "core/shard/flush_slots.h"

#include <assert.h>

#include "core/shard/shard.h"

/* Relaxed throughout: the number alone is shared, and each change of it is one operation. The rules
 * that it stands for are added and dropped by the thread that serves the keys. */

static bool flush_slots_take_one(struct keyspace *keys) {
    uint32_t taken = atomic_load_explicit(&keys->flush_slots, memory_order_relaxed);
    do {
        if (taken >= STORE_PREFIXES_MAX) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&keys->flush_slots, &taken, taken + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void flush_slots_give(struct keyspace *keys, uint32_t slots) {
    uint32_t before = atomic_fetch_sub_explicit(&keys->flush_slots, slots, memory_order_relaxed);
    assert(before >= slots);
}

bool flush_slots_take(struct shard *shard) {
    for (uint32_t i = 0; i < shard->count; i++) {
        if (!flush_slots_take_one(&shard->all[i]->keys)) {
            while (i-- > 0) {
                flush_slots_give(&shard->all[i]->keys, 1);
            }
            return false;
        }
    }
    return true;
}

void flush_slots_return(struct shard *shard, uint32_t first) {
    for (uint32_t i = first; i < shard->count; i++) {
        flush_slots_give(&shard->all[i]->keys, 1);
    }
}

void flush_slots_settle(struct keyspace *keys, uint32_t promised) {
    uint32_t rules = store_prefixes(keys->store);
    uint32_t counted = keys->flush_rules + promised;
    assert(rules <= counted);
    keys->flush_rules = rules;
    if (rules < counted) {
        flush_slots_give(keys, counted - rules);
    }
}
