/* execute: requests, leases and uploads on the keys of a shard, and the messages that ask for them.
 * No protocol, no I/O; nothing here sends a message.
 *
 * Thread: that of the reactor which has the keys' shard, its own or one that has borrowed it.
 */
#ifndef CORE_SHARD_EXECUTE_H
#define CORE_SHARD_EXECUTE_H

#include "core/shard/shard.h"
#include "proto/request.h"

/* Executes a request that names a key (op_has_key()); hash is shard_hash() of the key. A value in
 * the result is the store's, until its next operation; on a large value that the reply carries the
 * result has a lease: result.large, for store_lease_read() and store_lease_end(). False when the
 * store grants no lease now: the result is complete but for result.large, which is 0, and
 * execute_lease() asks again. */
bool execute(struct keyspace *keys, const struct request *request, uint64_t hash,
             struct result *result);

/* Asks again for the lease on the value that a request has found, and executes the request again
 * when that has been deleted or overwritten meanwhile. requester: the connection's pipeline, for
 * core/shard/priority.h; it is only compared. False as with execute(). */
bool execute_lease(struct keyspace *keys, const void *requester, const struct request *request,
                   uint64_t hash, struct result *result);

/* The upload of a value (see store/store.h): its begin, which also gives the first window; the next
 * window; and its end, which executes the request. When *upload is not 0, whatever is returned, the
 * upload has begun, and is to be ended by execute_upload_end() or store_upload_cancel(). */
enum store_status execute_upload_begin(struct keyspace *keys, const void *requester,
                                       const struct request *request, uint64_t hash,
                                       uint64_t *upload, struct upload_window *window);
enum store_status execute_upload_window(struct keyspace *keys, uint64_t upload,
                                        struct upload_window *window);
void execute_upload_end(struct keyspace *keys, const struct request *request, uint64_t hash,
                        uint64_t upload, struct result *result);

/* Both while clients watch what is done with the keys, who are told of it. client: the number of
 * the connection whose request it is. */
bool execute_watched(struct keyspace *keys, int client, const struct request *request,
                     uint64_t hash, struct result *result);
void execute_watched_upload_end(struct keyspace *keys, int client, const struct request *request,
                                uint64_t hash, uint64_t upload, struct result *result);

/* Both as is due. */
static inline bool execute_any(struct keyspace *keys, int client, const struct request *request,
                               uint64_t hash, struct result *result) {
    return __builtin_expect(!!keys->watched_by, false)
               ? execute_watched(keys, client, request, hash, result)
               : execute(keys, request, hash, result);
}
static inline void execute_any_upload_end(struct keyspace *keys, int client,
                                          const struct request *request, uint64_t hash,
                                          uint64_t upload, struct result *result) {
    if (keys->watched_by) {
        execute_watched_upload_end(keys, client, request, hash, upload, result);
    } else {
        execute_upload_end(keys, request, hash, upload, result);
    }
}

/* Executes a message that needs nothing but the keys of the shard to which it was sent, and puts
 * the result into it. Thread: of whoever has that shard. */
void execute_for_keys(struct keyspace *keys, struct message *message);

/* Executes a message of any kind. Thread: the reactor that owns the shard to which it was sent. */
void execute_message(struct shard *shard, struct message *message);

#endif
