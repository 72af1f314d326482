/* copied: gets of other shards' keys that are answered from copies (core/shard/copies.h), and what
 * goes with those that are not.
 *
 * A copy answers at once, so a get of its key may not have it where an earlier request of the same
 * connection is still on its way to the owner: a set of the key, which it has to see; another get,
 * behind whose answer it must not fall back; a command for every shard, which may flush. Such a get
 * goes the same way as those before it. (Requests for other keys it may overtake, as a request for
 * a key of the own shard does, too.)
 *
 * While anybody watches, or `stats detail` is on, all gets go to the owners, who tell of them.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_COPIED_H
#define CORE_PIPELINE_COPIED_H

#include "core/pipeline/pipeline.h"

/* Answers a request for a key of another shard; false, with nothing changed, where there is no copy
 * for it, or it may not have it. */
bool copied_run(struct pipeline *pipeline, struct shard *shard, const struct batch_slot *slot);

/* Puts into a message with a request for another shard what is to be told there. */
void copied_note(struct shard *shard, const struct batch_slot *slot, struct message *message);

/* The same for a request that has been executed on the keys of a borrowed shard, and what comes of
 * it. */
void copied_note_here(struct shard *shard, const struct batch_slot *slot, struct keyspace *keys,
                      const struct result *result);

#endif
