/* elsewhere: simplecache with all connections on its first reactor and all keys on its last shard,
 * so that each request goes over the mesh. It is the server, linked so that hashes are made and
 * connections are given out here (ld's --wrap).
 */
#include "core/net/placement.h"
#include "core/shard/shard.h"

uint64_t __real_shard_hash(const struct shard *shard, const char *key, uint32_t length);
uint64_t __wrap_shard_hash(const struct shard *shard, const char *key, uint32_t length);
uint32_t __wrap_placement_take(struct placement *placement, const struct net *net);

uint64_t __wrap_shard_hash(const struct shard *shard, const char *key, uint32_t length) {
    return __real_shard_hash(shard, key, length) | (uint64_t)UINT16_MAX << 48;
}

uint32_t __wrap_placement_take(struct placement *placement, const struct net *net) {
    (void)net;
    placement->given[0]++;
    return 0;
}
