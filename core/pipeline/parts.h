/* What the files of the pipeline share. Private to them.
 *
 *     pipeline.c        requests run, replies leave the queue
 *     pipeline_input.c  bytes come in and are parsed
 *     pipeline_lease.c  waiting for memory of a store, and giving it back
 *     upload.c          values come part by part
 */
#ifndef CORE_PIPELINE_PARTS_H
#define CORE_PIPELINE_PARTS_H

#include "core/pipeline/pipeline.h"

/* Runs the request of a slot. False, with nothing changed, when it can't be done now. */
bool pipeline_run(struct shard *shard, const struct batch_slot *slot);

/* Whether another request may be in the queue; a message with a place in it then. */
bool pipeline_may_enqueue(const struct pipeline *pipeline, const struct shard *shard);
struct message *pipeline_enqueue(struct pipeline *pipeline, struct shard *shard);

/* Sends a message of the queue to a shard for which there is credit. */
void pipeline_send(struct pipeline *pipeline, struct shard *shard, uint32_t to,
                   struct message *message);

/* Answers a request that has been run here, in its turn; pipeline_may_enqueue(), unless the queue
 * is empty. lent: whether the result has the lease that it needs, see execute(). */
void pipeline_answer(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot,
                     const struct result *result, bool lent);

/* The lease of a message of the queue has been given back. */
void pipeline_lose_lease(struct message *message);

/* Moves the replies that are due to the output. */
void pipeline_drain(struct pipeline *pipeline, struct shard *shard);

/* Asks for the lease that the first of the queue has been refused. True when it can be answered
 * now. */
bool pipeline_request_lease(struct pipeline *pipeline, struct shard *shard);

#endif
