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
#include "proto/request.h"

enum stats_group {
    /* Answered by stats_write() from the sum over all shards. */
    STATS_GENERAL,
    STATS_ITEMS,
    STATS_SLABS,
    /* Answered by stats_write() at once; the sum is not looked at. */
    STATS_SETTINGS,
    STATS_EMPTY,   /* a list in which nothing is: cachedump of a class that is not there */
    STATS_REFUSED, /* of a wrong form: command.line says why */
    STATS_UNKNOWN,
    /* Answered by stats_write() with command.line, after every shard has done as told. */
    STATS_RESET,
    STATS_DETAIL_ON,
    STATS_DETAIL_OFF,
    /* Walks; not for stats_write(). */
    STATS_SIZES,
    STATS_CONNS,
    STATS_DETAIL_DUMP,
    STATS_CACHEDUMP,
};

/* The sub-command of an OP_STATS, taken apart. */
struct stats_command {
    enum stats_group group;
    uint32_t items_max; /* STATS_CACHEDUMP: at most so many, 0 no limit */
    const char *line;   /* the answer of those that have but one; a literal */
};

/* What is asked for by request->key. In binary, as in memcached, there are neither conns nor
 * cachedump, and what is of a wrong form is unknown. */
struct stats_command stats_command_of(const struct request *request);

static inline enum stats_group stats_group_of(const struct request *request) {
    return stats_command_of(request).group;
}

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
