/* login: a connection says who it is. A file of users answers at once; the system's SASL may take
 * its time: the connection then has one message in its queue, which is at no shard, and neither
 * runs requests nor receives until that is answered.
 *
 * As in memcached a login that does not succeed ends an earlier one that did.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_LOGIN_H
#define CORE_PIPELINE_LOGIN_H

#include <stdbool.h>

#include "core/pipeline/pipeline.h"

/* Runs an OP_LOGIN, and overwrites its secret where it is parsed (a login that
 * came in pieces leaves some in receive buffers until those are used again). False, with nothing
 * changed, when replies are owed before it. */
bool pipeline_run_login(struct pipeline *pipeline, struct shard *shard,
                        const struct batch_slot *slot);

/* Whether the system's SASL is waited for. */
static inline bool pipeline_awaits_login(const struct pipeline *pipeline) {
    return pipeline->first && pipeline->first->kind == MESSAGE_LOGIN;
}

/* The system's SASL has decided: RESULT_OK, RESULT_LOGIN_FAILED, or RESULT_LOGIN_CONTINUES with the
 * challenge, at most MESSAGE_VALUE_BYTES_MAX, as the result's value, which is copied. The
 * connection goes on, by shard_hooks.progressed. */
void pipeline_end_login(struct pipeline *pipeline, struct shard *shard,
                        const struct result *result);

/* The connection ends: the outcome is not waited for any more. */
void pipeline_abandon_login(struct pipeline *pipeline);

#endif
