/* execute: a request × this shard's store → a result. The commands' meaning, without protocol or
 * I/O. */
#ifndef CORE_EXECUTE_H
#define CORE_EXECUTE_H

#include "core/shard.h"
#include "proto/proto.h"

/* Runs a request that names a key (op_has_key()) on the shard that owns it; hash is shard_hash() of
 * the key. A value in the result is lent by the store until the shard's next request. Never sends a
 * message. */
void execute(struct shard *shard, const struct request *request, uint64_t hash,
             struct result *result);

/* Runs the request of a message, also a part of a command for every shard, and leaves the result in
 * the message. */
void execute_message(struct shard *shard, struct message *message);

#endif
