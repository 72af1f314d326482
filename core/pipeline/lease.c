/* What a pipeline waits for of the stores' memory, or gives back.
 *
 * A store lends only so much. A reply that comes back without its lease waits at the front of the
 * queue and asks again; meanwhile those behind it give their leases back, so that nobody who waits
 * for one holds others that somebody else waits for.
 */
#include "core/pipeline/outgoing.h"
#include "core/pipeline/parts.h"
#include "core/pipeline/upload.h"
#include "core/shard/execute.h"

void pipeline_lose_lease(struct message *message) {
    message->result.large = 0;
    message->refused = true;
}

static void give_back(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    uint32_t owner = shard_owner(shard, message->hash);
    if (owner == shard->id) {
        lease_end(shard, owner, message->result.large);
        pipeline_lose_lease(message);
        return;
    }
    if (!mesh_has_credit(shard->port, owner)) {
        return; /* the next time */
    }
    message->kind = MESSAGE_LEASE_BACK;
    message->large = message->result.large;
    pipeline_send(pipeline, shard, owner, message);
}

static void give_back_all(struct pipeline *pipeline, struct shard *shard) {
    for (struct message *message = pipeline->first->next; message; message = message->next) {
        if (message->done && message->result.large) {
            give_back(pipeline, shard, message);
        }
    }
}

bool pipeline_request_lease(struct pipeline *pipeline, struct shard *shard) {
    struct message *first = pipeline->first;
    uint32_t owner = shard_owner(shard, first->hash);
    message_park(&shard->messages, first);
    give_back_all(pipeline, shard);
    if (!first->asked && owner == shard->id) {
        first->asked = true;
        first->refused =
            !execute_lease(shard, pipeline, &first->request, first->hash, &first->result);
    } else if (!first->asked && mesh_has_credit(shard->port, owner)) {
        first->asked = true;
        first->kind = MESSAGE_LEASE;
        pipeline_send(pipeline, shard, owner, first);
        return false;
    }
    return !first->refused;
}

static bool wants_lease(const struct pipeline *pipeline) {
    const struct message *first = pipeline->first;
    return first && first->done && first->refused;
}

static bool wants_upload(const struct pipeline *pipeline) {
    return pipeline->upload && upload_is_busy(pipeline->upload);
}

bool pipeline_wants_memory(const struct pipeline *pipeline) {
    return wants_lease(pipeline) || wants_upload(pipeline);
}

void pipeline_retry(struct pipeline *pipeline, struct shard *shard) {
    if (wants_upload(pipeline)) {
        upload_retry(pipeline, shard);
    }
    if (!wants_lease(pipeline)) {
        return;
    }
    pipeline->first->asked = false;
    pipeline_drain(pipeline, shard);
}

/* The replies that are here are not wanted any more. False when there is one that isn't, or no
 * credit for a lease. */
static bool drop_replies(struct pipeline *pipeline, struct shard *shard) {
    while (pipeline->first && pipeline->first->done) {
        struct message *message = pipeline->first;
        uint64_t large = message->result.large;
        if (!message->refused && large &&
            !lease_end(shard, shard_owner(shard, message->hash), large)) {
            return false;
        }
        pipeline->first = message->next;
        pipeline->queued--;
        message_give(&shard->messages, message);
    }
    return !pipeline->first;
}

bool pipeline_abort(struct pipeline *pipeline, struct shard *shard) {
    pipeline->aborted = pipeline->closing = true;
    bool returned = leases_end(shard, &pipeline->leases);
    bool dropped = drop_replies(pipeline, shard);
    bool cancelled = upload_abort(pipeline, shard);
    return returned && dropped && cancelled;
}
