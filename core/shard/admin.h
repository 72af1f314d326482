/* admin: commands that concern every shard. Each shard carries out its part; what the last one says
 * is the answer.
 *
 * Thread: the reactor that owns the shard.
 */
#ifndef CORE_SHARD_ADMIN_H
#define CORE_SHARD_ADMIN_H

#include <stdbool.h>

#include "core/shard/shard.h"
#include "core/stats/counters.h"
#include "proto/request.h"

/* A shard's part. For OP_STATS what it has counted goes to *stats. */
void admin_execute(struct shard *shard, const struct request *request, struct shard_stats *stats,
                   struct result *result);

#endif
