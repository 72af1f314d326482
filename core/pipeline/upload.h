/* upload: a value that is too long for a message, on its way from a connection to the shard that
 * will keep it.
 *
 *     connection's shard                                the owner, maybe the same
 *     set k 0 0 100000   ── begin: key and length ──▶   takes memory
 *                        ◀── window of 64 KiB ─────────
 *     writes the value's bytes into the window, or the kernel receives them there
 *                        ── next window? ──▶            (asked for while the first is filled)
 *                        ◀── window of the rest ───────
 *     the last bytes     ── end: the request ───────▶   makes an item of it; the reply comes back
 *
 * The messages for the begin and the windows are not in the connection's queue. When one of them
 * fails, the parser still gives out the value to its last byte, and the failure is answered then.
 * An owner whose uploads hold all the memory that they may refuses a begin as busy: it is retried,
 * and the connection neither runs requests nor receives meanwhile.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_UPLOAD_H
#define CORE_PIPELINE_UPLOAD_H

#include <stdbool.h>

#include "core/pipeline/pipeline.h"

struct upload;

enum upload_progress {
    UPLOAD_WAITS,   /* the request is to be run again; the bytes that are in stay in */
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

/* The window to which its next bytes belong; empty while a part is half written, or after a
 * failure. upload_received() notes that `length` bytes have been received there. */
struct upload_window upload_window(const struct upload *upload);
void upload_received(struct pipeline *pipeline, struct shard *shard, uint32_t length);

/* Whether the owner has refused the begin as busy; and asks again. */
bool upload_is_busy(const struct upload *upload);
void upload_retry(struct pipeline *pipeline, struct shard *shard);

/* Cancels the pipeline's upload, if there is one. False while a message of it is out, or without
 * credit to tell its owner: to be called again. */
bool upload_abort(struct pipeline *pipeline, struct shard *shard);

/* Frees the upload, if there is one, and tells no owner. */
void upload_free(struct pipeline *pipeline, struct shard *shard);

/* Fails an assertion when its windows, its state and its messages contradict each other. */
void upload_check(const struct upload *upload, const struct shard *shard);

/* The shard in whose memory it is; and since when, in seconds on the store's scale, or 0 when it
 * holds none. */
uint32_t upload_owner(const struct upload *upload);
uint32_t upload_held_since(const struct upload *upload);

#endif
