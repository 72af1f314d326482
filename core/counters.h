/* counters: what one shard has done, by the names of memcached's statistics.
 *
 * Plain numbers with one writer, the shard's reactor. They reach another reactor only as a copy
 * inside a message; the copies of all shards are added up where `stats` was asked.
 */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include <stdint.h>

#include "store/store.h"

/* X(name): printed by `stats` under that name, in this order. */
#define COUNTERS(X)                                                                                \
    X(curr_connections)                                                                            \
    X(total_connections)                                                                           \
    X(rejected_connections)                                                                        \
    X(cmd_get)                                                                                     \
    X(cmd_set)                                                                                     \
    X(cmd_flush)                                                                                   \
    X(cmd_touch)                                                                                   \
    X(get_hits)                                                                                    \
    X(get_misses)                                                                                  \
    X(delete_misses)                                                                               \
    X(delete_hits)                                                                                 \
    X(incr_misses)                                                                                 \
    X(incr_hits)                                                                                   \
    X(decr_misses)                                                                                 \
    X(decr_hits)                                                                                   \
    X(cas_misses)                                                                                  \
    X(cas_hits)                                                                                    \
    X(cas_badval)                                                                                  \
    X(touch_hits)                                                                                  \
    X(touch_misses)                                                                                \
    X(store_too_large)                                                                             \
    X(store_no_memory)                                                                             \
    X(bytes_read)                                                                                  \
    X(bytes_written)                                                                               \
    X(listen_disabled_num)                                                                         \
    X(conn_yields)                                                                                 \
    X(reactor_turns)                                                                               \
    X(reactor_sleeps)                                                                              \
    X(reactor_wakes_sent)                                                                          \
    X(mesh_requests)                                                                               \
    X(mesh_stalls)                                                                                 \
    X(buffer_bytes)

struct counters {
#define COUNTER_FIELD(name) uint64_t name;
    COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

/* One shard's part of the answer to `stats`. */
struct shard_stats {
    struct counters counters;
    struct store_stats store;
};

/* sum += part, field by field. */
void shard_stats_add(struct shard_stats *sum, const struct shard_stats *part);

#endif
