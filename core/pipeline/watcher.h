/* watcher: connections whose clients watch what the server does. From the answer OK on there is
 * nothing on them but lines; what the client sends is dropped, and only its end ends them.
 *
 * A client that reads too slowly loses lines: as many bytes as -o watcher_logbuf_size wait for it.
 * The next line that it gets comes behind one that says how many, skipped=N.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_WATCHER_H
#define CORE_PIPELINE_WATCHER_H

#include "core/pipeline/pipeline.h"

/* Runs an OP_WATCH. False when it can't be done now. It is answered once every reactor knows the
 * streams. */
bool pipeline_run_watch(struct pipeline *pipeline, struct shard *shard,
                        const struct batch_slot *slot);

/* Puts lines (struct watch_record, one behind the other) into the output of each pipeline of this
 * shard that watches their streams, and tells its reactor that they have moved on. */
void watcher_deliver(struct shard *shard, const char *records, size_t length);

#endif
