/* exchange: a reactor's part in the traffic between shards: it executes the messages of its peers,
 * completes those of its own that have come back, and serves other shards that nobody has.
 *
 * A request for another shard is published, and then its sender tries to borrow that shard
 * (core/mesh/lending.h). If it is free, because its reactor is in the kernel, the sender executes
 * what waits there, whoever has sent it, and finds its own replies at once. Otherwise it goes on
 * with its turn: whoever has the shard looks at its rings when leaving it.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_PIPELINE_EXCHANGE_H
#define CORE_PIPELINE_EXCHANGE_H

#include <stdbool.h>

#include "core/shard/shard.h"

/* Executes the messages of other shards that have arrived and sends them back (visible with
 * mesh_publish()). They are as many as the rings hold, at most: no shard has credit for more before
 * these are back. True when there were any. Only while the reactor has its keys. */
bool exchange_serve_peers(struct shard *shard);

/* Completes the shard's messages that have come back. True when there were any. */
bool exchange_collect_replies(struct shard *shard);

/* Tries to borrow each shard at which published requests of this one wait, and serves it. Wakes the
 * reactors to whom replies have gone, and an owner that is needed itself. */
void exchange_serve_others(struct shard *shard, mesh_wake *wake, void *context);

#endif
