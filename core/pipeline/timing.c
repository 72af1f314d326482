#include "core/pipeline/timing.h"

#include <assert.h>

#include "core/base/clock.h"

const uint8_t timing_kinds[OP_COUNT] = {
    [OP_GET] = LATENCY_GET,
    [OP_TOUCH] = LATENCY_TOUCH,
    [OP_GAT] = LATENCY_TOUCH,
    [OP_SET] = LATENCY_SET,
    [OP_ADD] = LATENCY_SET,
    [OP_REPLACE] = LATENCY_SET,
    [OP_APPEND] = LATENCY_SET,
    [OP_PREPEND] = LATENCY_SET,
    [OP_DELETE] = LATENCY_DELETE,
    [OP_INCR] = LATENCY_ARITHMETIC,
    [OP_DECR] = LATENCY_ARITHMETIC,
    [OP_META_GET] = LATENCY_GET,
    [OP_META_ITEM] = LATENCY_GET,
    [OP_REJECT] = LATENCY_SET,
    [OP_FLUSH] = LATENCY_OTHER,
    [OP_FLUSH_PREFIX] = LATENCY_OTHER,
    [OP_STATS] = LATENCY_OTHER,
    [OP_METADUMP] = LATENCY_OTHER,
    [OP_MGDUMP] = LATENCY_OTHER,
    [OP_CRAWL] = LATENCY_OTHER,
    [OP_CRAWLER_SWITCH] = LATENCY_OTHER,
    [OP_CRAWLER_SLEEP] = LATENCY_OTHER,
    [OP_CRAWLER_TOCRAWL] = LATENCY_OTHER,
    [OP_MEMORY_LIMIT] = LATENCY_OTHER,
    [OP_DEBUG_TIME] = LATENCY_OTHER,
    [OP_VERBOSITY] = LATENCY_OTHER,
    [OP_VERSION] = LATENCY_OTHER,
    [OP_NOOP] = LATENCY_OTHER,
    [OP_OK] = LATENCY_OTHER,
    [OP_SHUTDOWN] = LATENCY_OTHER,
    [OP_REFRESH_CERTS] = LATENCY_OTHER,
    [OP_WATCH] = LATENCY_OTHER,
    [OP_LOGIN] = LATENCY_OTHER,
    [OP_SASL_LIST] = LATENCY_OTHER,
    [OP_UPLOAD_PART] = TIMING_NONE,
    [OP_UPLOAD_END] = TIMING_NONE,
    [OP_END] = LATENCY_GET,
    [OP_ERROR] = LATENCY_OTHER,
    [OP_QUIT] = TIMING_NONE,
};

static void timing_answer(struct shard *shard, uint64_t arrived_ns, uint32_t kind, uint32_t count) {
    if (kind == TIMING_NONE || count == 0) {
        return;
    }
    if (arrived_ns == shard->now_ns) {
        shard->answered.now.of[kind] += count;
    } else if (!answered_note(&shard->answered, arrived_ns, kind, count)) {
        answered_add_earlier(&shard->answered, &shard->latency,
                             clock_monotonic_ns(shard->keys.clock));
        answered_note(&shard->answered, arrived_ns, kind, count);
    }
}

/* More than a buffer of the standard size is not kept, nor what there is no memory for: that counts
 * as sent in this turn. */
static void timing_keep_group(struct pipeline *pipeline, struct shard *shard, uint64_t arrived_ns,
                              uint32_t kind, uint32_t count) {
    const struct answered_group group = {arrived_ns, kind, count};
    struct buffer *kept = &pipeline->timing.kept;
    if (kind == TIMING_NONE || count == 0) {
        return;
    }
    pipeline->timing.keeps = true;
    if (kept->length + sizeof(group) > BUFFER_STANDARD_BYTES ||
        !buffer_append(&shard->buffers, kept, (const char *)&group, sizeof(group))) {
        timing_answer(shard, arrived_ns, kind, count);
    }
}

void timing_keep_written(struct pipeline *pipeline, struct shard *shard) {
    struct timing *timing = &pipeline->timing;
    for (uint32_t kind = 0; kind < LATENCY_ROW; kind++) {
        timing_keep_group(pipeline, shard, timing->arrived_ns, kind, timing->written.of[kind]);
        timing->written.of[kind] = 0;
    }
}

void timing_note_queued(struct pipeline *pipeline, struct shard *shard,
                        const struct message *message) {
    uint32_t kind = timing_kinds[message->request.op];
    if (timing_is_amid_keys(&message->request)) {
        return;
    }
    if (message->arrived_ns == pipeline->timing.arrived_ns) {
        pipeline->timing.noted[kind]++;
    } else {
        timing_keep_group(pipeline, shard, message->arrived_ns, kind, 1);
    }
}

void timing_send_late(struct pipeline *pipeline, struct shard *shard) {
    struct timing *timing = &pipeline->timing;
    const struct answered_group *groups = (const void *)timing->kept.bytes;
    size_t count = timing->kept.length / sizeof(*groups);
    for (size_t i = 0; i < count; i++) {
        timing_answer(shard, groups[i].arrived_ns, groups[i].kind, groups[i].count);
    }
    for (uint32_t kind = 0; kind < LATENCY_ROW; kind++) {
        timing_answer(shard, timing->arrived_ns, kind, timing->written.of[kind]);
        timing->written.of[kind] = 0;
    }
    timing_finish(pipeline, shard);
}

void timing_finish(struct pipeline *pipeline, struct shard *shard) {
    buffer_release(&shard->buffers, &pipeline->timing.kept);
    pipeline->timing.keeps = false;
}
