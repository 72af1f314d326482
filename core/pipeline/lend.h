/* lend: what a reactor does for shards of others while these are free (core/mesh/lending.h).
 *
 *     request of a batch for another's key
 *       ├─ that shard is borrowed for the batch, and no message is out there: executed at once
 *       └─ else a message, published after the round; then whoever has the shard executes it: this
 *          reactor again, if the shard is free by then (lend_serve_others())
 *
 * Whoever has borrowed a shard executes what waits in its rings, whoever has sent it, does a slice
 * of the work on its keys that a turn ends with, returns it, and only then wakes those to whom
 * replies have gone, and the shard's own reactor if something is left for it. A shard is borrowed
 * for one batch: no system call comes in between, and its own reactor gets it back as soon as it
 * asks.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_PIPELINE_LEND_H
#define CORE_PIPELINE_LEND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shard/shard.h"

/* Tries to borrow each shard at which published requests of this one wait, and serves it. */
void lend_serve_others(struct shard *shard);

/* Tries to borrow a shard for requests of a batch; true when it is borrowed, from before or now.
 * Whatever has been borrowed is to be returned by lend_return_all() at the end of the batch. */
bool lend_borrow(struct shard *shard, uint32_t owner);
void lend_return_all(struct shard *shard);

/* The keys of a borrowed shard, for one request of the batch. NULL: a message has to go there,
 * since the shard is wanted back, or messages to it are out that come before. */
struct keyspace *lend_keys(struct shard *shard, uint32_t owner);

#endif
