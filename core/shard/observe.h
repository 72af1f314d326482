/* observe: a shard's part of a snapshot (core/stats/snapshot.h).
 *
 * Thread: the reactor that has the shard.
 */
#ifndef CORE_SHARD_OBSERVE_H
#define CORE_SHARD_OBSERVE_H

#include "core/shard/shard.h"
#include "core/stats/snapshot.h"

/* Writes the part of the caller's own reactor and shard. */
void observe_shard(struct shard *shard, struct snapshot_part *part);

/* The same of a borrowed shard, while its reactor is in the kernel: what that has counted is as of
 * when it left its keys. */
void observe_borrowed(struct shard *owner, struct snapshot_part *part);

#endif
