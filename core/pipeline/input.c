/* The input of a pipeline: bytes are received, parsed, and kept when they can't be run. */
#include <assert.h>

#include "core/pipeline/pipeline.h"
#include "core/pipeline/upload.h"

void pipeline_drop_input(struct pipeline *pipeline, struct shard *shard) {
    buffer_release(&shard->buffers, &pipeline->input);
}

/* Parsing. */

/* Takes the next request; false when there is none for now. */
static bool parse_one(struct pipeline *pipeline, char *key_space, struct batch_slot *slot) {
    slot->before = pipeline->parser;
    slot->offset = pipeline->consumed;
    struct parse parse = {
        .parser = &pipeline->parser,
        .request = &slot->request,
        .key_space = key_space,
        .bytes = pipeline->bytes + pipeline->consumed,
        .length = pipeline->length - pipeline->consumed,
    };
    enum parse_status status = parser_next(&parse);
    pipeline->consumed = (size_t)(parse.next - pipeline->bytes);
    assert(pipeline->consumed <= pipeline->length);
    pipeline->protocol_error |= status == PARSE_CLOSE;
    pipeline->closing |= status == PARSE_CLOSE;
    pipeline->wants_more |= status == PARSE_MORE;
    return status == PARSE_REQUEST;
}

void pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                      struct batch *batch) {
    assert(requests_max <= PIPELINE_ROUND_MAX);
    assert(batch->count + requests_max <= BATCH_MAX);
    for (uint32_t i = 0; i < requests_max && !pipeline->closing; i++) {
        struct batch_slot *slot = &batch->slots[batch->count];
        if (!parse_one(pipeline, batch->key_space[batch->count], slot)) {
            return;
        }
        slot->pipeline = pipeline;
        struct request *request = &slot->request;
        pipeline->closing = request->closes;
        if (op_has_key(request->op)) {
            slot->hash = shard_hash(shard, request->key, request->key_length);
            slot->owner = shard_owner(shard, slot->hash);
            if (shard_holds(shard, slot->owner)) {
                store_prefetch_bucket(shard->keys.store, slot->hash);
            }
        }
        batch->count++;
        if (op_ends_batch(request->op)) {
            return;
        }
    }
}

/* Input. */

/* Goes on with the input when it has the length that the parser needs. */
static void run_when_whole(struct pipeline *pipeline) {
    assert(pipeline->wants_more);
    if (pipeline->input.length < pipeline->parser.need) {
        return;
    }
    pipeline->wants_more = false;
    pipeline_resume(pipeline);
}

bool pipeline_feed_copy(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                        size_t length) {
    assert(!pipeline->bytes);
    if (pipeline->watching) {
        return true;
    }
    if (!buffer_append(&shard->buffers, &pipeline->input, bytes, length)) {
        return false;
    }
    run_when_whole(pipeline);
    return true;
}

char *pipeline_input_space(struct pipeline *pipeline, struct shard *shard, size_t length) {
    assert(!pipeline->bytes);
    if (!buffer_reserve(&shard->buffers, &pipeline->input, length)) {
        return NULL;
    }
    return pipeline->input.bytes + pipeline->input.length;
}

void pipeline_input_filled(struct pipeline *pipeline, struct shard *shard, size_t length) {
    bool was_empty = pipeline->input.length == 0;
    pipeline->input.length += pipeline->watching ? 0 : length;
    if (pipeline->input.length == 0) {
        pipeline_drop_input(pipeline, shard);
    } else if (was_empty) {
        /* What the parser needs is about bytes that it has seen, and there were none. */
        pipeline->wants_more = false;
        pipeline_resume(pipeline);
    } else if (length > 0) {
        run_when_whole(pipeline);
    }
}

bool pipeline_feed(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                   size_t length) {
    assert(!pipeline->bytes);
    if (pipeline->input.length == 0 && !pipeline->watching) {
        pipeline->wants_more = false;
        pipeline->bytes = bytes;
        pipeline->length = length;
        return true;
    }
    return pipeline_feed_copy(pipeline, shard, bytes, length);
}

size_t pipeline_upload_window(const struct pipeline *pipeline, char **where) {
    if (!pipeline->upload || pipeline->bytes || pipeline->input.length > 0) {
        return 0;
    }
    struct upload_window window = upload_window(pipeline->upload);
    size_t left = parser_upload_left(&pipeline->parser);
    size_t length = left < window.length ? left : window.length;
    *where = window.bytes;
    return length < PIPELINE_DIRECT_BYTES_MIN ? 0 : length;
}

void pipeline_direct_feed(struct pipeline *pipeline, struct shard *shard, size_t length) {
    assert(pipeline->upload && pipeline->input.length == 0);
    parser_uploaded(&pipeline->parser, length);
    upload_received(pipeline, shard, (uint32_t)length);
}

void pipeline_resume(struct pipeline *pipeline) {
    pipeline->stalled = false;
    pipeline->scan_yields = false;
    if (pipeline->bytes || pipeline->input.length == 0) {
        return;
    }
    pipeline->bytes = pipeline->input.bytes;
    pipeline->length = pipeline->input.length;
}

bool pipeline_keep_input(struct pipeline *pipeline, struct shard *shard) {
    size_t left = pipeline->length - pipeline->consumed;
    bool kept = true;
    if (pipeline->closing || pipeline->watching) {
        pipeline_drop_input(pipeline, shard);
    } else if (pipeline->bytes == pipeline->input.bytes) {
        buffer_consume(&pipeline->input, pipeline->consumed);
    } else if (left > 0) {
        kept = buffer_append(&shard->buffers, &pipeline->input,
                             pipeline->bytes + pipeline->consumed, left);
    }
    if (kept && buffer_pool_is_scarce(&shard->buffers)) {
        buffer_shrink(&shard->buffers, &pipeline->input);
    }
    pipeline->bytes = NULL;
    pipeline->length = pipeline->consumed = 0;
    if (pipeline->input.length == 0) {
        pipeline_drop_input(pipeline, shard);
        /* When the bytes ended with the last request of a round, the parser has not been asked
         * for another; without wants_more no bytes would be received again. */
        pipeline->wants_more = true;
    }
    return kept;
}
