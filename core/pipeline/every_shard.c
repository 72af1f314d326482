#include "core/pipeline/every_shard.h"

#include "core/pipeline/queue.h"
#include "core/shard/gather.h"

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

bool pipeline_run_every_shard(struct pipeline *pipeline, struct shard *shard,
                              const struct batch_slot *slot) {
    struct message *message = pipeline->gather;
    if (message ? gather_of(message)->next == shard->count : !queue_may_add(pipeline, shard)) {
        return false;
    }
    if (!message) {
        message = start_gather(pipeline, shard, &slot->request);
    }
    switch (gather_send(gather_of(message), shard, &slot->request)) {
    case GATHER_WAITS:
        return false;
    case GATHER_SENT:
        break;
    case GATHER_DONE:
        end_gather(pipeline);
        queue_drain(pipeline, shard);
        break;
    }
    shard->counters.cmd_flush += slot->request.op == OP_FLUSH;
    return true;
}

void pipeline_cancel_every_shard(struct pipeline *pipeline, struct shard *shard) {
    if (pipeline->gather && gather_cancel(gather_of(pipeline->gather), shard)) {
        end_gather(pipeline);
    }
}
