/* stats: the answers to `stats` and its sub-commands.
 *
 * stats_write() writes the answers that follow from a sum over all shards. The lists (sizes, conns,
 * detail dump, cachedump) are scanned shard by shard, with sizes.h, connection.h and prefix.h here,
 * and proto/reply.h.
 *
 * No value is made up: a statistic of memcached that has no meaning here is left out, unless 0 is
 * true and programs look for it.
 *
 * Thread: any; everything works on memory that the caller owns.
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
    /* Over all shards. May be NULL for sub-commands that have no use for it: `stats settings`. */
    const struct shard_stats *sum;
    const struct latency *latency;      /* likewise, for `stats latency` alone */
    const struct hotkeys_list *hotkeys; /* likewise, for `stats hotkeys` alone */
    uint32_t now;                       /* tick on the store's scale */
    int64_t unix_now;
    const struct server_facts *facts;
    const struct server_settings *settings;
    bool copies; /* of others' items: there is space for some */
    /* The list of servers; NULL: none is known. */
    const struct nodes *nodes;
    uint64_t now_ns; /* monotonic */
};

/* Appends the whole answer in the request's protocol. False when there is no memory: then `output`
 * has a part of it, and can't be sent. */
bool stats_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct stats_sources *sources);

#endif
