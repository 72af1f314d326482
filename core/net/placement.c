#include "core/net/placement.h"

#include "core/net/net.h"

static uint64_t placement_given_and_open(const struct placement *placement, const struct net *net,
                                         uint32_t reactor) {
    return placement->given[reactor] -
           atomic_load_explicit(&net->peers[reactor].connections_ended, memory_order_relaxed);
}

/* Below 0 for a moment, where a connection that has come is not counted and has ended or left. */
static int64_t placement_open_on(const struct placement *placement, const struct net *net,
                                 uint32_t reactor) {
    const struct net_peer *peer = &net->peers[reactor];
    return (int64_t)(placement_given_and_open(placement, net, reactor) +
                     atomic_load_explicit(&peer->connections_came, memory_order_relaxed) -
                     atomic_load_explicit(&peer->connections_left, memory_order_relaxed));
}

uint64_t placement_open(const struct placement *placement, const struct net *net) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < net->shard.count; i++) {
        sum += placement_given_and_open(placement, net, i);
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
