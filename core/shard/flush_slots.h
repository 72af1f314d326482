/* flush_slots: places for rules of flush_prefix, of which each shard's store has
 * STORE_PREFIXES_MAX. The connection's reactor takes one at each shard, or none, before it sends
 * the command to any: so either all shards take the rule, or none. A shard gives places back as its
 * rules end.
 */
#ifndef CORE_SHARD_FLUSH_SLOTS_H
#define CORE_SHARD_FLUSH_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct keyspace;
struct shard;

/* Promises the command a place at each shard; false when one of them has none. Thread: any
 * reactor's. */
bool flush_slots_take(struct shard *shard);

/* Takes the promise back from the shards from this number on, to which the command is not sent.
 * Thread: the one that took it. */
void flush_slots_return(struct shard *shard, uint32_t first);

/* Counts the rules that the store has now; `promised` is 1 when the last one has been promised.
 * Thread: the one that serves the keys. */
void flush_slots_settle(struct keyspace *keys, uint32_t promised);

#endif
