#include "core/shard/execute.h"

#include <assert.h>

#include "core/base/chunk.h"
#include "core/shard/admin.h"
#include "core/shard/commands.h"
#include "core/shard/observe.h"
#include "core/shard/scan.h"
#include "core/shard/share.h"
#include "core/shard/watch_lines.h"
#include "core/shard/watch_send.h"

/* Puts a lease on the large value of a result, if the store has leases left for this requester.
 * NULL, for a request's first attempt, never has priority. */
static bool grant_lease(struct keyspace *keys, const void *requester, struct result *result) {
    struct priority *priority = &keys->lease_priority;
    if (result->large == 0 || (priority_allows(priority, requester, keys->now_ns) &&
                               store_lease(keys->store, result->large))) {
        priority_end(priority, requester);
        return true;
    }
    if (store_is_bulk(keys->store, result->value_length)) {
        priority_take(priority, requester, keys->now_ns);
    }
    result->large = 0;
    keyspace_note_refusal(keys);
    return false;
}

static bool is_read(enum op op) {
    return op == OP_GET || op == OP_GAT || op == OP_META_GET || op == OP_META_ITEM;
}

/* Adds a request to the sample of those by which hot keys are known. */
__attribute__((noinline, cold)) static void sample_key(struct keyspace *keys,
                                                       const struct request *request, uint64_t hash,
                                                       const struct result *result) {
    bool reads = is_read((enum op)request->op);
    bool found = result->value || result->large != 0;
    const struct hotkeys_request sampled = {
        .key = request->key,
        .key_length = request->key_length,
        .hash = hash,
        .writes = !reads,
        .bytes = reads ? (found ? result->value_length : 0) : request->value_length,
    };
    hotkeys_add(&keys->hotkeys, &sampled, keys->now_ns);
}

bool execute(struct keyspace *keys, const struct request *request, uint64_t hash,
             struct result *result) {
    command_run(keys, request, hash, result);
    prefix_record(&keys->prefixes, request, result->status == RESULT_OK);
    if (hotkeys_samples(&keys->hotkeys)) {
        sample_key(keys, request, hash, result);
    }
    return result->large == 0 || grant_lease(keys, NULL, result);
}

bool execute_lease(struct keyspace *keys, const void *requester, const struct request *request,
                   uint64_t hash, struct result *result) {
    struct store_key key = command_key(request, hash);
    struct store_item item;
    enum store_status status = store_peek(keys->store, &key, keys->now, &item);
    if (status == STORE_OK && result->status == RESULT_OK && item.cas == result->cas) {
        command_set_answer(result, request, &item);
        return grant_lease(keys, requester, result);
    }
    struct counters counted = keys->counters; /* the request has been counted already */
    command_run(keys, request, hash, result);
    keys->counters = counted;
    return grant_lease(keys, requester, result);
}

enum store_status execute_upload_window(struct keyspace *keys, uint64_t upload,
                                        struct upload_window *window) {
    window->length = store_upload_window(keys->store, upload, keys->now, &window->bytes);
    return window->length > 0 ? STORE_OK : STORE_NO_MEMORY;
}

static enum store_upload_end upload_end_of(const struct request *request) {
    if (request->op == OP_APPEND || request->op == OP_PREPEND) {
        return STORE_UPLOAD_JOINS;
    }
    bool sets = request->op == OP_SET && !request->compare_cas;
    return sets ? STORE_UPLOAD_SETS : STORE_UPLOAD_STORES;
}

/* Begins an upload in the store, if it has memory left for this requester. */
static enum store_status begin_upload(struct keyspace *keys, const void *requester,
                                      const struct store_key *key, const struct request *request,
                                      uint64_t *upload) {
    uint32_t length = request->value_length;
    struct priority *priority = &keys->upload_priority;
    enum store_status status = STORE_BUSY;
    if (priority_allows(priority, requester, keys->now_ns)) {
        status =
            store_upload_begin(keys->store, key, length, upload_end_of(request), keys->now, upload);
    }
    if (status != STORE_BUSY) {
        priority_end(priority, requester);
        return status;
    }
    if (store_is_bulk(keys->store, length)) {
        priority_take(priority, requester, keys->now_ns);
    }
    keyspace_note_refusal(keys);
    return status;
}

enum store_status execute_upload_begin(struct keyspace *keys, const void *requester,
                                       const struct request *request, uint64_t hash,
                                       uint64_t *upload, struct upload_window *window) {
    struct store_key key = command_key(request, hash);
    *upload = 0;
    versions_move(&keys->versions, hash); /* it may take the memory of the old value */
    enum store_status status = begin_upload(keys, requester, &key, request, upload);
    return status == STORE_OK ? execute_upload_window(keys, *upload, window) : status;
}

void execute_upload_end(struct keyspace *keys, const struct request *request, uint64_t hash,
                        uint64_t upload, struct result *result) {
    command_run_upload(keys, request, hash, upload, result);
    prefix_record(&keys->prefixes, request, result->status == RESULT_OK);
    if (hotkeys_samples(&keys->hotkeys)) {
        sample_key(keys, request, hash, result);
    }
}

bool execute_watched(struct keyspace *keys, int client, const struct request *request,
                     uint64_t hash, struct result *result) {
    struct watch_case about = watch_look(keys, client, request, hash);
    bool leased = execute(keys, request, hash, result);
    watch_tell(&about, hash, result);
    return leased;
}

void execute_watched_upload_end(struct keyspace *keys, int client, const struct request *request,
                                uint64_t hash, uint64_t upload, struct result *result) {
    struct watch_case about = watch_look(keys, client, request, hash);
    execute_upload_end(keys, request, hash, upload, result);
    watch_tell(&about, hash, result);
}

/* A chunk of a scan lies in the message's wide range. */
static void execute_scan(struct shard *shard, struct message *message) {
    struct chunk chunk = {.bytes = message->wide, .capacity = MESSAGE_VALUE_BYTES_MAX};
    message->scan_more = scan_fill(shard, &message->request, &message->cursor, &chunk);
    message->result = (struct result){.status = RESULT_OK, .value_length = (uint32_t)chunk.length};
}

/* The shard's figures, for OP_STATS, lie in the message's wide range. */
static void execute_part(struct shard *shard, struct message *message) {
    _Static_assert(sizeof(union stats_part) <= MESSAGE_VALUE_BYTES_MAX, "stats fit a message");
    struct result result = {.status = RESULT_OK};
    admin_execute(shard, &message->request, (void *)message->wide, &result);
    message_set_result(message, &result);
}

static void execute_request(struct keyspace *keys, struct message *message) {
    struct result result;
    message->refused =
        !execute_any(keys, message->descriptor, &message->request, message->hash, &result);
    message_set_result(message, &result);
}

__attribute__((noinline, cold)) static void execute_about_copy(struct keyspace *keys,
                                                               struct message *message) {
    execute_request(keys, message);
    share_answer(keys, message);
}

void execute_for_keys(struct keyspace *keys, struct message *message) {
    const struct request *request = &message->request;
    struct result *result = &message->result;
    switch ((enum message_kind)message->kind) {
    case MESSAGE_REQUEST:
        if (__builtin_expect(message->about_copy, false)) {
            execute_about_copy(keys, message);
            return;
        }
        execute_request(keys, message);
        return;
    case MESSAGE_UPLOAD_BEGIN:
        message->status = (uint8_t)execute_upload_begin(
            keys, message->requester, request, message->hash, &message->large, &message->window);
        return;
    case MESSAGE_UPLOAD_WINDOW:
        message->status = (uint8_t)execute_upload_window(keys, message->large, &message->window);
        return;
    case MESSAGE_UPLOAD_END:
        execute_any_upload_end(keys, message->descriptor, request, message->hash, message->large,
                               result);
        return;
    case MESSAGE_UPLOAD_CANCEL:
        store_upload_cancel(keys->store, message->large);
        return;
    case MESSAGE_LEASE:
        message->refused = !execute_lease(keys, message->requester, request, message->hash, result);
        message_set_result(message, result);
        return;
    case MESSAGE_LEASE_BACK:
    case MESSAGE_LEASE_END:
        store_lease_end(keys->store, message->large);
        return;
    case MESSAGE_LOGIN:
    case MESSAGE_EVERY_SHARD:
    case MESSAGE_SCAN:
    case MESSAGE_SNAPSHOT:
    case MESSAGE_CONNECTION:
    case MESSAGE_MOVED:
        return;
    case MESSAGE_WATCH:
        break;
    }
    assert(!"a message for the reactor itself, or for none");
}

/* What message_is_for_reactor() is true of. */
static void execute_for_reactor(struct shard *shard, struct message *message) {
    switch ((enum message_kind)message->kind) {
    case MESSAGE_EVERY_SHARD:
        execute_part(shard, message);
        return;
    case MESSAGE_SCAN:
        execute_scan(shard, message);
        return;
    case MESSAGE_SNAPSHOT:
        observe_shard(shard, message->snapshot);
        return;
    case MESSAGE_WATCH:
        watch_receive(shard, message);
        return;
    case MESSAGE_CONNECTION:
        shard->hooks->open_connection(shard->reactor, message->descriptor,
                                      (enum transport)message->transport);
        return;
    case MESSAGE_MOVED:
        shard->hooks->take_connection(shard->reactor, message->connection);
        return;
    case MESSAGE_REQUEST:
    case MESSAGE_UPLOAD_END:
    case MESSAGE_LEASE:
    case MESSAGE_LOGIN:
    case MESSAGE_LEASE_BACK:
    case MESSAGE_UPLOAD_BEGIN:
    case MESSAGE_UPLOAD_WINDOW:
    case MESSAGE_UPLOAD_CANCEL:
    case MESSAGE_LEASE_END:
        break;
    }
    assert(!"a message for whoever has the keys");
}

void execute_message(struct shard *shard, struct message *message) {
    assert(shard_holds(shard, shard->id));
    if (message_is_for_reactor((enum message_kind)message->kind)) {
        execute_for_reactor(shard, message);
    } else {
        execute_for_keys(&shard->keys, message);
    }
}
