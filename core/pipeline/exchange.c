#include "core/pipeline/exchange.h"

#include <assert.h>

#include "core/base/probes.h"
#include "core/shard/execute.h"

/* Messages that are prefetched together. A turn takes all messages of a ring, in such batches; who
 * has borrowed a shard takes one batch of each ring before it returns it. */
#define EXCHANGE_BATCH_MAX 32

/* How often in a row a shard is borrowed while requests go on arriving, before it is left to its
 * own reactor. */
#define EXCHANGE_BORROWS_MAX 4

/* When more requests than this are left after one batch of each ring, the shard's own reactor is
 * woken to do them: else one reactor would do the work of all, whatever processors are free. */
#define EXCHANGE_LEFT_MAX 64

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

static void serve_batch(struct shard *shard, uint32_t from, struct message *const *messages,
                        uint32_t count) {
    prefetch_batch(shard->keys.store, messages, count);
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
    assert(shard_holds(shard, shard->id));
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

/* Serving another shard. */

/* A shard while it is borrowed. */
struct borrowed {
    struct shard *shard; /* of the reactor that serves it */
    struct shard *owner;
    struct lending *lending;
    struct mesh_left left;
    uint64_t origins[MESH_SHARDS_MAX / 64]; /* a bit for each to whom replies have gone */
};

/* All of it is executed with the server's own panic report and counted where it is executed: with
 * the keys. */
static void serve_borrowed_batch(struct borrowed *borrowed, uint32_t from,
                                 struct message *const *messages, uint32_t count) {
    struct shard *shard = borrowed->shard;
    struct shard *owner = borrowed->owner;
    prefetch_batch(owner->keys.store, messages, count);
    shard->panic.describe = exchange_describe;
    for (uint32_t i = 0; i < count; i++) {
        shard->panic.work = messages[i];
        execute_for_keys(&owner->keys, messages[i]);
        mesh_send_reply(owner->port, from, messages[i]);
    }
    shard->panic.work = NULL;
    shard->counters.lent_requests += count;
    mesh_publish_replies(owner->port, from);
    borrowed->origins[from / 64] |= (uint64_t)1 << (from % 64);
}

/* One batch of each ring, in order. It ends early when the owner wants its shard. */
static void serve_borrowed(struct borrowed *borrowed) {
    struct shard *owner = borrowed->owner;
    for (uint32_t from = 0; from < owner->count; from++) {
        struct message *messages[EXCHANGE_BATCH_MAX];
        uint32_t count =
            mesh_take_borrowed(owner->port, from, messages, EXCHANGE_BATCH_MAX, &borrowed->left);
        if (count == 0) {
            continue;
        }
        serve_borrowed_batch(borrowed, from, messages, count);
        if (lending_is_wanted(borrowed->lending)) {
            return;
        }
    }
}

/* A slice of what the owner would do for its keys at the end of a turn. True when there is more
 * that only the owner does. */
static bool maintain_borrowed(struct shard *owner) {
    struct keyspace *keys = &owner->keys;
    PROBES_MAINTAIN_BEGIN(owner->id, keys->now);
    keys->maintaining = store_maintain(keys->store, keys->now);
    PROBES_MAINTAIN_END(owner->id, keys->maintaining);
    return keys->maintaining || crawler_is_late(keys, &owner->settings);
}

static void wake_one(struct shard *shard, uint32_t other, mesh_wake *wake, void *context) {
    if (other != shard->id && mesh_claim_wake(mesh_of(shard->port), other)) {
        wake(context, other);
    }
}

static void wake_origins(const struct borrowed *borrowed, mesh_wake *wake, void *context) {
    for (uint32_t word = 0; word < MESH_SHARDS_MAX / 64; word++) {
        uint64_t left = borrowed->origins[word];
        for (; left; left &= left - 1) {
            uint32_t origin = word * 64 + (uint32_t)__builtin_ctzll(left);
            wake_one(borrowed->shard, origin, wake, context);
        }
    }
}

/* Serves a shard that has just been borrowed, and returns it. True when it has been left to its own
 * reactor alone. Nobody is woken before the shard is returned. */
static bool serve_and_return(struct borrowed *borrowed) {
    struct shard *owner = borrowed->owner;
    const struct mesh_left *left = &borrowed->left;
    keyspace_pass_time(&owner->keys, borrowed->shard->now_ns, borrowed->shard->tick);
    serve_borrowed(borrowed);
    bool needs_owner = maintain_borrowed(owner);
    if (needs_owner || left->for_reactor || left->count > EXCHANGE_LEFT_MAX) {
        lending_return_wanted(borrowed->lending);
        return true;
    }
    return lending_return(borrowed->lending);
}

static void leave_to_owner(struct shard *shard, struct shard *owner, mesh_wake *wake,
                           void *context) {
    struct lending *lending = mesh_lending(owner->port);
    if (lending_borrow(lending)) {
        lending_return_wanted(lending);
        wake_one(shard, owner->id, wake, context);
    }
}

static void serve_other(struct shard *shard, struct shard *owner, mesh_wake *wake, void *context) {
    struct lending *lending = mesh_lending(owner->port);
    for (uint32_t i = 0; i < EXCHANGE_BORROWS_MAX; i++) {
        if (!lending_borrow(lending)) {
            shard->counters.lend_refused += i == 0;
            return;
        }
        struct borrowed borrowed = {.shard = shard, .owner = owner, .lending = lending};
        bool is_left_to_owner = serve_and_return(&borrowed);
        wake_origins(&borrowed, wake, context);
        if (is_left_to_owner) {
            wake_one(shard, owner->id, wake, context);
            return;
        }
        if (!mesh_has_requests(owner->port)) {
            return;
        }
    }
    leave_to_owner(shard, owner, wake, context);
}

void exchange_serve_others(struct shard *shard, mesh_wake *wake, void *context) {
    for (uint32_t to = 0; to < shard->count; to++) {
        if (to != shard->id && mesh_request_waits(shard->port, to)) {
            serve_other(shard, shard->all[to], wake, context);
        }
    }
}
