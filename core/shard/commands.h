/* commands: what each command that names a key does to a store, and what its result tells. No
 * protocol, no messages.
 *
 * Thread: the one that serves the keys.
 */
#ifndef CORE_SHARD_COMMANDS_H
#define CORE_SHARD_COMMANDS_H

#include "core/shard/keyspace.h"
#include "proto/request.h"

/* Runs a request that names a key and counts it. *result is cleared. A value in the result is the
 * store's, until its next operation; of a large one it is the handle, which has no lease yet. */
void command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                 struct result *result);

/* The same for a request that stores a value which has been uploaded; ends the upload. */
void command_run_upload(struct keyspace *keys, const struct request *request, uint64_t hash,
                        uint64_t upload, struct result *result);

/* What a request that copies may serve (core/shard/copies.h) is answered with from a copy, of whose
 * item only value, length, flags and CAS are looked at. */
void command_answer_copy(const struct request *request, const struct store_item *item,
                         struct result *result);

static inline struct store_key command_key(const struct request *request, uint64_t hash) {
    return (struct store_key){.bytes = request->key, .length = request->key_length, .hash = hash};
}

/* Puts an item's value, if that is asked for, and what belongs to it into the result of a read. */
void command_set_answer(struct result *result, const struct request *request,
                        const struct store_item *item);

#endif
