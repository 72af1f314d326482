#include "core/pipeline/queue.h"

#include <assert.h>
#include <string.h>

#include "core/pipeline/outgoing.h"
#include "core/pipeline/output.h"
#include "core/pipeline/timing.h"
#include "core/shard/execute.h"

static struct message *queue_remove_first(struct pipeline *pipeline) {
    struct message *message = pipeline->first;
    pipeline->first = message->next;
    pipeline->queued--;
    pipeline->bare -= message->bare;
    return message;
}

/* Leases. */

static void lose_lease(struct message *message) {
    message->result.large = 0;
    message->refused = true;
}

/* Without credit for it the lease stays, until the next call. */
static void give_lease_back(struct pipeline *pipeline, struct shard *shard,
                            struct message *message) {
    uint32_t owner = shard_owner(shard, message->hash);
    if (shard_holds(shard, owner)) {
        lease_end(shard, owner, message->result.large);
        lose_lease(message);
        return;
    }
    if (!mesh_has_credit(shard->port, owner)) {
        return;
    }
    message->kind = MESSAGE_LEASE_BACK;
    message->large = message->result.large;
    queue_send(pipeline, shard, owner, message);
}

static void give_leases_back(struct pipeline *pipeline, struct shard *shard) {
    for (struct message *message = pipeline->first->next; message; message = message->next) {
        if (message->done && message->result.large) {
            give_lease_back(pipeline, shard, message);
        }
    }
}

/* A read that has brought its value, or failed to for want of a lease, keeps no write waiting. */
static void end_bare(struct pipeline *pipeline, struct message *message) {
    pipeline->bare -= message->bare;
    message->bare = false;
}

/* Asks for the lease that the first of the queue has been refused, or for the value that had no
 * space in it, once until queue_retry_lease(). True when it can be answered now. */
static bool request_lease(struct pipeline *pipeline, struct shard *shard) {
    struct message *first = pipeline->first;
    uint32_t owner = shard_owner(shard, first->hash);
    message_park(&shard->messages, first);
    if (!first->bare) {
        give_leases_back(pipeline, shard); /* what it waits for may be held for those */
    }
    if (!first->lease_asked && shard_holds(shard, owner)) {
        first->lease_asked = true;
        first->refused =
            !execute_lease(&shard->keys, pipeline, &first->request, first->hash, &first->result);
        end_bare(pipeline, first);
    } else if (!first->lease_asked && mesh_has_credit(shard->port, owner) &&
               message_widen(&shard->messages, first, true)) {
        first->lease_asked = true;
        first->kind = MESSAGE_LEASE;
        queue_send(pipeline, shard, owner, first);
        return false;
    }
    return !first->refused;
}

void queue_retry_lease(struct pipeline *pipeline, struct shard *shard) {
    assert(queue_wants_lease(pipeline));
    pipeline->first->lease_asked = false;
    queue_drain(pipeline, shard);
}

/* Replies. */

/* False when the reply is left in the queue: there is no memory, and it has a lease. */
static bool write_reply(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    if (message->kind == MESSAGE_SCAN) {
        output_take_chunk(pipeline, shard, message);
        return true;
    }
    if (message->kind == MESSAGE_EVERY_SHARD) {
        output_write_gathered(pipeline, shard, &message->request, (const void *)message->wide);
        return true;
    }
    uint32_t owner = shard_owner(shard, message->hash);
    return output_write_reply(pipeline, shard, &message->request, &message->result, owner) ||
           !message->result.large;
}

void queue_drain(struct pipeline *pipeline, struct shard *shard) {
    while (pipeline->first && pipeline->first->done) {
        struct message *message = pipeline->first;
        if ((message->refused && !request_lease(pipeline, shard)) ||
            !write_reply(pipeline, shard, message)) {
            return;
        }
        if (message->kind != MESSAGE_SCAN) {
            timing_note_queued(pipeline, shard, message);
        }
        queue_remove_first(pipeline);
        pipeline->drained++;
        message_give(&shard->messages, message);
    }
}

bool queue_drop(struct pipeline *pipeline, struct shard *shard) {
    while (pipeline->first && pipeline->first->done) {
        struct message *message = pipeline->first;
        uint64_t large = message->result.large;
        if (!message->refused && large &&
            !lease_end(shard, shard_owner(shard, message->hash), large)) {
            return false;
        }
        message_give(&shard->messages, queue_remove_first(pipeline));
    }
    return !pipeline->first;
}

/* Messages. */

bool queue_holds_back(const struct pipeline *pipeline, uint64_t hash) {
    for (const struct message *message = pipeline->first; message; message = message->next) {
        bool under_way = !message->done || message->refused;
        if (under_way && (message->kind != MESSAGE_REQUEST || message->hash == hash)) {
            return true;
        }
    }
    return false;
}

bool queue_has_lost(const struct pipeline *pipeline, uint64_t hash) {
    for (const struct message *message = pipeline->first; message; message = message->next) {
        if (message->bare && message->done && message->refused && message->hash == hash) {
            return true;
        }
    }
    return false;
}

/* Keeps the copy that a message has brought, if it has. */
__attribute__((noinline, cold)) static void keep_copy(struct shard *shard,
                                                      struct message *message) {
    struct copy_source source = {.request = &message->request,
                                 .hash = message->hash,
                                 .result = &message->result,
                                 .grant = message->grant};
    message->about_copy = false;
    if (source.grant.word != 0) {
        shard_keep_copy(shard, shard_owner(shard, message->hash), &source);
    }
}

void queue_note_bare(struct pipeline *pipeline, struct message *message, uint64_t hash) {
    if (pipeline->bare == 0) {
        memset(pipeline->bare_keys, 0, sizeof(pipeline->bare_keys));
    }
    message->bare = true;
    pipeline->bare++;
    pipeline->bare_keys[QUEUE_BARE_WORD(hash)] |= QUEUE_BARE_BITS(hash);
}

/* What was read behind a read that is sent again would be older than what that will bring. Replies
 * of one owner come in order, so that those are still under way. */
static void repeat_those_behind(struct message *message) {
    for (struct message *later = message->next; later; later = later->next) {
        later->again |= later->bare && later->hash == message->hash;
    }
}

/* One with a large value keeps its lease. */
static void drop_value(struct message *message) {
    message->again = false;
    if (message->result.large == 0) {
        message->result.value = NULL;
        message->result.value_length = 0;
        message->refused = true;
    }
}

/* Whether the next reads are to wait for wide ranges follows from the last ones. */
static void note_value(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    struct message_pool *pool = &shard->messages;
    const struct result *result = &message->result;
    if (__builtin_expect(message->again, false)) {
        drop_value(message);
    }
    bool lost =
        message->refused &&
        result->value_length <= store_inline_max(shard->keys.store, message->request.key_length);
    bool in_wide = result->value && result->value_length > MESSAGE_VALUE_BYTES_NEAR;
    if (lost || in_wide) {
        pool->wides_expected = MESSAGE_WIDES_EXPECTED;
    } else {
        pool->wides_expected -= pool->wides_expected > 0;
    }
    if (__builtin_expect(lost, false)) {
        repeat_those_behind(message);
    } else {
        end_bare(pipeline, message);
    }
    if (!in_wide) {
        message_narrow(pool, message);
    }
}

/* The completion of all messages of a queue. */
static void queue_complete(struct shard *shard, struct message *message) {
    struct pipeline *pipeline = message->requester;
    assert(pipeline->outstanding > 0);
    pipeline->outstanding--;
    message->done = true;
    if (message->kind == MESSAGE_LEASE_BACK) {
        lose_lease(message);
    }
    if (__builtin_expect(message->about_copy, false)) {
        keep_copy(shard, message);
    }
    if (message->kind == MESSAGE_LEASE && message->refused) {
        message_narrow(&shard->messages, message); /* for others, until it asks again */
        end_bare(pipeline, message);
    }
    if (message->kind == MESSAGE_REQUEST) {
        note_value(pipeline, shard, message);
    }
    if (!pipeline->aborted) {
        queue_drain(pipeline, shard);
    }
    shard->hooks->progressed(shard->reactor, pipeline);
}

struct message *queue_add(struct pipeline *pipeline, struct shard *shard, enum message_kind kind) {
    struct message *message = message_take(&shard->messages);
    assert(message);
    message->requester = pipeline;
    message->descriptor = pipeline->number;
    message->complete = queue_complete;
    message->kind = (uint8_t)kind;
    message->arrived_ns = pipeline->timing.arrived_ns;
    if (pipeline->first) {
        pipeline->last->next = message;
    } else {
        pipeline->first = message;
    }
    pipeline->last = message;
    pipeline->queued++;
    return message;
}

void queue_send(struct pipeline *pipeline, struct shard *shard, uint32_t to,
                struct message *message) {
    message->done = false;
    mesh_send_request(shard->port, to, message);
    shard->counters.mesh_requests++;
    pipeline->outstanding++;
}

void queue_executed(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    message->done = true;
    queue_drain(pipeline, shard);
}

/* For a long value: a wide range, or its read is run again. */
__attribute__((noinline)) static void queue_find_space(struct pipeline *pipeline,
                                                       struct shard *shard, struct message *message,
                                                       bool widens) {
    shard->messages.wides_expected = MESSAGE_WIDES_EXPECTED;
    if (widens) {
        queue_widen(pipeline, shard, message);
    } else {
        queue_note_bare(pipeline, message, message->hash);
    }
}

void queue_answer(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot,
                  const struct result *result, bool leased) {
    if (!pipeline->first && leased) {
        if (!output_write_reply(pipeline, shard, &slot->request, result, slot->owner) &&
            result->large) {
            lease_end(shard, slot->owner, result->large);
        }
        timing_note(pipeline, &slot->request);
        return;
    }
    bool widens = queue_may_widen(pipeline, shard);
    struct message *message = queue_add(pipeline, shard, MESSAGE_REQUEST);
    message_keep_request(message, &slot->request, slot->hash);
    message->refused = !leased;
    if (result->value && !message_fits(message, result->value_length)) {
        queue_find_space(pipeline, shard, message, widens);
    }
    message_set_result(message, result);
    queue_executed(pipeline, shard, message);
}
