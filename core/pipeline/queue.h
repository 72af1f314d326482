/* queue: the messages of requests whose replies are owed, in the order of the requests.
 *
 *     first ─▶ done ─▶ done ─▶ at another shard ─▶ done ─▶ last
 *              └──┬──┘
 *                 └ queue_drain() moves these replies to the output
 *
 * The store of a large value grants only a bounded number of leases. A reply that has come back
 * without its lease waits at the front of the queue and asks again. Those behind it meanwhile give
 * their leases back, so that no connection that waits for a lease holds one that another
 * connection waits for.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_QUEUE_H
#define CORE_PIPELINE_QUEUE_H

#include "core/pipeline/pipeline.h"

/* Whether the queue may take one more request; a message is free for it then. */
static inline bool queue_may_add(const struct pipeline *pipeline, const struct shard *shard) {
    return pipeline->queued < PIPELINE_QUEUE_MAX && shard_may_take_message(shard, pipeline->queued);
}

/* Whether a request is under way that one for a key of this hash may not overtake: one for the same
 * key, or one that concerns more than a key. */
bool queue_holds_back(const struct pipeline *pipeline, uint64_t hash);

/* Adds a message of that kind at the end; queue_may_add() has been true. */
struct message *queue_add(struct pipeline *pipeline, struct shard *shard, enum message_kind kind);

/* Whether one more request may be added and sent to the shard `to`. */
static inline bool queue_may_send(const struct pipeline *pipeline, const struct shard *shard,
                                  uint32_t to) {
    return queue_may_add(pipeline, shard) && mesh_has_credit(shard->port, to);
}

/* Sends a message of the queue to a shard for which there is credit. */
void queue_send(struct pipeline *pipeline, struct shard *shard, uint32_t to,
                struct message *message);

/* A message of the queue has been executed on this shard: its reply is due. */
void queue_executed(struct pipeline *pipeline, struct shard *shard, struct message *message);

/* Answers a request that has been executed at once, on this shard or a borrowed one, behind the
 * replies owed before it; queue_may_add(), unless the queue is empty. leased: whether the result
 * has the lease that it needs, as execute() returned. */
void queue_answer(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot,
                  const struct result *result, bool leased);

/* Moves the replies that are due to the output. */
void queue_drain(struct pipeline *pipeline, struct shard *shard);

/* True while the first reply waits for its lease; queue_retry_lease() asks for it again. */
static inline bool queue_wants_lease(const struct pipeline *pipeline) {
    const struct message *first = pipeline->first;
    return first && first->done && first->refused;
}
void queue_retry_lease(struct pipeline *pipeline, struct shard *shard);

/* Drops the replies that have come, for a connection that is gone. False when one has not come yet,
 * or when there is no credit for ending a lease. */
bool queue_drop(struct pipeline *pipeline, struct shard *shard);

#endif
