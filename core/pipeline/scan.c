#include "core/pipeline/scan.h"

#include <string.h>

#include "core/pipeline/output.h"
#include "core/pipeline/queue.h"
#include "core/shard/execute.h"
#include "core/shard/scan.h"
#include "proto/reply.h"

/* As in memcached, a dump is refused while earlier replies have not been sent; other scans wait. */
static const char *refusal_of(const struct pipeline *pipeline, const struct shard *shard,
                              const struct request *request) {
    bool pipelined = pipeline->output.length > 0;
    if (pipelined && request->op == OP_METADUMP) {
        return reply_error_line(PROTO_ERROR_METADUMP_PIPELINED);
    }
    if (pipelined && request->op == OP_MGDUMP) {
        return reply_error_line(PROTO_ERROR_MGDUMP_PIPELINED);
    }
    return scan_refusal(shard, request, pipeline->datagram);
}

static void refuse_scan(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const char *line) {
    const struct result result = {
        .status = RESULT_OK, .value = line, .value_length = (uint32_t)strlen(line)};
    if (request->op != OP_STATS) {
        output_write_reply(pipeline, shard, request, &result, shard->id);
    } else if (output_reserve(pipeline, shard, REPLY_STAT_MAX + strlen(line))) {
        pipeline->output.length +=
            reply_stats_line(pipeline->output.bytes + pipeline->output.length, request, line);
    }
}

/* False when the request has been answered instead: it is refused, or there is no memory. */
static bool start_scan(struct pipeline *pipeline, struct shard *shard,
                       const struct request *request) {
    const char *refusal = refusal_of(pipeline, shard, request);
    if (refusal) {
        refuse_scan(pipeline, shard, request, refusal);
        return false;
    }
    pipeline->scan = scan_start(shard, request, &pipeline->output);
    if (!pipeline->scan) {
        pipeline->out_of_memory = true;
        return false;
    }
    pipeline->summing = scan_is_sum(pipeline->scan);
    return true;
}

/* A sum that is too long while memory is scarce has left nothing in the output, so that the
 * connection goes on: memcached's error is the answer. */
static void refuse_sum(struct pipeline *pipeline, struct shard *shard,
                       const struct request *request) {
    const struct result result = {.status = RESULT_OK};
    struct request refusal = *request;
    refusal.op = OP_ERROR;
    refusal.error = PROTO_ERROR_STATS_MEMORY;
    output_write_reply(pipeline, shard, &refusal, &result, shard->id);
}

/* A sum may be thousands of lines, so that writing it is the last of the scans' work in a turn. */
static bool end_scan(struct pipeline *pipeline, struct shard *shard,
                     const struct request *request) {
    pipeline->scan_yields = shard->scan_slices == SCAN_SLICES_PER_TURN;
    if (pipeline->scan_yields) {
        return false;
    }
    shard->scan_slices = SCAN_SLICES_PER_TURN;
    bool written = scan_end(pipeline->scan, shard, request, &pipeline->output);
    if (!written && pipeline->summing && buffer_pool_is_scarce(&shard->buffers)) {
        refuse_sum(pipeline, shard, request);
    } else if (!written) {
        pipeline->out_of_memory = true;
    }
    scan_free(pipeline->scan);
    pipeline->scan = NULL;
    pipeline->summing = false;
    return true;
}

/* Asks the shard whose turn it is for the next chunk, if a message may go there. */
static void request_chunk(struct pipeline *pipeline, struct shard *shard,
                          const struct request *request) {
    const struct scan *scan = pipeline->scan;
    bool here = shard_holds(shard, scan->shard);
    if (!here && !queue_may_send(pipeline, shard, scan->shard)) {
        return;
    }
    struct message *message = queue_add(pipeline, shard, MESSAGE_SCAN);
    message_widen(&shard->messages, message, true);
    message_set_request(message, request, 0);
    message->cursor = scan->cursor;
    if (!here) {
        queue_send(pipeline, shard, scan->shard, message);
        return;
    }
    execute_message(shard, message);
    queue_executed(pipeline, shard, message);
    pipeline->scan_yields = true;
}

bool pipeline_run_scan(struct pipeline *pipeline, struct shard *shard,
                       const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    if (pipeline->first || !queue_may_add(pipeline, shard) || shard->messages.wides_free == 0) {
        return false; /* earlier replies are owed, or a chunk is under way */
    }
    if (!pipeline->scan && !start_scan(pipeline, shard, request)) {
        return true;
    }
    if (pipeline->scan->shard == shard->count) {
        return end_scan(pipeline, shard, request);
    }
    if (!scan_waits(pipeline->scan, shard)) {
        request_chunk(pipeline, shard, request);
    }
    return false;
}
