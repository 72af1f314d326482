/* pipeline_log: a pipeline's requests in the log (-vv). */
#ifndef CORE_PIPELINE_TRACE_H
#define CORE_PIPELINE_TRACE_H

#include "core/pipeline/pipeline.h"

/* Adds a line for the command that the slot's request is or begins, while the bytes that it points
 * into are there: its name and its keys, or what is wrong with it. Nothing of a value or a login.
 */
void pipeline_log(struct shard *shard, const struct batch_slot *slot);

/* What a batch's slot is about, for the report of a panic. */
struct panic_work pipeline_describe(const void *slot);

#endif
