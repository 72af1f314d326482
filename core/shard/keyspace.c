#include "core/shard/keyspace.h"

#include "core/base/clock.h"

void keyspace_pass_time(struct keyspace *keys, uint64_t now_ns, uint64_t start_ns) {
    int64_t now = clock_store_seconds(now_ns, start_ns) + keys->debug_offset_s;
    if (now_ns > keys->now_ns) {
        keys->now_ns = now_ns;
    }
    if (!keys->debug_paused && now > keys->now) {
        keys->now = (uint32_t)now;
    }
}

void keyspace_note_refusal(struct keyspace *keys) {
    atomic_store_explicit(&keys->refused_s, keys->now, memory_order_relaxed);
}

bool keyspace_has_refused(const struct keyspace *keys, uint32_t now) {
    uint32_t refused_s = atomic_load_explicit(&keys->refused_s, memory_order_relaxed);
    return refused_s > 0 && now <= refused_s + KEYSPACE_REFUSED_S;
}
