/* execute: a request × this shard's store → a result. The commands' meaning, without protocol or
 * I/O. */
#ifndef CORE_SHARD_EXECUTE_H
#define CORE_SHARD_EXECUTE_H

#include "core/shard/shard.h"
#include "proto/request.h"

/* Runs a request that names a key (op_has_key()) on the shard that owns it; hash is shard_hash() of
 * the key. A value in the result is lent by the store until the shard's next request; a large one
 * that the reply carries comes with a lease on it: result.large, for store_lease_read() and
 * store_lease_end(). False when that can't be had now: the result tells all but where the value is,
 * and execute_lease() tries again. Never sends a message. */
bool execute(struct keyspace *keys, const struct request *request, uint64_t hash,
             struct result *result);

/* Asks again for the lease on what a request had found; runs it anew when that is gone or
 * overwritten meanwhile. who tells those who ask apart: see core/shard/priority.h. False as with
 * execute().
 */
bool execute_lease(struct keyspace *keys, const void *requester, const struct request *request,
                   uint64_t hash, struct result *result);

/* An upload (see store/store.h) for a request: its begin, and with it the first place for bytes of
 * the value; the next place; and the end, as execute(). who as with execute_lease(). What has begun
 * (*upload is not 0, whatever is returned) is to be ended by execute_upload_end() or
 * store_upload_cancel(). */
enum store_status execute_upload_begin(struct keyspace *keys, const void *requester,
                                       const struct request *request, uint64_t hash,
                                       uint64_t *upload, struct upload_window *window);
enum store_status execute_upload_window(struct keyspace *keys, uint64_t upload,
                                        struct upload_window *window);
void execute_upload_end(struct keyspace *keys, const struct request *request, uint64_t hash,
                        uint64_t upload, struct result *result);

/* Does what a message asks of the shard that owns its key, or of every shard, and leaves the result
 * in the message. */
void execute_message(struct shard *shard, struct message *message);

#endif
