#include "tests/core/fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/pipeline/check.h"
#include "core/shard/execute.h"

#define SEED 42

static void no_progress(void *reactor, struct pipeline *pipeline) {
    (void)reactor;
    (void)pipeline;
}

static void no_connection(void *reactor, int descriptor, enum transport transport) {
    (void)reactor;
    (void)descriptor;
    (void)transport;
    assert(!"no connection was handed over");
}

static const char *no_certs(void *reactor) {
    (void)reactor;
    return "Error TLS not enabled";
}

static void no_flush(void *reactor, uint64_t at_ns) {
    (void)reactor;
    (void)at_ns;
}

const struct shard_hooks fixture_hooks = {.progressed = no_progress,
                                          .open_connection = no_connection,
                                          .refresh_certs = no_certs,
                                          .flush_watch_at = no_flush,
                                          .wake = fixture_no_wake};

static void shard_prepare(struct fixture *fixture, uint32_t id, size_t memory_bytes) {
    struct shard_config config = {
        .id = id,
        .count = fixture->shards,
        .seed = SEED,
        .memory_bytes = memory_bytes,
        .item_bytes_max = (size_t)1 << 20,
        .pipelines_max = FIXTURE_PIPELINES_MAX,
        .mesh = fixture->mesh,
        .all = fixture->all,
        .facts = &fixture->facts,
        .clock = &clock_system,
        .memory_bytes_max = 4 * memory_bytes,
        .copies_bytes = fixture->copies_bytes,
        .settings = {.memory_bytes = memory_bytes * fixture->shards, .lru_crawler = true},
    };
    int error = shard_init(&fixture->shard[id], &config);
    assert(error == 0);
    fixture->shard[id].keys.now = fixture->shard[id].tick = CLOCK_FIRST_TICK;
    fixture->shard[id].keys.now_ns = 1;
    fixture->shard[id].now_s = CLOCK_FIRST_SECOND;
    fixture->shard[id].hooks = &fixture_hooks;
}

static void fixture_prepare(struct fixture *fixture, uint32_t ring_capacity, size_t memory_bytes) {
    uint32_t shards = fixture->shards;
    assert(shards <= FIXTURE_SHARDS_MAX);
    fixture->config = (struct config){
        .cores = shards, .item_bytes_max = (size_t)1 << 20, .prefix_delimiter = ':'};
    fixture->facts = (struct server_facts){.config = &fixture->config, .version = "1.2.3"};
    int error = mesh_create(&fixture->mesh, shards, ring_capacity);
    assert(error == 0);
    for (uint32_t i = 0; i < shards; i++) {
        fixture->all[i] = &fixture->shard[i];
        shard_prepare(fixture, i, memory_bytes);
    }
    pipeline_init(&fixture->pipeline, &fixture->shard[0]);
}

void fixture_init(struct fixture *fixture, uint32_t shards, uint32_t ring_capacity,
                  size_t memory_bytes) {
    *fixture = (struct fixture){.shards = shards};
    fixture_prepare(fixture, ring_capacity, memory_bytes);
}

void fixture_init_copies(struct fixture *fixture, uint32_t shards, uint32_t ring_capacity,
                         size_t memory_bytes) {
    *fixture = (struct fixture){.shards = shards,
                                .copies_bytes = shards > 1 ? memory_bytes / COPIES_PART : 0};
    fixture_prepare(fixture, ring_capacity, memory_bytes);
    for (uint32_t i = 0; i < shards && shards > 1; i++) {
        copies_tune(&fixture->shard[i].copies, 1, 1, 0, 8);
    }
}

void fixture_name_key(const struct fixture *fixture, char key[16], uint32_t shard, int n) {
    for (int i = 0;; i++) {
        int length = sprintf(key, "k%d", i);
        uint64_t hash = shard_hash(&fixture->shard[0], key, (uint32_t)length);
        if (shard_owner(&fixture->shard[0], hash) == shard && n-- == 0) {
            return;
        }
    }
}

void fixture_no_wake(void *context, uint32_t shard) {
    (void)context;
    (void)shard;
    assert(!"nobody sleeps here");
}

void fixture_leave(struct fixture *fixture, uint32_t shard) {
    struct shard *owner = &fixture->shard[shard];
    if (shard_holds(owner, shard)) {
        shard_leave(owner);
        bool lent = shard > 0 || lending_borrow(mesh_lending(owner->port));
        assert(lent);
    }
}

void fixture_take(struct fixture *fixture, uint32_t shard) {
    struct shard *owner = &fixture->shard[shard];
    if (shard_holds(owner, shard)) {
        return;
    }
    if (shard == 0) {
        lending_return(mesh_lending(owner->port));
    }
    bool taken = shard_take(owner);
    assert(taken);
}

void fixture_check(const struct fixture *fixture) {
    pipeline_check(&fixture->pipeline, &fixture->shard[0], &fixture->outgoing);
    for (uint32_t i = 0; i < fixture->shards; i++) {
        shard_check(&fixture->shard[i]);
    }
    mesh_check(fixture->mesh);
}

uint64_t fixture_held(const struct fixture *fixture) {
    uint64_t held = 0;
    for (uint32_t i = 0; i < fixture->shards; i++) {
        struct store_stats stats;
        store_stats(fixture->shard[i].keys.store, &stats);
        held += stats.uploads + stats.upload_reserved_bytes + stats.leases + stats.leased_bytes +
                stats.pinned_bytes + fixture->shard[i].uploads + fixture->shard[i].leases;
    }
    return held;
}

void fixture_break(struct fixture *fixture) {
    struct shard *shard = &fixture->shard[0];
    bool gone = false;
    fixture_take(fixture, 0);
    while (!gone) {
        exchange_collect_replies(shard);
        gone = pipeline_release_output(&fixture->pipeline, shard, &fixture->outgoing);
        gone &= pipeline_abort(&fixture->pipeline, shard);
        mesh_publish(shard->port, true, fixture_no_wake, NULL);
        fixture_check(fixture);
        for (uint32_t i = 1; i < fixture->shards; i++) {
            fixture_serve(fixture, i, UINT32_MAX);
        }
    }
    exchange_collect_replies(shard);
    buffer_release(&shard->buffers, &fixture->pipeline.output);
}

void fixture_finish(struct fixture *fixture) {
    fixture_break(fixture);
    assert(fixture_held(fixture) == 0);
    pipeline_finish(&fixture->pipeline, &fixture->shard[0]);
    for (uint32_t i = 0; i < fixture->shards; i++) {
        assert(fixture->shard[i].messages.out == 0);
        shard_finish(&fixture->shard[i]);
        assert(fixture->shard[i].buffers.bytes == 0);
    }
    mesh_destroy(fixture->mesh);
    free(fixture->received);
}

static void run_rounds(struct fixture *fixture) {
    struct pipeline *pipeline = &fixture->pipeline;
    for (int round = 0; round < 4 && pipeline_can_run(pipeline); round++) {
        pipeline_collect(pipeline, &fixture->shard[0], PIPELINE_ROUND_MAX, &fixture->batch);
        batch_run(&fixture->batch, &fixture->shard[0]);
    }
}

void fixture_turn(struct fixture *fixture, const char *bytes, size_t length) {
    struct shard *shard = &fixture->shard[0];
    struct pipeline *pipeline = &fixture->pipeline;
    char *copy = NULL, *where;
    size_t direct;
    shard->scan_slices = 0;
    direct = pipeline_upload_window(pipeline, &where);
    if (length && direct) {
        direct = direct < length ? direct : length;
        memcpy(where, bytes, direct);
        pipeline_direct_feed(pipeline, shard, direct);
        bytes += direct;
        length -= direct;
    }
    if (length) {
        copy = malloc(length);
        memcpy(copy, bytes, length);
        fixture->broken |= !pipeline_feed(pipeline, shard, copy, length);
    }
    exchange_collect_replies(shard);
    pipeline_retry(pipeline, shard);
    pipeline_resume(pipeline);
    run_rounds(fixture);
    fixture->broken |= !pipeline_pause(pipeline, shard);
    free(copy);
    mesh_publish(shard->port, shard_holds(shard, 0), fixture_no_wake, NULL);
    lend_serve_others(shard);
    fixture_check(fixture);
}

bool fixture_takes_bytes(const struct fixture *fixture) {
    const struct pipeline *pipeline = &fixture->pipeline;
    return pipeline->wants_more && !pipeline->closing && !pipeline->stalled && !pipeline->bytes;
}

bool fixture_serve(struct fixture *fixture, uint32_t shard, uint32_t max) {
    struct mesh_port *port = fixture->shard[shard].port;
    bool any = false;
    fixture_take(fixture, shard);
    fixture->shard[shard].scan_slices = 0;
    for (uint32_t i = 0; i < max; i++) {
        struct message *message;
        if (mesh_take_requests(port, 0, &message, 1) == 0) {
            break;
        }
        execute_message(&fixture->shard[shard], message);
        mesh_send_reply(port, 0, message);
        any = true;
    }
    mesh_publish(port, true, fixture_no_wake, NULL);
    fixture_check(fixture);
    return any;
}

static void take_output(struct fixture *fixture) {
    struct pipeline *pipeline = &fixture->pipeline;
    if (!outgoing_is_empty(&fixture->outgoing) || pipeline->output.length == 0) {
        return;
    }
    pipeline_take_output(pipeline, &fixture->outgoing);
}

static size_t read_parts(struct fixture *fixture, size_t max) {
    struct iovec parts[OUTGOING_PARTS_MAX];
    int count = outgoing_gather(&fixture->outgoing, &fixture->shard[0], max, parts);
    size_t taken = 0;
    for (int i = 0; i < count && taken < max; i++) {
        size_t length = parts[i].iov_len < max - taken ? parts[i].iov_len : max - taken;
        fixture->received = realloc(fixture->received, fixture->received_length + length);
        memcpy(fixture->received + fixture->received_length, parts[i].iov_base, length);
        fixture->received_length += length;
        taken += length;
    }
    return taken;
}

void fixture_read(struct fixture *fixture, size_t max) {
    struct shard *shard = &fixture->shard[0];
    size_t taken;
    do {
        take_output(fixture);
        taken = read_parts(fixture, max);
        outgoing_advance(&fixture->outgoing, shard, taken);
        max -= taken;
        if (outgoing_is_sent(&fixture->outgoing)) {
            pipeline_release_output(&fixture->pipeline, shard, &fixture->outgoing);
        }
    } while (taken > 0);
    mesh_publish(shard->port, shard_holds(shard, 0), fixture_no_wake, NULL);
    fixture_check(fixture);
}

void fixture_run_until_idle(struct fixture *fixture) {
    bool moving = true;
    fixture_take(fixture, 0);
    while (moving) {
        size_t before = fixture->received_length;
        moving = false;
        for (uint32_t i = 1; i < fixture->shards; i++) {
            moving |= fixture_serve(fixture, i, UINT32_MAX);
        }
        fixture_turn(fixture, NULL, 0);
        fixture_read(fixture, SIZE_MAX);
        moving |= fixture->received_length != before || fixture->pipeline.outstanding > 0 ||
                  pipeline_can_run(&fixture->pipeline) || fixture->pipeline.stalled ||
                  !outgoing_is_empty(&fixture->outgoing);
    }
}

void fixture_feed(struct fixture *fixture, const char *bytes, size_t length) {
    enum { PIECE = 16 * 1024 };
    while (length > 0) {
        size_t piece = length < PIECE ? length : PIECE;
        assert(fixture_takes_bytes(fixture));
        fixture_turn(fixture, bytes, piece);
        fixture_run_until_idle(fixture);
        bytes += piece;
        length -= piece;
    }
}
