#include "core/shard/keyspace.h"

#include "core/base/clock.h"

void keyspace_pass_tick(struct keyspace *keys, uint32_t tick) {
    keys->tick = tick;
    uint32_t now = clock_tick_moved(tick, keys->debug_offset_s);
    if (!keys->debug_paused && now > keys->now) {
        keys->now = now;
    }
}

void keyspace_note_refusal(struct keyspace *keys) {
    atomic_store_explicit(&keys->refused_ns, keys->now_ns, memory_order_relaxed);
}

bool keyspace_has_refused(const struct keyspace *keys, uint64_t now_ns) {
    uint64_t refused_ns = atomic_load_explicit(&keys->refused_ns, memory_order_relaxed);
    return refused_ns > 0 && now_ns <= refused_ns + KEYSPACE_REFUSED_NS;
}
