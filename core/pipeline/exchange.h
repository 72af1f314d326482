/* exchange: a shard's part in the traffic between shards, once a turn: answer what others ask, take
 * what comes back. */
#ifndef CORE_PIPELINE_EXCHANGE_H
#define CORE_PIPELINE_EXCHANGE_H

#include <stdbool.h>

#include "core/pipeline/pipeline.h"
#include "core/shard/shard.h"

/* What the reactor does for the exchange. */
struct exchange_handler {
    void *context;
    /* A connection has been handed to this reactor. */
    void (*connection)(void *context, int descriptor);
    /* Replies have moved a pipeline of this shard on. */
    void (*progress)(void *context, struct pipeline *pipeline);
};

/* Runs the requests of other shards that have arrived and pushes their replies (to be published by
 * mesh_publish()). They are as many as the rings hold, at most: nobody has credit for more before
 * the replies are out. True when there were any. */
bool exchange_serve_peers(struct shard *shard, const struct exchange_handler *handler);

/* Takes the replies that have arrived. True when there were any. */
bool exchange_collect_replies(struct shard *shard, const struct exchange_handler *handler);

#endif
