#include "core/shard/gather.h"

#include <assert.h>
#include <string.h>

#include "core/shard/admin.h"
#include "proto/stats.h"

void gather_init(struct gather *gather, gather_done *done, void *context) {
    *gather = (struct gather){.done = done, .context = context};
}

static void keep_result(struct gather *gather, const struct result *result) {
    gather->result = *result;
    if (!result->value) {
        return;
    }
    assert(result->value_length <= GATHER_LINE_BYTES_MAX);
    memcpy(gather->line, result->value, result->value_length);
    gather->result.value = gather->line;
}

static void gather_add_part(struct gather *gather, const struct request *request,
                            const union stats_part *part) {
    switch (stats_group_of(request)) {
    case STATS_LATENCY:
        latency_merge(&gather->latency, &part->latency);
        return;
    case STATS_HOTKEYS:
        hotkeys_merge(&gather->hotkeys, &part->hotkeys);
        return;
    default:
        shard_stats_add(&gather->sum, &part->stats);
    }
}

static void gather_add(struct gather *gather, const struct request *request,
                       const union stats_part *part, const struct result *result, bool is_last) {
    if (request->op == OP_STATS) {
        gather_add_part(gather, request, part);
    }
    if (is_last) {
        keep_result(gather, result);
    }
}

static void gather_execute(struct gather *gather, struct shard *shard,
                           const struct request *request, bool is_last) {
    union stats_part part;
    struct result result = {.status = RESULT_OK};
    admin_execute(shard, request, &part, &result);
    gather_add(gather, request, &part, &result, is_last);
}

static void gather_complete(struct shard *shard, struct message *message) {
    struct gather *gather = message->requester;
    assert(gather->outstanding > 0);
    gather->outstanding--;
    gather_add(gather, &message->request, (const void *)message->wide, &message->result,
               message->last_part);
    message_give(&shard->messages, message);
    if (gather->next == shard->count && gather->outstanding == 0) {
        gather->done(shard, gather);
    }
}

static bool may_send(const struct gather *gather, const struct shard *shard) {
    return shard_may_take_message(shard, gather->outstanding) && shard->messages.wides_free > 0 &&
           mesh_has_credit(shard->port, gather->next);
}

static void gather_send_part(struct gather *gather, struct shard *shard,
                             const struct request *request, bool is_last) {
    struct message *message = message_take(&shard->messages);
    assert(message);
    message_widen(&shard->messages, message, true);
    message_set_request(message, request, 0);
    message->kind = MESSAGE_EVERY_SHARD;
    message->requester = gather;
    message->complete = gather_complete;
    message->last_part = is_last;
    mesh_send_request(shard->port, gather->next, message);
    shard->counters.mesh_requests++;
    gather->outstanding++;
}

enum gather_progress gather_send(struct gather *gather, struct shard *shard,
                                 const struct request *request) {
    for (; gather->next < shard->count; gather->next++) {
        bool is_last = gather->next == shard->count - 1;
        if (shard_holds(shard, gather->next)) {
            gather_execute(gather, shard, request, is_last);
        } else if (may_send(gather, shard)) {
            gather_send_part(gather, shard, request, is_last);
        } else {
            return GATHER_WAITS;
        }
    }
    return gather->outstanding > 0 ? GATHER_SENT : GATHER_DONE;
}

bool gather_cancel(struct gather *gather, const struct shard *shard) {
    gather->next = shard->count;
    return gather->outstanding == 0;
}
