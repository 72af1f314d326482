/* The beginning and the end of a pipeline. */
#include <assert.h>

#include "core/pipeline/every_shard.h"
#include "core/pipeline/outgoing.h"
#include "core/pipeline/pipeline.h"
#include "core/pipeline/queue.h"
#include "core/pipeline/timing.h"
#include "core/pipeline/upload.h"
#include "core/pipeline/watcher.h"
#include "core/shard/scan.h"

/* The protocol that -B fixes; without it the first byte of the connection tells. */
static enum protocol pipeline_first_protocol(const struct config *config) {
    switch (config->binding) {
    case BINDING_AUTO:
        return PROTOCOL_UNKNOWN;
    case BINDING_TEXT:
        return PROTOCOL_TEXT;
    case BINDING_BINARY:
        return PROTOCOL_BINARY;
    }
    assert(!"a binding of unknown kind");
    return PROTOCOL_UNKNOWN;
}

void pipeline_init(struct pipeline *pipeline, const struct shard *shard) {
    *pipeline = (struct pipeline){.wants_more = true};
    timing_may_be_late(pipeline);
    parser_init(&pipeline->parser, store_value_length_max(shard->keys.store, 1),
                store_inline_max(shard->keys.store, KEY_LENGTH_MAX));
    pipeline->parser.protocol = (uint8_t)pipeline_first_protocol(shard->facts->config);
    pipeline->parser.sasl_steps = shard->facts->config->system_sasl;
    pipeline->parser.sasl = shard->logins || pipeline->parser.sasl_steps;
    pipeline->parser.must_login = pipeline->parser.sasl;
    pipeline->parser.no_flush = shard->facts->config->no_flush;
    pipeline->parser.no_dump = shard->facts->config->no_dump;
    pipeline->parser.discovers =
        shard->facts->config->nodes_file || shard->facts->config->cluster.name;
    pipeline->parser.no_watch = shard->facts->config->no_watch;
    pipeline->parser.no_cas = shard->facts->config->no_cas;
}

bool pipeline_abort(struct pipeline *pipeline, struct shard *shard) {
    pipeline->aborted = pipeline->closing = true;
    pipeline_end_watch(pipeline, shard);
    pipeline_cancel_every_shard(pipeline, shard);
    bool ended = leases_end(shard, &pipeline->leases);
    bool dropped = queue_drop(pipeline, shard);
    bool cancelled = upload_abort(pipeline, shard);
    return ended && dropped && cancelled;
}

void pipeline_finish(struct pipeline *pipeline, struct shard *shard) {
    assert(!pipeline->first);
    assert(!pipeline->gather);
    assert(pipeline->outstanding == 0);
    assert(pipeline->leases.length == 0);
    assert(!pipeline->upload);
    pipeline_drop_input(pipeline, shard);
    timing_finish(pipeline, shard);
    buffer_release(&shard->buffers, &pipeline->output);
    scan_free(pipeline->scan);
    pipeline->scan = NULL;
    pipeline->summing = false;
}
