/* exchange: a shard's part in the traffic between shards, once a turn: it executes the messages of
 * its peers, and completes those of its own that have come back. */
#ifndef CORE_PIPELINE_EXCHANGE_H
#define CORE_PIPELINE_EXCHANGE_H

#include <stdbool.h>

#include "core/shard/shard.h"

/* Executes the messages of other shards that have arrived and sends them back (visible with
 * mesh_publish()). They are as many as the rings hold, at most: no shard has credit for more before
 * these are back. True when there were any. */
bool exchange_serve_peers(struct shard *shard);

/* Completes the shard's messages that have come back. True when there were any. */
bool exchange_collect_replies(struct shard *shard);

#endif
