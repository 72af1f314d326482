/* canned: simplecache without parser, commands and store: what the reactor itself costs.
 *
 * It is the server, linked so that what the reactor hands to the parser comes here instead (ld's
 * --wrap). A get line is answered by a value for each of its keys and END, a set by STORED, and the
 * value that came with it is skipped: nothing is hashed, looked up or stored. Any other command is
 * the server's own affair, so that `stats` works.
 */
#include <string.h>

#include "bench/canned.h"
#include "core/pipeline/pipeline.h"

void __real_pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                             struct batch *batch);
void __wrap_pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                             struct batch *batch);

static void put(struct pipeline *pipeline, struct shard *shard, const char *bytes, size_t length) {
    if (!buffer_append(&shard->buffers, &pipeline->output, bytes, length)) {
        pipeline->out_of_memory = true;
    }
}

/* mc-crusher sends a space behind the last key. */
static void answer_get(struct pipeline *pipeline, struct shard *shard, const char *line,
                       const char *end) {
    static const char hit[] = "VALUE key12345 0 100\r\n" CANNED_VALUE "\r\n", last[] = "END\r\n";
    for (const char *at = line; at < end; at++) {
        if (at[0] != ' ' || at[1] <= ' ') {
            continue;
        }
        put(pipeline, shard, hit, sizeof(hit) - 1);
        shard->counters.cmd_get++;
        shard->counters.get_hits++;
    }
    put(pipeline, shard, last, sizeof(last) - 1);
}

static void answer_set(struct pipeline *pipeline, struct shard *shard) {
    static const char stored[] = "STORED\r\n";
    put(pipeline, shard, stored, sizeof(stored) - 1);
    shard->counters.cmd_set++;
}

/* Answers the get or set at the front of the bytes. False when it isn't whole yet. */
static bool answer(struct pipeline *pipeline, struct shard *shard, const char *line, size_t left) {
    const char *newline = memchr(line, '\n', left);
    if (!newline) {
        return false;
    }
    size_t length = (size_t)(newline + 1 - line);
    if (line[0] == 's') {
        length += CANNED_VALUE_BYTES + 2;
    }
    if (left < length) {
        return false;
    }
    if (line[0] == 's') {
        answer_set(pipeline, shard);
    } else {
        answer_get(pipeline, shard, line, newline);
    }
    pipeline->consumed += length;
    pipeline->progressed = true;
    return true;
}

void __wrap_pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                             struct batch *batch) {
    for (uint32_t i = 0; i < requests_max && !pipeline->stalled; i++) {
        const char *line = pipeline->bytes + pipeline->consumed;
        size_t left = pipeline->length - pipeline->consumed;
        if (left >= 4 && memcmp(line, "get ", 4) != 0 && memcmp(line, "set ", 4) != 0) {
            __real_pipeline_collect(pipeline, shard, 1, batch);
            return;
        }
        if (pipeline_output_full(pipeline, shard)) {
            pipeline->stalled = true;
        } else if (!answer(pipeline, shard, line, left)) {
            pipeline->wants_more = true;
            pipeline->parser.need = 0; /* the parser's own, of an earlier command */
            return;
        }
    }
}
