#include "core/shard/answered.h"

void answered_add_earlier(struct answered *answered, struct latency *latency, uint64_t now_ns) {
    for (uint32_t i = 0; i < answered->earlier_count; i++) {
        const struct answered_group *group = &answered->earlier[i];
        uint64_t ns = now_ns - group->arrived_ns;
        latency_add(latency, (enum latency_kind)group->kind, latency_bucket(ns), ns, group->count);
    }
    answered->earlier_count = 0;
}
