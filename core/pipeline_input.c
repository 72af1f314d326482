/* A pipeline's input: what is received, kept and parsed. */
#include <assert.h>
#include <string.h>

#include "core/pipeline.h"

/* The input's memory, which is counted where it is above the standard size. */

static size_t large_bytes(const struct pipeline *pipeline) {
    size_t capacity = pipeline->input.capacity;
    return capacity > BUFFER_STANDARD_BYTES ? capacity : 0;
}

static bool input_reserve(struct pipeline *pipeline, struct shard *shard, size_t extra) {
    shard->input_large_bytes -= large_bytes(pipeline);
    bool reserved = buffer_reserve(&shard->buffers, &pipeline->input, extra);
    shard->input_large_bytes += large_bytes(pipeline);
    return reserved;
}

static bool input_append(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                         size_t length) {
    if (!input_reserve(pipeline, shard, length))
        return false;
    memcpy(pipeline->input.bytes + pipeline->input.length, bytes, length);
    pipeline->input.length += length;
    return true;
}

void pipeline_drop_input(struct pipeline *pipeline, struct shard *shard) {
    shard->input_large_bytes -= large_bytes(pipeline);
    buffer_release(&shard->buffers, &pipeline->input);
}

/* Parsing. */

static bool may_hold(const struct pipeline *pipeline, const struct shard *shard, size_t need) {
    return need <= PIPELINE_INPUT_FREE_BYTES || need <= pipeline->input.capacity ||
           shard->input_large_bytes + need <= PIPELINE_LARGE_BYTES_MAX;
}

/* Takes the next request; false when there is none for now. */
static bool parse_one(struct pipeline *pipeline, const struct shard *shard, char *key_space,
                      struct batch_slot *slot) {
    for (;;) {
        slot->before = pipeline->parser;
        slot->offset = pipeline->consumed;
        size_t left = pipeline->length - pipeline->consumed, used = 0;
        enum parse_status status =
            parser_next(&pipeline->parser, pipeline->bytes + pipeline->consumed, left, key_space,
                        &slot->request, &used);
        assert(used <= left);
        pipeline->consumed += used;
        if (status == PARSE_REQUEST)
            return true;
        if (status == PARSE_CLOSE) {
            pipeline->closing = pipeline->misspoke = true;
            return false;
        }
        if (may_hold(pipeline, shard, pipeline->parser.need)) {
            pipeline->wants_more = true;
            return false;
        }
        pipeline->parser.no_memory = true;
    }
}

void pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                      struct batch *batch) {
    assert(requests_max <= PIPELINE_ROUND_MAX);
    assert(batch->count + requests_max <= BATCH_MAX);
    for (uint32_t i = 0; i < requests_max && !pipeline->closing; i++) {
        struct batch_slot *slot = &batch->slots[batch->count];
        if (!parse_one(pipeline, shard, batch->key_space[batch->count], slot))
            return;
        slot->pipeline = pipeline;
        struct request *request = &slot->request;
        pipeline->closing = request->closes;
        if (op_has_key(request->op)) {
            slot->hash = shard_hash(shard, request->key, request->key_length);
            slot->owner = shard_owner(shard, slot->hash);
            if (slot->owner == shard->id)
                store_prefetch_bucket(shard->store, slot->hash);
        }
        batch->count++;
        /* How the next bytes are understood depends on what comes of a login. */
        if (request->op == OP_LOGIN)
            return;
    }
}

/* Input. */

/* Parses the input once as much is there as the parser has asked for. */
static void run_when_whole(struct pipeline *pipeline) {
    assert(pipeline->wants_more);
    if (pipeline->input.length < pipeline->parser.need)
        return;
    pipeline->wants_more = false;
    pipeline_resume(pipeline);
}

bool pipeline_feed_copy(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                        size_t length) {
    assert(pipeline->bytes == NULL);
    if (!input_append(pipeline, shard, bytes, length))
        return false;
    run_when_whole(pipeline);
    return true;
}

bool pipeline_feed(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                   size_t length) {
    assert(pipeline->bytes == NULL);
    if (pipeline->input.length == 0) {
        pipeline->wants_more = false;
        pipeline->bytes = bytes;
        pipeline->length = length;
        return true;
    }
    return pipeline_feed_copy(pipeline, shard, bytes, length);
}

size_t pipeline_direct_room(const struct pipeline *pipeline, char **where) {
    const struct buffer *input = &pipeline->input;
    size_t need = pipeline->parser.need;
    if (pipeline->bytes || input->length == 0 || need > input->capacity ||
        need < input->length + BUFFER_STANDARD_BYTES)
        return 0;
    *where = input->bytes + input->length;
    return need - input->length;
}

void pipeline_direct_feed(struct pipeline *pipeline, size_t length) {
    assert(pipeline->bytes == NULL);
    pipeline->input.length += length;
    assert(pipeline->input.length <= pipeline->input.capacity);
    run_when_whole(pipeline);
}

void pipeline_resume(struct pipeline *pipeline) {
    pipeline->stalled = false;
    pipeline->walks_here = false;
    if (pipeline->bytes || pipeline->input.length == 0)
        return;
    pipeline->bytes = pipeline->input.bytes;
    pipeline->length = pipeline->input.length;
}

/* Makes room for the whole value at once, so that it is copied only once. */
static bool reserve_need(struct pipeline *pipeline, struct shard *shard) {
    size_t need = pipeline->parser.need, have = pipeline->input.length;
    if (!pipeline->wants_more || need <= have)
        return true;
    return input_reserve(pipeline, shard, need - have);
}

bool pipeline_pause(struct pipeline *pipeline, struct shard *shard) {
    if (!pipeline->bytes || pipeline->inputs_lent > 0)
        return true;
    size_t left = pipeline->length - pipeline->consumed;
    bool kept = true;
    if (pipeline->closing)
        pipeline_drop_input(pipeline, shard);
    else if (pipeline->bytes == pipeline->input.bytes)
        buffer_consume(&pipeline->input, pipeline->consumed);
    else if (left > 0)
        kept = input_append(pipeline, shard, pipeline->bytes + pipeline->consumed, left);
    pipeline->bytes = NULL;
    pipeline->length = pipeline->consumed = 0;
    if (pipeline->input.length == 0) {
        pipeline_drop_input(pipeline, shard);
        /* The parser says so itself, unless the bytes ended with the last request of a round;
         * nothing would be received again then. */
        pipeline->wants_more = true;
        return kept;
    }
    return kept && reserve_need(pipeline, shard);
}
