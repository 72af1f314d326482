#include "core/shard/keyspace.h"

void keyspace_note_refusal(struct keyspace *keys) {
    atomic_store_explicit(&keys->refused_s, keys->now, memory_order_relaxed);
}

bool keyspace_has_refused(const struct keyspace *keys, uint32_t now) {
    uint32_t refused_s = atomic_load_explicit(&keys->refused_s, memory_order_relaxed);
    return refused_s > 0 && now <= refused_s + KEYSPACE_REFUSED_S;
}
