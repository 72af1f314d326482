/* admin: commands that concern every shard. Each shard executes its part; the result of the shard
 * with the highest number is the answer.
 *
 * Thread: the reactor that owns the shard.
 */
#ifndef CORE_SHARD_ADMIN_H
#define CORE_SHARD_ADMIN_H

#include <stdbool.h>

#include "core/shard/shard.h"
#include "core/stats/counters.h"
#include "proto/request.h"

/* Executes a shard's part. For OP_STATS its figures are written to *part, by the group of the
 * sub-command. */
void admin_execute(struct shard *shard, const struct request *request, union stats_part *part,
                   struct result *result);

#endif
