#include "core/pipeline/pipeline.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/pipeline/outgoing.h"
#include "core/pipeline/parts.h"
#include "core/pipeline/trace.h"
#include "core/pipeline/upload.h"
#include "core/shard/admin.h"
#include "core/shard/execute.h"
#include "core/shard/scan.h"
#include "core/stats/command.h"
#include "proto/login.h"
#include "proto/reply.h"

void pipeline_init(struct pipeline *pipeline, const struct shard *shard) {
    *pipeline = (struct pipeline){.wants_more = true};
    parser_init(&pipeline->parser, store_value_length_max(shard->store, 1),
                store_inline_max(shard->store, KEY_LENGTH_MAX));
    pipeline->parser.must_login = pipeline->parser.sasl = shard->logins;
    pipeline->parser.no_flush = shard->facts->config->no_flush;
    pipeline->parser.no_dump = shard->facts->config->no_dump;
    pipeline->parser.no_cas = shard->facts->config->no_cas;
}

void pipeline_finish(struct pipeline *pipeline, struct shard *shard) {
    assert(!pipeline->first);
    assert(pipeline->outstanding == 0);
    assert(pipeline->leases.length == 0);
    assert(!pipeline->upload);
    pipeline_drop_input(pipeline, shard);
    buffer_release(&shard->buffers, &pipeline->output);
    free(pipeline->stats);
    pipeline->stats = NULL;
    scan_free(pipeline->scan);
    pipeline->scan = NULL;
}

bool pipeline_output_full(const struct pipeline *pipeline) {
    return pipeline->leases.length > 0 ||
           pipeline->output.length + pipeline->sending > PIPELINE_OUTPUT_BYTES_MAX;
}

bool pipeline_is_blocked(const struct pipeline *pipeline) {
    const struct message *first = pipeline->first;
    bool asks = first && first->kind == MESSAGE_LEASE;
    bool may_want = first || pipeline->upload;
    return asks || (may_want && pipeline_wants_memory(pipeline)) || pipeline_output_full(pipeline);
}

bool pipeline_can_run(const struct pipeline *pipeline) {
    return pipeline->bytes && !pipeline->wants_more && !pipeline->stalled && !pipeline->closing;
}

/* Output. */

static bool output_reserve(struct pipeline *pipeline, struct shard *shard, size_t extra) {
    if (buffer_reserve(&shard->buffers, &pipeline->output, extra)) {
        return true;
    }
    pipeline->out_of_memory = true;
    return false;
}

static void write_stats(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request) {
    const struct stats_sources sources = {
        .sum = pipeline->stats,
        .now = shard->now,
        .unix_now = clock_unix(shard->clock, shard->debug_offset_s),
        .facts = shard->facts,
        .settings = &shard->settings,
    };
    if (!stats_write(&shard->buffers, &pipeline->output, request, &sources)) {
        pipeline->out_of_memory = true;
    }
    free(pipeline->stats);
    pipeline->stats = NULL;
}

/* The value stands at the end of the output, which goes on with what is behind it. */
static bool write_lease(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const struct result *result,
                        uint32_t owner) {
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

/* owner: of a large value. False without memory: a lease stays the caller's. */
static bool write_reply(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request, const struct result *result,
                        uint32_t owner) {
    size_t bound = reply_bound(request, result);
    if (!output_reserve(pipeline, shard, bound + REPLY_TAIL_MAX)) {
        return false;
    }
    char *out = pipeline->output.bytes + pipeline->output.length;
    size_t length = reply_write(out, request, result);
    assert(length <= bound);
    pipeline->output.length += length;
    if (!result->large || write_lease(pipeline, shard, request, result, owner)) {
        return true;
    }
    pipeline->out_of_memory = true;
    return false;
}

/* The parts of a command for every shard say nothing but for the last, which has all before it in
 * the queue behind it. */
static void write_part(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    if (message->request.op == OP_STATS) {
        const struct shard_stats *part = (const void *)message->wide;
        if (!pipeline->stats) {
            pipeline->stats = calloc(1, sizeof(*pipeline->stats));
        }
        if (!pipeline->stats) {
            pipeline->out_of_memory = true;
            return;
        }
        shard_stats_add(pipeline->stats, part);
    }
    if (!message->last_part) {
        return;
    }
    if (message->request.op == OP_STATS) {
        write_stats(pipeline, shard, &message->request);
    } else {
        write_reply(pipeline, shard, &message->request, &message->result, shard->id);
    }
}

static void take_chunk(struct pipeline *pipeline, struct shard *shard, struct message *message) {
    const struct chunk chunk = {.bytes = message->wide, .length = message->result.value_length};
    if (!scan_take(pipeline->scan, shard, &chunk, message->cursor, message->scan_more,
                   &pipeline->output)) {
        pipeline->out_of_memory = true;
    }
}

/* False when it is left in the queue: there is no memory, and it has a lease. */
static bool write_message_reply(struct pipeline *pipeline, struct shard *shard,
                                struct message *message) {
    if (message->scan) {
        take_chunk(pipeline, shard, message);
    } else if (message->every_shard) {
        write_part(pipeline, shard, message);
    } else {
        return write_reply(pipeline, shard, &message->request, &message->result,
                           shard_owner(shard, message->hash)) ||
               !message->result.large;
    }
    return true;
}

void pipeline_drain(struct pipeline *pipeline, struct shard *shard) {
    while (pipeline->first && pipeline->first->done) {
        struct message *message = pipeline->first;
        if ((message->refused && !pipeline_request_lease(pipeline, shard)) ||
            !write_message_reply(pipeline, shard, message)) {
            return;
        }
        pipeline->first = message->next;
        pipeline->queued--;
        pipeline->drained++;
        message_give(&shard->messages, message);
    }
}

struct message *pipeline_enqueue(struct pipeline *pipeline, struct shard *shard) {
    struct message *message = message_take(&shard->messages);
    assert(message);
    message->pipeline = pipeline;
    message->kind = MESSAGE_REQUEST;
    if (pipeline->first) {
        pipeline->last->next = message;
    } else {
        pipeline->first = message;
    }
    pipeline->last = message;
    pipeline->queued++;
    return message;
}

/* Running a request: each function returns false, with nothing changed, when it can't be done now.
 */

/* Of the messages that are left each connection may have a part, so that however many queue up
 * behind replies that wait, there is one for every other. */
bool pipeline_may_enqueue(const struct pipeline *pipeline, const struct shard *shard) {
    return pipeline->queued < PIPELINE_QUEUE_MAX &&
           pipeline->queued * PIPELINE_MESSAGES_PART < shard_messages_left(shard);
}

static bool may_send(const struct pipeline *pipeline, const struct shard *shard, uint32_t to) {
    return pipeline_may_enqueue(pipeline, shard) && mesh_has_credit(shard->port, to);
}

void pipeline_send(struct pipeline *pipeline, struct shard *shard, uint32_t to,
                   struct message *message) {
    message->done = false;
    mesh_send_request(shard->port, to, message);
    shard->counters.mesh_requests++;
    pipeline->outstanding++;
}

void pipeline_answer(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot,
                     const struct result *result, bool lent) {
    if (!pipeline->first && lent) {
        if (!write_reply(pipeline, shard, &slot->request, result, shard->id) && result->large) {
            lease_end(shard, shard->id, result->large);
        }
        return;
    }
    struct message *message = pipeline_enqueue(pipeline, shard);
    message_keep_request(message, &slot->request, slot->hash);
    message_set_result(message, result);
    message->refused = !lent;
    message->done = true;
    pipeline_drain(pipeline, shard);
}

static bool run_here(struct pipeline *pipeline, struct shard *shard,
                     const struct batch_slot *slot) {
    struct result result;
    if (pipeline->first && !pipeline_may_enqueue(pipeline, shard)) {
        return false;
    }
    bool lent = execute(shard, &slot->request, slot->hash, &result);
    pipeline_answer(pipeline, shard, slot, &result, lent);
    return true;
}

static bool run_there(struct pipeline *pipeline, struct shard *shard,
                      const struct batch_slot *slot) {
    if (!may_send(pipeline, shard, slot->owner)) {
        return false;
    }
    struct message *message = pipeline_enqueue(pipeline, shard);
    message_set_request(message, &slot->request, slot->hash);
    pipeline_send(pipeline, shard, slot->owner, message);
    return true;
}

/* A command for every shard: one message each, its own too, so that the replies are in the queue.
 * Stops where there is no credit and goes on with that shard next time. */
static bool run_everywhere(struct pipeline *pipeline, struct shard *shard,
                           const struct batch_slot *slot) {
    for (; pipeline->next_part < shard->count; pipeline->next_part++) {
        uint32_t to = pipeline->next_part;
        if (to == shard->id ? !pipeline_may_enqueue(pipeline, shard)
                            : !may_send(pipeline, shard, to)) {
            return false;
        }
        struct message *message = pipeline_enqueue(pipeline, shard);
        message_set_request(message, &slot->request, 0);
        message->every_shard = true;
        message->last_part = to == shard->count - 1;
        if (to == shard->id) {
            execute_message(shard, message);
            message->done = true;
        } else {
            pipeline_send(pipeline, shard, to, message);
        }
        pipeline_drain(pipeline, shard);
    }
    pipeline->next_part = 0;
    shard->counters.cmd_flush += slot->request.op == OP_FLUSH;
    return true;
}

static void set_line(struct result *result, const char *line) {
    result->value = line;
    result->value_length = (uint32_t)strlen(line);
}

/* As in memcached, a dump is refused while earlier replies have not been sent; other scans wait. */
static const char *refusal(const struct pipeline *pipeline, const struct shard *shard,
                           const struct request *request) {
    bool pipelined = pipeline->output.length > 0;
    if (pipelined && request->op == OP_METADUMP) {
        return "ERROR cannot pipeline other commands before metadump";
    }
    if (pipelined && request->op == OP_MGDUMP) {
        return "ERROR cannot pipeline other commands before mgdump";
    }
    return scan_refusal(shard, request, pipeline->datagram);
}

static bool refuse_scan(struct pipeline *pipeline, struct shard *shard,
                        const struct request *request) {
    struct result result = {.status = RESULT_OK};
    const char *line = refusal(pipeline, shard, request);
    if (!line) {
        return false;
    }
    set_line(&result, line);
    if (request->op != OP_STATS) {
        write_reply(pipeline, shard, request, &result, shard->id);
    } else if (output_reserve(pipeline, shard, REPLY_STAT_MAX + strlen(line))) {
        pipeline->output.length +=
            reply_stats_line(pipeline->output.bytes + pipeline->output.length, request, line);
    }
    return true;
}

/* A sum may be thousands of lines, so that this is the last of the scans' work in this turn. */
static bool end_scan(struct pipeline *pipeline, struct shard *shard,
                     const struct request *request) {
    pipeline->scan_yields = shard->scan_slices == SCAN_SLICES_PER_TURN;
    if (pipeline->scan_yields) {
        return false;
    }
    shard->scan_slices = SCAN_SLICES_PER_TURN;
    if (!scan_end(pipeline->scan, shard, request, &pipeline->output)) {
        pipeline->out_of_memory = true;
    }
    scan_free(pipeline->scan);
    pipeline->scan = NULL;
    return true;
}

/* A scan over all shards, a step of it: see core/shard/scan.h. True once it is through. */
static bool run_scan(struct pipeline *pipeline, struct shard *shard,
                     const struct batch_slot *slot) {
    if (pipeline->first || !pipeline_may_enqueue(pipeline, shard)) {
        return false; /* earlier replies are owed, or a chunk is under way */
    }
    if (!pipeline->scan && refuse_scan(pipeline, shard, &slot->request)) {
        return true;
    }
    if (!pipeline->scan) {
        pipeline->scan = scan_start(shard, &slot->request, &pipeline->output);
    }
    struct scan *scan = pipeline->scan;
    if (!scan) {
        pipeline->out_of_memory = true;
        return true;
    }
    if (scan->shard == shard->count) {
        return end_scan(pipeline, shard, &slot->request);
    }
    bool here = scan->shard == shard->id;
    if (!here && !may_send(pipeline, shard, scan->shard)) {
        return false;
    }
    struct message *message = pipeline_enqueue(pipeline, shard);
    message_set_request(message, &slot->request, 0);
    message->scan = true;
    message->cursor = scan->cursor;
    if (!here) {
        pipeline_send(pipeline, shard, scan->shard, message);
        return false;
    }
    execute_message(shard, message);
    message->done = true;
    pipeline_drain(pipeline, shard);
    pipeline->scan_yields = true;
    return false;
}

/* A refused value that leaves the old one in place concerns no shard, but is counted. */
static void note_error(struct pipeline *pipeline, struct shard *shard,
                       const struct request *request) {
    struct counters *counters = &shard->counters;
    pipeline->protocol_error |= request->closes;
    counters->cmd_set += request->error == PROTO_ERROR_DATA_CHUNK;
    counters->store_too_large += request->error == PROTO_ERROR_TOO_LARGE;
    counters->store_no_memory += request->error == PROTO_ERROR_NO_MEMORY;
}

static bool login(struct pipeline *pipeline, struct shard *shard, const struct request *request) {
    struct credentials credentials;
    bool known =
        login_credentials(request, &credentials) && logins_check(shard_logins(shard), &credentials);
    shard->counters.auth_cmds++;
    shard->counters.auth_errors += !known;
    pipeline->logins_failed += !known;
    pipeline->parser.must_login = !known; /* a failed login ends an earlier one, as in memcached */
    return known;
}

static void shutdown_server(struct shard *shard, const struct request *request,
                            struct result *result) {
    if (!shard->facts->config->shutdown_enabled) {
        set_line(result, "SERVER_ERROR: shutdown not enabled");
    } else if (request->delta == SHUTDOWN_UNKNOWN) {
        set_line(result, "CLIENT_ERROR invalid shutdown mode");
    } else {
        shard->stop_asked = true; /* either way what is in outgoing is answered */
    }
}

/* What a command does that concerns the connection alone, and the reply's content. */
static void execute_alone(struct pipeline *pipeline, struct shard *shard,
                          const struct request *request, struct result *result) {
    if (request->op == OP_VERSION) {
        set_line(result, shard->facts->version);
    } else if (request->op == OP_LOGIN) {
        result->status = login(pipeline, shard, request) ? RESULT_OK : RESULT_LOGIN_FAILED;
    } else if (request->op == OP_SHUTDOWN) {
        shutdown_server(shard, request, result);
    } else if (request->op == OP_ERROR) {
        note_error(pipeline, shard, request);
    }
}

static bool run_alone(struct pipeline *pipeline, struct shard *shard,
                      const struct batch_slot *slot) {
    struct result result = {.status = RESULT_OK};
    if (pipeline->first && !pipeline_may_enqueue(pipeline, shard)) {
        return false;
    }
    execute_alone(pipeline, shard, &slot->request, &result);
    pipeline_answer(pipeline, shard, slot, &result, true);
    return true;
}

bool pipeline_run(struct shard *shard, const struct batch_slot *slot) {
    struct pipeline *pipeline = slot->pipeline;
    const struct request *request = &slot->request;
    if (pipeline_is_blocked(pipeline)) {
        return false;
    }
    if (request->upload || pipeline->upload) {
        return upload_run(shard, slot);
    }
    if (op_has_key(request->op)) {
        return slot->owner == shard->id ? run_here(pipeline, shard, slot)
                                        : run_there(pipeline, shard, slot);
    }
    if (!op_concerns_shards(request->op)) {
        return run_alone(pipeline, shard, slot);
    }
    return scan_kind_of(request) == SCAN_NONE ? run_everywhere(pipeline, shard, slot)
                                              : run_scan(pipeline, shard, slot);
}

/* Goes back to before the slot's request, so that it is parsed again when there is room. */
static void stall(struct shard *shard, const struct batch_slot *slot) {
    struct pipeline *pipeline = slot->pipeline;
    pipeline->parser = slot->before;
    pipeline->consumed = slot->offset;
    pipeline->wants_more = false;
    pipeline->closing = false;
    pipeline->stalled = true;
    shard->counters.mesh_stalls += !pipeline_is_blocked(pipeline) && !pipeline->scan;
}

void batch_run(struct batch *batch, struct shard *shard) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct batch_slot *slot = &batch->slots[i];
        if (op_has_key(slot->request.op) && slot->owner == shard->id) {
            store_prefetch_item(shard->store, slot->hash);
        }
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct batch_slot *slot = &batch->slots[i];
        if (slot->pipeline->stalled) {
            continue;
        }
        if (!pipeline_run(shard, slot)) {
            stall(shard, slot);
            continue;
        }
        slot->pipeline->progressed = true;
        if (__builtin_expect(shard->settings.verbosity >= LOG_COMMANDS, false)) {
            pipeline_log(shard, slot);
        }
    }
    batch->count = 0;
}

/* What comes back for a reply. */
static void take_reply(struct pipeline *pipeline, struct message *message) {
    pipeline->outstanding--;
    message->done = true;
    if (message->kind == MESSAGE_LEASE_BACK) {
        pipeline_lose_lease(message);
    }
}

struct pipeline *pipeline_complete(struct shard *shard, struct message *message, uint32_t from) {
    struct pipeline *pipeline = message->pipeline;
    mesh_release(shard->port, from);
    switch ((enum message_kind)message->kind) {
    case MESSAGE_REQUEST:
    case MESSAGE_UPLOAD_END:
    case MESSAGE_LEASE:
    case MESSAGE_LEASE_BACK:
        take_reply(pipeline, message);
        if (!pipeline->aborted) {
            pipeline_drain(pipeline, shard);
        }
        return pipeline;
    case MESSAGE_UPLOAD_BEGIN:
    case MESSAGE_UPLOAD_WINDOW:
        upload_take(pipeline->upload, message, shard->now);
        message_give(&shard->messages, message);
        return pipeline;
    case MESSAGE_UPLOAD_CANCEL:
    case MESSAGE_LEASE_END:
    case MESSAGE_CONNECTION:
        break;
    }
    message_give(&shard->messages, message);
    return NULL;
}
