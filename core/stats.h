/* stats: the answer to the general `stats` command. */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/counters.h"
#include "proto/proto.h"

/* What is the same for all shards and known from the start. */
struct server_facts {
    const char *version;
    uint64_t start_ns; /* monotonic time of the start */
    uint64_t memory_bytes;
    uint32_t reactors;
    uint32_t connections_max;
};

/* Appends the whole answer in the request's protocol. False when there is no memory. */
bool stats_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct shard_stats *sum, const struct server_facts *facts);

#endif
