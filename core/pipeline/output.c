#include "core/pipeline/output.h"

#include <assert.h>

#include "core/base/clock.h"
#include "core/base/probes.h"
#include "core/pipeline/outgoing.h"
#include "core/pipeline/timing.h"
#include "core/shard/gather.h"
#include "core/shard/scan.h"
#include "core/stats/command.h"
#include "proto/reply.h"

void pipeline_take_output(struct pipeline *pipeline, struct outgoing *outgoing) {
    assert(outgoing_is_empty(outgoing));
    assert(outgoing->leases.length == 0);
    *outgoing = (struct outgoing){.output = pipeline->output, .leases = pipeline->leases};
    pipeline->output = pipeline->leases = (struct buffer){0};
    pipeline->sending =
        outgoing->leases.length > 0 ? outgoing_bytes(outgoing) : outgoing->output.length;
}

bool pipeline_release_output(struct pipeline *pipeline, struct shard *shard,
                             struct outgoing *outgoing) {
    if (!outgoing_release(outgoing, shard)) {
        return false;
    }
    pipeline->sending = 0;
    return true;
}

bool output_reserve(struct pipeline *pipeline, struct shard *shard, size_t extra) {
    if (buffer_reserve(&shard->buffers, &pipeline->output, extra)) {
        return true;
    }
    pipeline->out_of_memory = true;
    return false;
}

/* Adds a lease on the value at the end of the output, and the bytes that follow the value. */
static bool write_lease(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const struct result *result,
                        uint32_t owner) {
    timing_may_be_late(pipeline);
    const struct lease lease = {.large = result->large,
                                .owner = owner,
                                .length = result->value_length,
                                .at = pipeline->output.length};
    if (!leases_add(shard, &pipeline->leases, &lease)) {
        return false;
    }
    pipeline->output.length +=
        reply_write_tail(pipeline->output.bytes + pipeline->output.length, request);
    return true;
}

bool output_write_reply(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const struct result *result,
                        uint32_t owner) {
    size_t bound = reply_bound(request, result);
    if (!buffer_reserve(&shard->buffers, &pipeline->output, bound + REPLY_TAIL_MAX)) {
        pipeline->out_of_memory = true;
        return false;
    }
    char *out = pipeline->output.bytes + pipeline->output.length;
    size_t length = reply_write(out, request, result);
    assert(length <= bound);
    pipeline->output.length += length;
    PROBES_REQUEST_END(pipeline->number, request->op);
    if (!result->large || write_lease(pipeline, shard, request, result, owner)) {
        return true;
    }
    pipeline->out_of_memory = true;
    return false;
}

static void write_stats(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const struct gather *gather) {
    const struct stats_sources sources = {
        .sum = &gather->sum,
        .latency = &gather->latency,
        .hotkeys = &gather->hotkeys,
        .now = clock_tick_moved(shard->tick, shard->keys.debug_offset_s),
        .unix_now = clock_unix(shard->keys.clock, shard->keys.debug_offset_s),
        .facts = shard->facts,
        .settings = &shard->settings,
        .copies = copies_have_space(&shard->copies),
        .nodes = shard_nodes(shard),
        .now_ns = shard->now_ns,
    };
    if (!stats_write(&shard->buffers, &pipeline->output, request, &sources)) {
        pipeline->out_of_memory = true;
    }
}

void output_write_gathered(struct pipeline *pipeline, struct shard *shard,
                           const struct request *request, const struct gather *gather) {
    if (request->op == OP_STATS) {
        write_stats(pipeline, shard, request, gather);
        PROBES_REQUEST_END(pipeline->number, request->op);
    } else {
        output_write_reply(pipeline, shard, request, &gather->result, shard->id);
    }
}

void output_take_chunk(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    const struct chunk chunk = {.bytes = message->wide, .length = message->result.value_length};
    if (!scan_take(pipeline->scan, shard, &chunk, message->cursor, message->scan_more,
                   &pipeline->output)) {
        pipeline->out_of_memory = true;
    }
}
