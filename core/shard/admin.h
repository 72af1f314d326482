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

/* What the list of slab classes behind a crawler command means here, where all items are of class
 * 1. */
enum admin_classes {
    ADMIN_CLASSES_ALL,
    ADMIN_CLASSES_NONE, /* others than 1 only */
    ADMIN_CLASSES_BAD,
};
enum admin_classes admin_classes_of(const struct request *request);

#endif
