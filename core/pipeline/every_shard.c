#include "core/pipeline/every_shard.h"

#include "core/pipeline/queue.h"
#include "core/shard/flush_slots.h"
#include "core/shard/gather.h"
#include "core/shard/watch_lines.h"

static struct gather *gather_of(struct message *message) {
    _Static_assert(sizeof(struct gather) <= MESSAGE_VALUE_BYTES_MAX, "it fits the wide range");
    return (struct gather *)message->wide;
}

static void every_shard_done(struct shard *shard, struct gather *gather) {
    struct message *message = gather->context;
    struct pipeline *pipeline = message->requester;
    pipeline->gather = NULL;
    message->complete(shard, message);
}

/* The message in the queue counts as outstanding until the gather is done. Its result is in the
 * gather: of its own it has none, and no lease, whatever it was used for before. */
static struct message *start_gather(struct pipeline *pipeline, struct shard *shard,
                                    const struct request *request) {
    struct message *message = queue_add(pipeline, shard, MESSAGE_EVERY_SHARD);
    message_widen(&shard->messages, message, false);
    message_keep_request(message, request, 0);
    message->result = (struct result){.status = RESULT_OK};
    gather_init(gather_of(message), every_shard_done, message);
    pipeline->gather = message;
    pipeline->outstanding++;
    return message;
}

static void end_gather(struct pipeline *pipeline) {
    pipeline->gather->done = true;
    pipeline->gather = NULL;
    pipeline->outstanding--;
}

/* A flush by a prefix for which a shard has no place is none for all. */
static void refuse_flush(struct pipeline *pipeline, struct shard *shard,
                         const struct batch_slot *slot) {
    struct result result = {.status = RESULT_OK};
    struct batch_slot refusal = *slot;
    refusal.request.op = OP_ERROR;
    refusal.request.error = PROTO_ERROR_PREFIXES;
    queue_answer(pipeline, shard, &refusal, &result, true);
}

static void note_started(const struct pipeline *pipeline, struct shard *shard,
                         const struct request *request) {
    shard->counters.cmd_flush += request->op == OP_FLUSH;
    shard->counters.cmd_flush_prefix += request->op == OP_FLUSH_PREFIX;
    if (request->op == OP_FLUSH_PREFIX && shard->watching) {
        watch_tell_flush(shard, pipeline->number, request);
    }
}

bool pipeline_run_every_shard(struct pipeline *pipeline, struct shard *shard,
                              const struct batch_slot *slot) {
    struct message *message = pipeline->gather;
    if (message ? gather_of(message)->next == shard->count
                : !queue_may_add(pipeline, shard) || !queue_may_gather(pipeline, shard)) {
        return false;
    }
    if (!message && slot->request.op == OP_FLUSH_PREFIX && !flush_slots_take(shard)) {
        refuse_flush(pipeline, shard, slot);
        return true;
    }
    if (!message) {
        message = start_gather(pipeline, shard, &slot->request);
    }
    enum gather_progress progress = gather_send(gather_of(message), shard, &slot->request);
    pipeline->asking = progress == GATHER_WAITS;
    switch (progress) {
    case GATHER_WAITS:
        return false;
    case GATHER_SENT:
        break;
    case GATHER_DONE:
        end_gather(pipeline);
        queue_drain(pipeline, shard);
        break;
    }
    note_started(pipeline, shard, &slot->request);
    return true;
}

void pipeline_cancel_every_shard(struct pipeline *pipeline, struct shard *shard) {
    struct message *message = pipeline->gather;
    pipeline->asking = false;
    if (message && message->request.op == OP_FLUSH_PREFIX) {
        flush_slots_return(shard, gather_of(message)->next);
    }
    if (message && gather_cancel(gather_of(message), shard)) {
        end_gather(pipeline);
    }
}
