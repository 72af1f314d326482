/* check: what is always true of a pipeline between the calls of its reactor. For tests: the server
 * never calls it.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_CHECK_H
#define CORE_PIPELINE_CHECK_H

#include "core/pipeline/outgoing.h"
#include "core/pipeline/pipeline.h"

/* Fails an assertion when the queue, the output or the states of a pipeline contradict each other;
 * or what is being sent of its output, unless that is NULL. */
void pipeline_check(const struct pipeline *pipeline, const struct shard *shard,
                    const struct outgoing *outgoing);

#endif
