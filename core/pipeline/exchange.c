#include "core/pipeline/exchange.h"

#include <assert.h>

#include "core/base/probes.h"
#include "core/shard/execute.h"

static bool names_key(const struct message *message) {
    return message->kind == MESSAGE_REQUEST && op_has_key(message->request.op);
}

static void prefetch_batch(const struct store *store, struct message *const *messages,
                           uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        message_prefetch(messages[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (names_key(messages[i])) {
            store_prefetch_bucket(store, messages[i]->hash);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (names_key(messages[i])) {
            store_prefetch_item(store, messages[i]->hash);
        }
    }
}

/* For the report of a panic: the message may be a request of another reactor's connection. */
static struct panic_work exchange_describe(const void *work) {
    const struct message *message = work;
    return (struct panic_work){
        .connection = PANIC_NO_CONNECTION,
        .command = message->kind == MESSAGE_REQUEST ? request_name(&message->request) : NULL};
}

void exchange_execute(struct shard *shard, struct shard *owner, struct message *const *messages,
                      uint32_t count, uint32_t from) {
    prefetch_batch(owner->keys.store, messages, count);
    shard->panic.describe = exchange_describe;
    for (uint32_t i = 0; i < count; i++) {
        shard->panic.work = messages[i];
        if (shard == owner) {
            execute_message(shard, messages[i]);
        } else {
            execute_for_keys(&owner->keys, messages[i]);
        }
        mesh_send_reply(owner->port, from, messages[i]);
    }
    shard->panic.work = NULL;
}

bool exchange_serve_peers(struct shard *shard) {
    bool any = false;
    assert(shard_holds(shard, shard->id));
    for (uint32_t from = 0; from < shard->count; from++) {
        struct message *messages[EXCHANGE_BATCH_MAX];
        uint32_t count;
        while ((count = mesh_take_requests(shard->port, from, messages, EXCHANGE_BATCH_MAX)) > 0) {
            exchange_execute(shard, shard, messages, count, from);
            any = true;
        }
    }
    return any;
}

static void complete_batch(struct shard *shard, uint32_t from, struct message *const *messages,
                           uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        message_prefetch(messages[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        PROBES_MESSAGE_BACK(shard->id, from, messages[i]->kind);
        mesh_release(shard->port, from);
        messages[i]->complete(shard, messages[i]);
    }
}

bool exchange_collect_replies(struct shard *shard) {
    bool any = false;
    for (uint32_t from = 0; from < shard->count; from++) {
        struct message *messages[EXCHANGE_BATCH_MAX];
        uint32_t count;
        while ((count = mesh_take_replies(shard->port, from, messages, EXCHANGE_BATCH_MAX)) > 0) {
            complete_batch(shard, from, messages, count);
            any = true;
        }
    }
    return any;
}
