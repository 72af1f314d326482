#include "core/pipeline/check.h"

#include <assert.h>

#include "core/pipeline/upload.h"
#include "core/shard/gather.h"
#include "core/shard/scan.h"

static void check_kind(const struct pipeline *pipeline, const struct shard *shard,
                       const struct message *message) {
    switch ((enum message_kind)message->kind) {
    case MESSAGE_REQUEST:
    case MESSAGE_UPLOAD_END:
    case MESSAGE_LEASE_BACK:
        return;
    case MESSAGE_LEASE:
        assert(message == pipeline->first);
        return;
    case MESSAGE_LOGIN:
        assert(pipeline->queued == 1);
        assert(message->parked);
        return;
    case MESSAGE_SCAN:
        assert(pipeline->scan);
        assert(pipeline->queued == 1);
        assert(pipeline->scan->shard < shard->count);
        return;
    case MESSAGE_EVERY_SHARD:
        assert(message->done == (message != pipeline->gather));
        assert(message->result.large == 0);
        return;
    case MESSAGE_UPLOAD_BEGIN:
    case MESSAGE_UPLOAD_WINDOW:
    case MESSAGE_UPLOAD_CANCEL:
    case MESSAGE_LEASE_END:
    case MESSAGE_SNAPSHOT:
    case MESSAGE_WATCH:
    case MESSAGE_CONNECTION:
    case MESSAGE_MOVED:
        break;
    }
    assert(!"a message that is in no queue");
}

static void check_message(const struct pipeline *pipeline, const struct shard *shard,
                          const struct message *message) {
    assert(message->requester == pipeline);
    assert(message->complete);
    assert(message->next || message == pipeline->last);
    if (message->done && message->refused) {
        assert(message->result.large == 0);
    }
    check_kind(pipeline, shard, message);
}

static void check_queue(const struct pipeline *pipeline, const struct shard *shard) {
    uint32_t queued = 0, outstanding = 0, bare = 0;
    const struct message *first = pipeline->first;
    bool gathers = false;
    for (const struct message *message = first; message; message = message->next) {
        check_message(pipeline, shard, message);
        queued++;
        bare += message->bare;
        outstanding += !message->done && message->kind != MESSAGE_LOGIN;
        gathers |= message == pipeline->gather;
        assert(queued <= PIPELINE_QUEUE_MAX);
    }
    assert(queued == pipeline->queued);
    assert(outstanding == pipeline->outstanding);
    assert(bare == pipeline->bare);
    assert(gathers || !pipeline->gather);
    /* A reply that is due stays in the queue for want of its lease alone. */
    if (first && first->done && !pipeline->aborted && !pipeline->out_of_memory) {
        assert(first->refused);
    }
}

/* Leases on large values that stand in the output, in its order. */
static void check_leases(const struct buffer *leases, const struct buffer *output,
                         const struct shard *shard) {
    const struct lease *lease = (const struct lease *)leases->bytes;
    size_t at = 0;
    assert(leases->length % sizeof(*lease) == 0);
    for (uint32_t i = 0; i < leases_count(leases); i++) {
        assert(lease[i].large != 0);
        assert(lease[i].length > 0);
        assert(lease[i].owner < shard->count);
        assert(lease[i].at >= at);
        at = lease[i].at;
    }
    assert(at <= output->length);
}

static void check_outgoing(const struct outgoing *outgoing, const struct shard *shard) {
    const struct outgoing_position *position = &outgoing->position;
    check_leases(&outgoing->leases, &outgoing->output, shard);
    assert(position->byte <= outgoing->output.length);
    assert(position->lease <= leases_count(&outgoing->leases));
    assert(outgoing->ended <= leases_count(&outgoing->leases));
    assert(outgoing->output.length > 0 || outgoing->leases.length == 0);
}

static void check_bytes(const struct pipeline *pipeline) {
    assert(pipeline->consumed <= pipeline->length);
    if (!pipeline->bytes) {
        assert(pipeline->length == 0);
    }
    if (pipeline->bytes == pipeline->input.bytes) {
        assert(pipeline->length <= pipeline->input.length);
    }
}

/* States that exclude each other, and those that follow from others. */
static void check_states(const struct pipeline *pipeline, const struct shard *shard) {
    const struct scan *scan = pipeline->scan;
    /* One that is closing may have stalled before its input was dropped. */
    assert(!(pipeline->stalled && pipeline->wants_more) || pipeline->closing);
    assert(pipeline->stalled || !pipeline->scan_yields);
    assert(pipeline->closing || !pipeline->protocol_error);
    assert(pipeline->closing || !pipeline->aborted);
    assert(!(scan && pipeline->upload));
    assert(!(scan && pipeline->gather));
    assert(pipeline->gather || !pipeline->asking);
    assert(pipeline->scan || !pipeline->summing);
    if (scan) {
        assert(scan->kind != SCAN_NONE);
        assert(scan->shard <= shard->count);
    }
    if (pipeline->upload) {
        upload_check(pipeline->upload, shard);
    }
}

void pipeline_check(const struct pipeline *pipeline, const struct shard *shard,
                    const struct outgoing *outgoing) {
    check_queue(pipeline, shard);
    check_leases(&pipeline->leases, &pipeline->output, shard);
    check_bytes(pipeline);
    check_states(pipeline, shard);
    if (outgoing) {
        check_outgoing(outgoing, shard);
        assert(pipeline->sending == 0 || !outgoing_is_empty(outgoing));
    }
}
