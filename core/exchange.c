#include "core/exchange.h"

#include "core/execute.h"

/* Messages taken from one ring in a row; their cache misses overlap. */
#define EXCHANGE_BATCH_MAX 32

static bool names_key(const struct message *message) {
    return message->kind == MESSAGE_REQUEST && op_has_key(message->request.op);
}

static void prefetch(const struct shard *shard, struct message *const *messages, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        message_prefetch(messages[i]);
    for (uint32_t i = 0; i < count; i++)
        if (names_key(messages[i]))
            store_prefetch_bucket(shard->store, messages[i]->hash);
    for (uint32_t i = 0; i < count; i++)
        if (names_key(messages[i]))
            store_prefetch_item(shard->store, messages[i]->hash);
}

bool exchange_serve(struct shard *shard, const struct exchange_handler *handler) {
    bool any = false;
    for (uint32_t from = 0; from < shard->count; from++) {
        struct message *messages[EXCHANGE_BATCH_MAX];
        uint32_t count = mesh_take_requests(shard->port, from, messages, EXCHANGE_BATCH_MAX);
        prefetch(shard, messages, count);
        for (uint32_t i = 0; i < count; i++) {
            if (messages[i]->kind == MESSAGE_CONNECTION)
                handler->connection(handler->context, messages[i]->descriptor);
            else
                execute_message(shard, messages[i]);
            mesh_send_reply(shard->port, from, messages[i]);
        }
        any |= count > 0;
    }
    return any;
}

bool exchange_collect(struct shard *shard, const struct exchange_handler *handler) {
    bool any = false;
    for (uint32_t from = 0; from < shard->count; from++) {
        struct message *messages[EXCHANGE_BATCH_MAX];
        uint32_t count = mesh_take_replies(shard->port, from, messages, EXCHANGE_BATCH_MAX);
        for (uint32_t i = 0; i < count; i++)
            message_prefetch(messages[i]);
        for (uint32_t i = 0; i < count; i++) {
            struct pipeline *pipeline = pipeline_complete(shard, messages[i], from);
            if (pipeline)
                handler->progress(handler->context, pipeline);
        }
        any |= count > 0;
    }
    return any;
}
