#include "core/net/placement.h"

#include "core/net/net.h"

static uint64_t placement_open_on(const struct placement *placement, const struct net *net,
                                  uint32_t reactor) {
    return placement->given[reactor] -
           atomic_load_explicit(&net->peers[reactor].connections_ended, memory_order_relaxed);
}

uint64_t placement_open(const struct placement *placement, const struct net *net) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < net->shard.count; i++) {
        sum += placement_open_on(placement, net, i);
    }
    return sum;
}

static uint32_t placement_choose(const struct placement *placement, const struct net *net) {
    uint32_t best = 0;
    if (!shard_has_spare_message(&net->shard)) {
        return best;
    }
    for (uint32_t i = 1; i < net->shard.count; i++) {
        if (placement_open_on(placement, net, i) < placement_open_on(placement, net, best) &&
            mesh_has_credit(net->shard.port, i)) {
            best = i;
        }
    }
    return best;
}

uint32_t placement_take(struct placement *placement, const struct net *net) {
    uint32_t chosen = placement_choose(placement, net);
    placement->given[chosen]++;
    return chosen;
}
