#include "core/shard/share.h"

#include "core/mesh/message.h"
#include "core/shard/commands.h"
#include "core/shard/copies.h"
#include "store/drops.h"

/* The store has dropped an item, and nobody has been told yet that it is gone. */
static void share_dropped(void *context, uint64_t hash) {
    struct keyspace *keys = context;
    versions_move(&keys->versions, hash);
}

/* When a copy is of no use any more: when its item expires, or a flush comes. */
static uint32_t share_expires(const struct keyspace *keys, uint32_t expires) {
    uint32_t flush = store_next_flush(keys->store);
    return flush != 0 && (expires == 0 || flush < expires) ? flush : expires;
}

static bool share_may(const struct keyspace *keys, const struct result *result,
                      uint32_t bytes_max) {
    return keys->versions.words && result->status == RESULT_OK && result->value && bytes_max > 0 &&
           result->value_length <= bytes_max && keys->debug_offset_s == 0 && !keys->debug_paused;
}

static void share_note_copy(struct keyspace *keys, const struct request *request, uint64_t hash,
                            uint64_t word) {
    const struct hotkeys_request copied = {
        .key = request->key, .key_length = request->key_length, .hash = hash};
    hotkeys_note_copy(&keys->hotkeys, &copied, word, versions_slot(&keys->versions, hash));
}

struct version_grant share_copy(struct keyspace *keys, const struct request *request, uint64_t hash,
                                const struct result *result, uint32_t bytes_max) {
    struct store_key key = command_key(request, hash);
    struct store_item item;
    if (!share_may(keys, result, bytes_max) ||
        store_peek(keys->store, &key, keys->now, &item) != STORE_OK ||
        (item.state & (uint8_t)~STORE_FETCHED) != 0) {
        return (struct version_grant){0};
    }
    store_tell_drops(keys->store, share_dropped, keys);
    const struct version_grant grant = {.word = versions_share(&keys->versions, hash),
                                        .expires = share_expires(keys, item.expires)};
    share_note_copy(keys, request, hash, grant.word);
    return grant;
}

void share_note_hits(struct keyspace *keys, const struct request *request, uint64_t hash,
                     const struct result *result, uint32_t hits, uint64_t word) {
    struct store_key key = command_key(request, hash);
    const struct hotkeys_request read = {.key = request->key,
                                         .key_length = request->key_length,
                                         .hash = hash,
                                         .bytes = result->value_length};
    store_add_hits(keys->store, &key, hits, keys->now);
    hotkeys_add_more(&keys->hotkeys, &read, hits, keys->now_ns);
    if (word != 0) {
        share_note_copy(keys, request, hash, word);
    }
}

void share_mark(const struct keyspace *keys, struct hotkeys_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        struct hotkey *key = &list->keys[i];
        bool copied =
            key->copied != 0 && version_is(&keys->versions.words[key->copied_at], key->copied);
        key->copied = copied;
    }
}

void share_answer(struct keyspace *keys, struct message *message) {
    const struct request *request = &message->request;
    const struct result *result = &message->result;
    if (message->copy_hits > 0) {
        share_note_hits(keys, request, message->hash, result, message->copy_hits,
                        message->grant.word);
    }
    message->grant = share_copy(keys, request, message->hash, result, message->copy_bytes_max);
}
