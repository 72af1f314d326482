/* The pipeline's part of a command for every shard: one message in the queue stands for all parts,
 * which are gathered (core/shard/gather.h) in its wide range. A connection gathers one command at a
 * time. */
#ifndef CORE_PIPELINE_EVERY_SHARD_H
#define CORE_PIPELINE_EVERY_SHARD_H

#include "core/pipeline/pipeline.h"

/* Runs the request of a slot. False when a shard could not be asked yet, or an earlier command is
 * still gathered: the request is run again then. */
bool pipeline_run_every_shard(struct pipeline *pipeline, struct shard *shard,
                              const struct batch_slot *slot);

/* Asks no further shards, for a connection that is gone. */
void pipeline_cancel_every_shard(struct pipeline *pipeline, struct shard *shard);

#endif
