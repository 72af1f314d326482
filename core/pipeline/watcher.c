#include "core/pipeline/watcher.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/facts.h"
#include "core/pipeline/every_shard.h"
#include "core/pipeline/output.h"
#include "core/pipeline/queue.h"
#include "core/shard/watch_send.h"
#include "proto/reply.h"

#define SECOND_NS ((uint64_t)1000000000)

/* "ts=…", a second, a microsecond and a gid; or "skipped=…". */
#define WATCHER_FRONT_BYTES 80

/* The beginning of a watch. */

static bool watcher_refuse(struct pipeline *pipeline, struct shard *shard,
                           const struct request *request, enum proto_error error) {
    const char *line = reply_error_line(error);
    const struct result result = {
        .status = RESULT_OK, .value = line, .value_length = (uint32_t)strlen(line)};
    output_write_reply(pipeline, shard, request, &result, shard->id);
    return true;
}

bool pipeline_run_watch(struct pipeline *pipeline, struct shard *shard,
                        const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    if (pipeline->first && !pipeline->gather) {
        return false; /* earlier replies are owed */
    }
    if (pipeline->datagram) {
        return watcher_refuse(pipeline, shard, request, PROTO_ERROR_WATCH);
    }
    if (!watch_find(shard, pipeline)) {
        if (pipeline->output.length > 0) {
            return watcher_refuse(pipeline, shard, request, PROTO_ERROR_WATCH_PIPELINED);
        }
        if (!watch_add(shard, pipeline, (uint32_t)request->delta)) {
            return watcher_refuse(pipeline, shard, request, PROTO_ERROR_WATCHERS);
        }
    }
    if (!pipeline_run_every_shard(pipeline, shard, slot)) {
        return false;
    }
    pipeline->watching = true;
    pipeline->consumed = pipeline->length; /* what follows is passed over */
    return true;
}

void pipeline_end_watch(struct pipeline *pipeline, struct shard *shard) {
    watch_remove(shard, pipeline);
}

/* Lines. */

static size_t watcher_write_front(char front[WATCHER_FRONT_BYTES],
                                  const struct watch_record *record) {
    return (size_t)snprintf(front, WATCHER_FRONT_BYTES, "ts=%llu.%06u gid=%llu ",
                            (unsigned long long)(record->at_ns / SECOND_NS),
                            (unsigned)(record->at_ns % SECOND_NS / 1000),
                            (unsigned long long)record->gid);
}

/* False when the client has as much to read already as it may, or there is no memory. */
static bool watcher_has_space(const struct watcher *watcher, struct shard *shard, size_t bytes) {
    struct pipeline *pipeline = watcher->pipeline;
    size_t most = (size_t)shard->facts->config->watcher_buffer_kib * 1024;
    return pipeline->output.length + pipeline->sending + bytes <= most &&
           !buffer_pool_is_scarce(&shard->buffers) &&
           buffer_reserve(&shard->buffers, &pipeline->output, bytes);
}

static void watcher_put(struct pipeline *pipeline, const void *bytes, size_t length) {
    struct buffer *output = &pipeline->output;
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
}

static void watcher_tell(struct watcher *watcher, struct shard *shard, const char *front,
                         size_t front_length, const struct watch_record *record) {
    struct pipeline *pipeline = watcher->pipeline;
    if (!watcher_has_space(watcher, shard, WATCHER_FRONT_BYTES + front_length + record->length)) {
        watcher->skipped++;
        shard->counters.log_watcher_skipped++;
        return;
    }
    if (watcher->skipped > 0) {
        char skipped[WATCHER_FRONT_BYTES];
        int length = snprintf(skipped, sizeof(skipped), "skipped=%llu\n",
                              (unsigned long long)watcher->skipped);
        watcher_put(pipeline, skipped, (size_t)length);
        watcher->skipped = 0;
    }
    watcher_put(pipeline, front, front_length);
    watcher_put(pipeline, record + 1, record->length);
    shard->counters.log_watcher_sent++;
}

/* A watch that has not been answered yet gets no lines. */
static bool watcher_is_ready(const struct watcher *watcher) {
    return watcher->pipeline->watching && !watcher->pipeline->first;
}

void watcher_deliver(struct shard *shard, const char *records, size_t length) {
    struct watch *watch = &shard->watch;
    const struct watch_record *record;
    for (size_t at = 0; at < length; at += watch_record_bytes(record->length)) {
        char front[WATCHER_FRONT_BYTES];
        record = (const void *)(records + at);
        size_t front_length = watcher_write_front(front, record);
        for (uint32_t i = 0; i < watch->watcher_count; i++) {
            struct watcher *watcher = &watch->watchers[i];
            if ((watcher->streams & record->stream) && watcher_is_ready(watcher)) {
                watcher_tell(watcher, shard, front, front_length, record);
            }
        }
    }
    for (uint32_t i = 0; i < watch->watcher_count; i++) {
        shard->hooks->progressed(shard->reactor, watch->watchers[i].pipeline);
    }
}
