/* output: replies on their way into the bytes that a connection sends.
 *
 * Each function writes at the end of pipeline->output. One that finds no memory sets
 * pipeline->out_of_memory: replies are lost then, and the connection is closed.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_OUTPUT_H
#define CORE_PIPELINE_OUTPUT_H

#include "core/pipeline/pipeline.h"

struct gather;

/* Makes space for `extra` bytes behind the output. False without memory. */
bool output_reserve(struct pipeline *pipeline, struct shard *shard, size_t extra);

/* Writes the reply to a request of one shard or of none. owner: the shard that holds a large value.
 * False without memory: the lease that the result has stays the caller's. */
bool output_write_reply(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const struct result *result, uint32_t owner);

/* Writes the reply to a command for every shard, of which all parts have been gathered. */
void output_write_gathered(struct pipeline *pipeline, struct shard *shard,
                           const struct request *request, const struct gather *gather);

/* Takes a chunk of the scan under way. */
void output_take_chunk(struct pipeline *pipeline, struct shard *shard, struct message *message);

#endif
