/* upload: a value that is too long for a message, on its way from a connection to the shard that
 * will keep it.
 *
 *     connection's shard                                the owner, maybe the same
 *     set k 0 0 100000   ── begin: key and length ──▶   takes memory
 *                        ◀── window for 64 KiB ────────
 *     writes what it receives there: parts, or what the kernel puts there itself
 *                        ── window ──▶  ◀── for the rest   (asked for while the first is filled)
 *     the last bytes     ── end: the request ───────▶   makes an item of it; the reply comes back
 *
 * Begin and window have no reply in the connection's queue; what goes wrong there is answered at
 * the end, as the parser gives out the value to its last byte all the same. An owner whose uploads
 * hold as much as they may lets a begin wait: it is tried again, and the connection runs and
 * receives nothing meanwhile.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_UPLOAD_H
#define CORE_PIPELINE_UPLOAD_H

#include <stdbool.h>

#include "core/pipeline/pipeline.h"

struct upload;

enum upload_progress {
    UPLOAD_WAITS,   /* the request can't be run now; nothing has changed that running it again would
                       not take up */
    UPLOAD_ENDED,   /* the request is done */
    UPLOAD_REFUSED, /* the upload has failed and is cancelled: upload_slot() is to be run in its
                       place, and upload_free() called then */
};

/* Runs the slot of a request with `upload`, or of a part or the end of its value. */
enum upload_progress upload_run(struct pipeline *pipeline, struct shard *shard,
                                const struct batch_slot *slot);

/* The upload's request as a slot; after a failure the request that answers it, as if the parser had
 * refused the value. */
struct batch_slot upload_slot(struct pipeline *pipeline);

/* The place where its next bytes belong, if all parts that were run are in: received there they
 * need not come as parts. upload_received() says that so many have. */
struct upload_window upload_window(const struct upload *upload);
void upload_received(struct pipeline *pipeline, struct shard *shard, uint32_t length);

/* Whether it waits to begin; and tries again to. */
bool upload_is_busy(const struct upload *upload);
void upload_retry(struct pipeline *pipeline, struct shard *shard);

/* Breaks it off, if there is one. False when a message of it is out, or no credit to tell its
 * owner: to be called again. */
bool upload_abort(struct pipeline *pipeline, struct shard *shard);

/* Forgets it, whatever is out. */
void upload_free(struct pipeline *pipeline, struct shard *shard);

/* Fails an assertion when its windows, its state and its messages contradict each other. */
void upload_check(const struct upload *upload, const struct shard *shard);

/* Which shard's memory it is in, and since when, on the store's scale; 0: it holds none. */
uint32_t upload_owner(const struct upload *upload);
uint32_t upload_held_since(const struct upload *upload);

#endif
