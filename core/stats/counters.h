/* counters: what one shard has done, by the names of memcached's statistics.
 *
 * Plain numbers with one writer, the shard's reactor. They reach another reactor only as a copy
 * inside a message; the copies of all shards are added up where `stats` was asked.
 */
#ifndef CORE_STATS_COUNTERS_H
#define CORE_STATS_COUNTERS_H

#include <stdint.h>

#include "store/store.h"

/* COUNT(name) for what has happened since the start or the last `stats reset`, GAUGE(name) for what
 * is so now; printed by `stats` under that name, in this order. */
#define COUNTERS(COUNT, GAUGE)                                                                     \
    GAUGE(curr_connections)                                                                        \
    COUNT(total_connections)                                                                       \
    COUNT(rejected_connections)                                                                    \
    COUNT(cmd_get)                                                                                 \
    COUNT(cmd_set)                                                                                 \
    COUNT(cmd_flush)                                                                               \
    COUNT(cmd_touch)                                                                               \
    COUNT(cmd_meta) /* me, as in memcached: the others count as the commands they stand for */     \
    COUNT(get_hits)                                                                                \
    COUNT(get_misses)                                                                              \
    COUNT(delete_misses)                                                                           \
    COUNT(delete_hits)                                                                             \
    COUNT(incr_misses)                                                                             \
    COUNT(incr_hits)                                                                               \
    COUNT(decr_misses)                                                                             \
    COUNT(decr_hits)                                                                               \
    COUNT(cas_misses)                                                                              \
    COUNT(cas_hits)                                                                                \
    COUNT(cas_badval)                                                                              \
    COUNT(touch_hits)                                                                              \
    COUNT(touch_misses)                                                                            \
    COUNT(store_too_large)                                                                         \
    COUNT(store_no_memory)                                                                         \
    COUNT(malloc_fails) /* connections that were closed for want of memory */                      \
    COUNT(auth_cmds)                                                                               \
    COUNT(auth_errors)                                                                             \
    COUNT(bytes_read)                                                                              \
    COUNT(bytes_written)                                                                           \
    GAUGE(accepting_conns) /* of the shard that accepts: 1 while it does */                        \
    COUNT(time_in_listen_disabled_us)                                                              \
    COUNT(listen_disabled_num)                                                                     \
    COUNT(idle_kicks)                                                                              \
    COUNT(stall_kicks) /* connections broken off since they held up others' large values */        \
    COUNT(conn_yields)                                                                             \
    GAUGE(lru_crawler_running) /* shards whose crawler is in the middle of a walk */               \
    COUNT(lru_crawler_starts)                                                                      \
    COUNT(reactor_turns)                                                                           \
    COUNT(reactor_sleeps)                                                                          \
    COUNT(reactor_wakes_sent)                                                                      \
    COUNT(mesh_requests)                                                                           \
    COUNT(mesh_stalls)                                                                             \
    GAUGE(buffer_bytes)

struct counters {
#define COUNTER_FIELD(name) uint64_t name;
    COUNTERS(COUNTER_FIELD, COUNTER_FIELD)
#undef COUNTER_FIELD
};

/* One shard's part of the answer to `stats`. */
struct shard_stats {
    struct counters counters;
    struct store_stats store;
};

/* `stats reset`: what has been counted is 0, what is so now stays. */
void counters_reset(struct counters *counters);

/* sum += part, field by field; of the store's figures that are no sums, as store_stats says. */
void shard_stats_add(struct shard_stats *sum, const struct shard_stats *part);

#endif
