#include "core/pipeline/exchange.h"

#include "core/base/probes.h"
#include "core/shard/execute.h"

/* Messages that are prefetched together. A turn takes all messages of a ring, in such batches. */
#define EXCHANGE_BATCH_MAX 32

static bool names_key(const struct message *message) {
    return message->kind == MESSAGE_REQUEST && op_has_key(message->request.op);
}

static void prefetch_batch(const struct shard *shard, struct message *const *messages,
                           uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        message_prefetch(messages[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (names_key(messages[i])) {
            store_prefetch_bucket(shard->keys.store, messages[i]->hash);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (names_key(messages[i])) {
            store_prefetch_item(shard->keys.store, messages[i]->hash);
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

static void serve_batch(struct shard *shard, uint32_t from, struct message *const *messages,
                        uint32_t count) {
    prefetch_batch(shard, messages, count);
    shard->panic.describe = exchange_describe;
    for (uint32_t i = 0; i < count; i++) {
        shard->panic.work = messages[i];
        execute_message(shard, messages[i]);
        mesh_send_reply(shard->port, from, messages[i]);
    }
    shard->panic.work = NULL;
}

bool exchange_serve_peers(struct shard *shard) {
    bool any = false;
    for (uint32_t from = 0; from < shard->count; from++) {
        struct message *messages[EXCHANGE_BATCH_MAX];
        uint32_t count;
        while ((count = mesh_take_requests(shard->port, from, messages, EXCHANGE_BATCH_MAX)) > 0) {
            serve_batch(shard, from, messages, count);
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
