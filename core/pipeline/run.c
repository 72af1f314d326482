#include "core/base/probes.h"
#include "core/pipeline/pipeline.h"

#include <assert.h>
#include <string.h>

#include "core/pipeline/copied.h"
#include "core/pipeline/every_shard.h"
#include "core/pipeline/lend.h"
#include "core/pipeline/login.h"
#include "core/pipeline/queue.h"
#include "core/pipeline/scan.h"
#include "core/pipeline/trace.h"
#include "core/pipeline/upload.h"
#include "core/pipeline/watcher.h"
#include "core/shard/admin.h"
#include "core/shard/execute.h"
#include "core/shard/scan.h"
#include "core/shard/watch_lines.h"
#include "proto/reply.h"

/* Waiting. */

static bool wants_upload(const struct pipeline *pipeline) {
    return pipeline->upload && upload_is_busy(pipeline->upload);
}

bool pipeline_wants_memory(const struct pipeline *pipeline) {
    return queue_wants_lease(pipeline) || wants_upload(pipeline);
}

bool pipeline_polls(const struct pipeline *pipeline, const struct shard *shard) {
    bool scan_is_waiting = pipeline->scan && scan_waits(pipeline->scan, shard);
    return scan_is_waiting || pipeline_wants_memory(pipeline);
}

void pipeline_retry(struct pipeline *pipeline, struct shard *shard) {
    if (wants_upload(pipeline)) {
        upload_retry(pipeline, shard);
    }
    if (queue_wants_lease(pipeline)) {
        queue_retry_lease(pipeline, shard);
    }
}

bool pipeline_waits(const struct pipeline *pipeline) {
    const struct message *first = pipeline->first;
    bool asks = first && (first->kind == MESSAGE_LEASE || first->kind == MESSAGE_LOGIN);
    return asks || pipeline_wants_memory(pipeline);
}

/* Running a request: each function returns false, with nothing changed, when it can't be done now.
 */

/* On the keys of this shard, or of one that is borrowed. Compiled into its callers, as it is on the
 * way of each request. */
__attribute__((always_inline)) static inline bool
run_here(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot,
         struct keyspace *keys, struct result *result) {
    if (pipeline->first && !queue_may_answer(pipeline, shard, slot)) {
        return false;
    }
    bool leased = execute_any(keys, pipeline->number, &slot->request, slot->hash, result);
    queue_answer(pipeline, shard, slot, result, leased);
    return true;
}

__attribute__((always_inline)) static inline bool
run_lent(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot,
         struct keyspace *keys, struct result *result) {
    if (!run_here(pipeline, shard, slot, keys, result)) {
        return false;
    }
    shard->counters.mesh_requests++;
    shard->counters.lent_requests++;
    return true;
}

/* A request that may need a wide range waits for one; but a plain read goes without while no long
 * values are expected, and behind another of its key that did: should it find one, it is sent
 * again. tells: something about copies goes with it. */
__attribute__((always_inline)) static inline bool run_there(struct pipeline *pipeline,
                                                            struct shard *shard,
                                                            const struct batch_slot *slot,
                                                            bool tells) {
    const struct request *request = &slot->request;
    bool wants = op_returns_value((enum op)request->op) ||
                 (request->value && request->value_length > MESSAGE_VALUE_BYTES_NEAR);
    bool follows = queue_would_overtake(pipeline, slot->hash);
    bool widens = wants && !follows && queue_may_widen(pipeline, shard);
    bool may_lack =
        queue_may_lack(shard, request) && !(follows && queue_has_lost(pipeline, slot->hash));
    bool waits = (wants || follows) && !widens && !may_lack;
    if (waits || !queue_has_place(pipeline, shard) || !mesh_has_credit(shard->port, slot->owner)) {
        return false;
    }
    struct message *message = queue_add(pipeline, shard, MESSAGE_REQUEST);
    if (widens) {
        queue_widen(pipeline, shard, message);
    } else if (wants) {
        queue_note_bare(pipeline, message, slot->hash);
    }
    message_set_request(message, &slot->request, slot->hash);
    if (tells) {
        copied_note(shard, slot, message);
    }
    queue_send(pipeline, shard, slot->owner, message);
    return true;
}

static struct keyspace *run_borrowed(struct shard *shard, const struct batch_slot *slot) {
    return shard_borrows(shard, slot->owner) ? lend_keys(shard, slot->owner) : NULL;
}

/* Its shard was left to others when the batch began where a copy might have done. */
static struct keyspace *run_borrow(struct shard *shard, const struct batch_slot *slot) {
    bool may = shard->settings.verbosity < LOG_COMMANDS && mesh_is_quiet(shard->port, slot->owner);
    return may && lend_borrow(shard, slot->owner) ? lend_keys(shard, slot->owner) : NULL;
}

/* A request for a key of another shard of which there may be a copy, or that is to be counted. */
__attribute__((noinline)) static bool
run_about_copies(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot) {
    struct result result;
    if (copied_run(pipeline, shard, slot)) {
        return true;
    }
    struct keyspace *keys = run_borrow(shard, slot);
    bool ran = keys ? run_lent(pipeline, shard, slot, keys, &result)
                    : run_there(pipeline, shard, slot, true);
    if (!ran) {
        copies_count_not(&shard->copies);
    } else if (keys) {
        copied_note_here(shard, slot, keys, &result);
    }
    return ran;
}

static bool run_elsewhere(struct pipeline *pipeline, struct shard *shard,
                          const struct batch_slot *slot) {
    struct result result;
    if (copies_concern(&shard->copies, slot->hash)) {
        return run_about_copies(pipeline, shard, slot);
    }
    struct keyspace *keys = run_borrowed(shard, slot);
    return keys ? run_lent(pipeline, shard, slot, keys, &result)
                : run_there(pipeline, shard, slot, false);
}

static void set_line(struct result *result, const char *line) {
    result->value = line;
    result->value_length = (uint32_t)strlen(line);
}

/* A refused value that leaves the old one in place concerns no shard, but is counted. */
static void note_error(struct pipeline *pipeline, struct shard *shard,
                       const struct request *request) {
    struct counters *counters = &shard->counters;
    pipeline->protocol_error |= request->closes;
    counters->cmd_set += request->error == PROTO_ERROR_DATA_CHUNK;
    counters->store_too_large += request->error == PROTO_ERROR_TOO_LARGE;
    counters->store_no_memory += request->error == PROTO_ERROR_NO_MEMORY;
    if (shard->watching && request->key_length > 0 &&
        (request->error == PROTO_ERROR_TOO_LARGE || request->error == PROTO_ERROR_NO_MEMORY)) {
        watch_tell_refused(shard, pipeline->number, request);
    }
}

static void run_shutdown(struct shard *shard, const struct request *request,
                         struct result *result) {
    if (!shard->facts->config->shutdown_enabled) {
        set_line(result, reply_error_line(PROTO_ERROR_SHUTDOWN_DISABLED));
    } else if (request->delta == SHUTDOWN_UNKNOWN) {
        set_line(result, reply_error_line(PROTO_ERROR_SHUTDOWN_MODE));
    } else {
        shard->stop_at_once = request->delta == SHUTDOWN_NOW;
        shard->stop_asked = true; /* either way requests that have come are answered */
    }
}

static void run_config(struct shard *shard, struct result *result) {
    const struct nodes *nodes = shard_nodes(shard);
    if (!nodes) {
        result->status = RESULT_NOT_FOUND;
        return;
    }
    result->value = nodes->text;
    result->value_length = nodes->length;
    result->cas = nodes->version;
}

/* What a command does that concerns the connection alone, and the content of its reply. A value
 * that `result` points to must last until queue_answer(), which writes or copies it. */
static void execute_alone(struct pipeline *pipeline, struct shard *shard,
                          const struct request *request, struct result *result) {
    switch ((enum op)request->op) {
    case OP_VERSION:
        set_line(result, shard->facts->version);
        return;
    case OP_SASL_LIST:
        set_line(result, shard->facts->mechanisms ? shard->facts->mechanisms : "PLAIN");
        return;
    case OP_SHUTDOWN:
        run_shutdown(shard, request, result);
        return;
    case OP_REFRESH_CERTS:
        set_line(result, shard->hooks->refresh_certs(shard->reactor));
        return;
    case OP_CONFIG:
    case OP_CONFIG_KEY:
        run_config(shard, result);
        return;
    case OP_ERROR:
        note_error(pipeline, shard, request);
        return;
    case OP_NOOP:
    case OP_OK:
    case OP_END:
    case OP_QUIT:
        return; /* the answer is the row's in op_infos */
    case OP_GET:
    case OP_TOUCH:
    case OP_GAT:
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
    case OP_DELETE:
    case OP_INCR:
    case OP_DECR:
    case OP_META_GET:
    case OP_META_ITEM:
    case OP_REJECT:
    case OP_FLUSH:
    case OP_FLUSH_PREFIX:
    case OP_STATS:
    case OP_METADUMP:
    case OP_MGDUMP:
    case OP_CRAWL:
    case OP_CRAWLER_SWITCH:
    case OP_CRAWLER_SLEEP:
    case OP_CRAWLER_TOCRAWL:
    case OP_MEMORY_LIMIT:
    case OP_DEBUG_TIME:
    case OP_VERBOSITY:
    case OP_WATCH:       /* pipeline_run_watch() has it */
    case OP_LOGIN:       /* pipeline_run_login() has it */
    case OP_UPLOAD_PART: /* run_upload() has these two */
    case OP_UPLOAD_END:
        break;
    }
    assert(!"not a request of the connection alone");
}

/* While no list is known clients are told what a server says that knows of no lists. */
static struct batch_slot config_refusal(const struct batch_slot *slot) {
    struct batch_slot refusal = *slot;
    refusal.request.op = OP_ERROR;
    refusal.request.error = PROTO_ERROR_COMMAND;
    return refusal;
}

static bool run_alone(struct pipeline *pipeline, struct shard *shard,
                      const struct batch_slot *slot) {
    struct result result = {.status = RESULT_OK};
    if (pipeline->first && (!queue_may_add(pipeline, shard) || !queue_may_widen(pipeline, shard))) {
        return false;
    }
    execute_alone(pipeline, shard, &slot->request, &result);
    if (slot->request.op == OP_CONFIG && result.status == RESULT_NOT_FOUND) {
        const struct batch_slot refusal = config_refusal(slot);
        queue_answer(pipeline, shard, &refusal, &result, true);
        return true;
    }
    queue_answer(pipeline, shard, slot, &result, true);
    return true;
}

static bool run_request(struct pipeline *pipeline, struct shard *shard,
                        const struct batch_slot *slot) {
    const struct request *request = &slot->request;
    struct result result;
    if (op_has_key(request->op)) {
        return shard_holds(shard, slot->owner)
                   ? run_here(pipeline, shard, slot, &shard->keys, &result)
                   : run_elsewhere(pipeline, shard, slot);
    }
    if (request->op == OP_LOGIN) {
        return pipeline_run_login(pipeline, shard, slot);
    }
    if (request->op == OP_WATCH) {
        return pipeline_run_watch(pipeline, shard, slot);
    }
    if (!op_concerns_shards(request->op)) {
        return run_alone(pipeline, shard, slot);
    }
    return scan_kind_of(request) == SCAN_NONE ? pipeline_run_every_shard(pipeline, shard, slot)
                                              : pipeline_run_scan(pipeline, shard, slot);
}

/* A refused upload ends with the request that the parser would have made of it. */
static bool run_upload(struct pipeline *pipeline, struct shard *shard,
                       const struct batch_slot *slot) {
    switch (upload_run(pipeline, shard, slot)) {
    case UPLOAD_WAITS:
        return false;
    case UPLOAD_ENDED:
        return true;
    case UPLOAD_REFUSED:
        break;
    }
    const struct batch_slot refusal = upload_slot(pipeline);
    if (!run_request(pipeline, shard, &refusal)) {
        return false;
    }
    upload_free(pipeline, shard);
    return true;
}

static bool pipeline_run(struct shard *shard, const struct batch_slot *slot) {
    struct pipeline *pipeline = slot->pipeline;
    if (pipeline_is_blocked(pipeline, shard)) {
        return false;
    }
    if (slot->request.upload || pipeline->upload) {
        return run_upload(pipeline, shard, slot);
    }
    return run_request(pipeline, shard, slot);
}

/* Goes back to before the slot's request, so that it is parsed again when it can be run. */
static void pipeline_stall(struct shard *shard, const struct batch_slot *slot) {
    struct pipeline *pipeline = slot->pipeline;
    pipeline->parser = slot->before;
    pipeline->consumed = slot->offset;
    pipeline->wants_more = false;
    pipeline->closing = pipeline->protocol_error = false;
    pipeline->stalled = true;
    shard->counters.mesh_stalls +=
        !pipeline_is_blocked(pipeline, shard) && !pipeline->scan && shard_holds(shard, shard->id);
}

/* Borrows the shards that its requests are for, as far as they are free, and where no copy may do;
 * and prefetches what is looked at first, there or among the copies. Not where commands are logged:
 * the log may be written then. */
static void batch_borrow(const struct batch *batch, struct shard *shard) {
    uint32_t refused = shard->id; /* the last one that was not free */
    uint32_t others = 0;          /* requests for keys of others so far */
    if (shard->settings.verbosity >= LOG_COMMANDS) {
        return;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct batch_slot *slot = &batch->slots[i];
        uint32_t owner = slot->owner;
        if (!op_has_key(slot->request.op) || owner == shard->id) {
            continue;
        }
        if (++others == shard->copies.countdown) {
            copies_prefetch_count(&shard->copies, slot->hash);
        }
        if (copies_may_have(&shard->copies, slot->hash)) {
            copies_prefetch_bucket(&shard->copies, slot->hash);
            continue;
        }
        if (owner == refused) {
            continue;
        }
        if (mesh_is_quiet(shard->port, owner) && lend_borrow(shard, owner)) {
            store_prefetch_bucket(shard->all[owner]->keys.store, slot->hash);
        } else {
            refused = owner;
        }
    }
}

static void batch_prefetch(const struct batch *batch, const struct shard *shard) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct batch_slot *slot = &batch->slots[i];
        if (!op_has_key(slot->request.op)) {
            continue;
        }
        if (shard_holds(shard, slot->owner)) {
            store_prefetch_item(shard->keys.store, slot->hash);
        } else if (copies_may_have(&shard->copies, slot->hash)) {
            copies_prefetch(&shard->copies, slot->hash);
        } else if (shard_borrows(shard, slot->owner)) {
            store_prefetch_item(shard->all[slot->owner]->keys.store, slot->hash);
        }
    }
}

void batch_run(struct batch *batch, struct shard *shard) {
    shard->panic.describe = pipeline_describe;
    if (shard->count > 1) {
        batch_borrow(batch, shard);
    }
    batch_prefetch(batch, shard);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct batch_slot *slot = &batch->slots[i];
        if (slot->pipeline->stalled) {
            continue;
        }
        shard->panic.work = slot;
        PROBES_REQUEST_BEGIN(slot->pipeline->number, slot->request.op);
        if (!pipeline_run(shard, slot)) {
            pipeline_stall(shard, slot);
            continue;
        }
        slot->pipeline->progressed = true;
        if (__builtin_expect(shard->settings.verbosity >= LOG_COMMANDS, false)) {
            pipeline_log(shard, slot);
        }
    }
    shard->panic.work = NULL;
    batch->count = 0;
    if (shard->count > 1) {
        lend_return_all(shard);
    }
}
