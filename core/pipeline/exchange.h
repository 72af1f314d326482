/* exchange: a reactor's part in the traffic between shards: it executes the messages of its peers,
 * and completes those of its own that have come back. What it does for shards of others stands in
 * core/pipeline/lend.h.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_PIPELINE_EXCHANGE_H
#define CORE_PIPELINE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shard/shard.h"

/* Messages that are prefetched together. A turn takes all messages of a ring, in such batches; who
 * has borrowed a shard takes one batch of each ring before it returns it. */
#define EXCHANGE_BATCH_MAX 32

/* Executes the messages of other shards that have arrived and sends them back (visible with
 * mesh_publish()). They are as many as the rings hold, at most: no shard has credit for more before
 * these are back. True when there were any. Only while the reactor has its keys. */
bool exchange_serve_peers(struct shard *shard);

/* Executes messages that `from` has sent to the shard `owner`, up to EXCHANGE_BATCH_MAX, and sends
 * them back. shard: of the reactor that has that one, its own or borrowed; it is told by that
 * reactor's panic report. */
void exchange_execute(struct shard *shard, struct shard *owner, struct message *const *messages,
                      uint32_t count, uint32_t from);

/* Completes the shard's messages that have come back. True when there were any. */
bool exchange_collect_replies(struct shard *shard);

#endif
