/* stats: the answers to `stats` and its sub-commands.
 *
 * Those that a sum over all shards answers are written by stats_write(). Those that list things
 * (sizes, conns, detail dump, cachedump) are walked shard by shard: stats_sizes.h,
 * stats_connection.h, prefix.h and proto/reply.h have what is needed for each.
 *
 * Every figure is true: what memcached lists and has no meaning here is left out, or 0 where that
 * is the truth and programs look for it.
 *
 * Thread: any; all of it works on what the caller owns.
 */
#ifndef CORE_STATS_COMMAND_H
#define CORE_STATS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/facts.h"
#include "core/base/settings.h"
#include "core/stats/counters.h"
#include "proto/stats.h"

struct stats_sources {
    const struct shard_stats *sum; /* over all shards; may be NULL where it isn't looked at */
    uint32_t now;                  /* on the store's scale */
    int64_t unix_now;
    const struct server_facts *facts;
    const struct server_settings *settings;
};

/* Appends the whole answer in the request's protocol. False when there is no memory; what is in
 * output then is of no use. */
bool stats_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct stats_sources *sources);

#endif
