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

#include <assert.h>

#include "core/pipeline/pipeline.h"

/* Whether the queue may take one more request for a key, which keeps the order of that key's
 * operations; a message is free for it then. A read that was sent without space for a long value
 * may have to be sent again: nothing for its key is run behind it before it has its value. */
static inline bool queue_has_place(const struct pipeline *pipeline, const struct shard *shard) {
    bool one_more = pipeline->queued == 0 || !buffer_pool_is_scarce(&shard->buffers);
    return pipeline->queued < PIPELINE_QUEUE_MAX && one_more &&
           shard_may_take_message(shard, pipeline->queued);
}

/* Whether a request is under way that one for a key of this hash may not overtake: one for the same
 * key, or one that concerns more than a key. */
bool queue_holds_back(const struct pipeline *pipeline, uint64_t hash);

/* Two bits of one word stand for a hash, so that with a full queue a few of a hundred keys that are
 * not in it are looked for. */
#define QUEUE_BARE_BITS(hash)                                                                      \
    ((uint64_t)1 << ((hash) >> 32 & 63) | (uint64_t)1 << ((hash) >> 38 & 63))
#define QUEUE_BARE_WORD(hash) ((hash) >> 44 & (PIPELINE_BARE_WORDS - 1))

static inline bool queue_would_overtake(const struct pipeline *pipeline, uint64_t hash) {
    return pipeline->bare > 0 &&
           (~pipeline->bare_keys[QUEUE_BARE_WORD(hash)] & QUEUE_BARE_BITS(hash)) == 0 &&
           queue_holds_back(pipeline, hash);
}
static inline bool queue_may_add_key(const struct pipeline *pipeline, const struct shard *shard,
                                     uint64_t hash) {
    return queue_has_place(pipeline, shard) && !queue_would_overtake(pipeline, hash);
}

/* The same of a request that is about no key, or all. */
static inline bool queue_may_add(const struct pipeline *pipeline, const struct shard *shard) {
    return pipeline->bare == 0 && queue_has_place(pipeline, shard);
}

/* Whether a wide range may be had for one more message: a connection holds at most about a fifth of
 * them. The first message of a queue may have one that is spare, as it waits for no other. */
static inline bool queue_may_widen(const struct pipeline *pipeline, const struct shard *shard) {
    uint32_t left = pipeline->queued == 0 ? 0 : MESSAGE_WIDES_SHARED + 4 * pipeline->queued;
    return shard->messages.wides_free > left;
}

/* The same for a message that keeps it until others have come back. */
static inline bool queue_may_gather(const struct pipeline *pipeline, const struct shard *shard) {
    return queue_may_widen(pipeline, shard) && shard->messages.wides_free > MESSAGE_WIDES_SPARE;
}

/* Gives a message that has just been added a wide range; queue_may_widen() has been true. */
static inline void queue_widen(const struct pipeline *pipeline, struct shard *shard,
                               struct message *message) {
    bool widened = message_widen(&shard->messages, message, pipeline->queued == 1);
    assert(widened);
}

/* Or notes that it has none, and is a read of that key. */
void queue_note_bare(struct pipeline *pipeline, struct message *message, uint64_t hash);

/* Whether a read of this key has lost its value for want of space, and has still to get it. */
bool queue_has_lost(const struct pipeline *pipeline, uint64_t hash);

/* Whether a request that may bring a value is run without space for a long one: a plain read, while
 * no long values are expected. Should it find one, it is run again when it is the first. */
static inline bool queue_may_lack(const struct shard *shard, const struct request *request) {
    return shard->messages.wides_expected == 0 && request_only_reads(request);
}

/* Whether the queue may take one more request for a key that is executed at once. */
static inline bool queue_may_answer(const struct pipeline *pipeline, const struct shard *shard,
                                    const struct batch_slot *slot) {
    bool brings = op_returns_value((enum op)slot->request.op);
    return queue_may_add_key(pipeline, shard, slot->hash) &&
           (!brings || queue_may_widen(pipeline, shard) || queue_may_lack(shard, &slot->request));
}

/* Adds a message of that kind at the end; queue_may_add() has been true. */
struct message *queue_add(struct pipeline *pipeline, struct shard *shard, enum message_kind kind);

/* Whether one more request may be added, as by queue_may_add(), and sent to the shard `to`. */
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
 * replies owed before it; queue_may_answer(), unless the queue is empty. leased: whether the result
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
