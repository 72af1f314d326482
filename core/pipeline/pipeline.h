/* pipeline: what a connection does with its bytes, without any I/O.
 *
 *     received bytes ─▶ collect: parse, hash, prefetch ─▶ batch ─▶ run
 *                                                                   │
 *           key of this shard, queue empty: execute ────────────────┼─▶ output ─▶ outgoing
 *           else: message ─▶ queue, in request order ───────────────┘     ▲
 *                               └─ replies leave it in request order ─────┘
 *
 * The files, each of which calls only those below it:
 *
 *     lifecycle        init, abort, finish                  input   bytes come in and are parsed
 *     run              one request, by what it concerns     trace   requests in the log
 *     upload           a long value that is stored, part by part
 *     scan             a long answer, chunk by chunk
 *     every_shard      a command for every shard
 *     login            a login
 *     watcher          clients that watch
 *     lend             shards of others, while they are free
 *     copied           gets of others' keys of which this reactor has copies
 *     queue            messages whose replies are owed
 *     timing           how long commands take
 *     output           replies as bytes
 *     outgoing         output that is being sent, and leases on long values in it
 *
 * exchange.h has a shard's part in the traffic between shards.
 *
 * A request for this shard, while the reactor has it, on a connection that owes no reply runs
 * straight from the input into the output. Any other takes a message and a place in the
 * connection's queue; replies leave the queue in request order, whatever order they come back in. A
 * request that can't run now (no credit, no message, output full) takes its parsing back: the
 * pipeline is stalled and goes on from there later.
 *
 * Values that are too long for a message are never here as a whole. One that is stored is received
 * where it will stay (core/pipeline/upload.h); of one that was found the output holds a lease
 * (core/pipeline/outgoing.h).
 *
 * Thread: the reactor that owns shard and connection.
 */
#ifndef CORE_PIPELINE_PIPELINE_H
#define CORE_PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/mesh/message.h"
#include "core/shard/shard.h"
#include "proto/parser.h"

/* Bytes of replies that the client has not taken, beyond which a connection's requests wait. */
#define PIPELINE_OUTPUT_BYTES_MAX BUFFER_SHARE_BYTES

/* Messages in the queue of one connection. */
#define PIPELINE_QUEUE_MAX 64
#define PIPELINE_BARE_WORDS 8

/* Requests that one connection runs in a round, before the other ready connections run theirs; and,
 * unless -R says otherwise, in a turn, before the reactor looks for new events. */
#define PIPELINE_ROUND_MAX 16
#define PIPELINE_TURN_DEFAULT (8 * PIPELINE_ROUND_MAX)

struct outgoing;
struct upload;

/* When a pipeline's requests came, for core/pipeline/timing.h. */
struct timing {
    uint64_t arrived_ns; /* the last bytes: the beginning of that turn */
    uint32_t *noted;     /* where replies are counted, by kind: written, or the reactor's */
    struct answered_counts written; /* replies to what came then, not sent yet */
    struct buffer kept;             /* struct answered_group: the same of what came earlier */
    bool keeps;                     /* there are such, or `written` is not of this turn alone */
};

struct pipeline {
    struct parser parser;

    /* The bytes under way: a receive buffer of the reactor or the pipeline's own input. */
    const char *bytes;
    size_t length;
    size_t consumed;

    struct buffer input;  /* bytes that were received and have not been run */
    struct buffer output; /* replies, in the order of their requests */
    struct buffer leases; /* on large values in the output, see core/pipeline/outgoing.h */
    size_t sending;       /* bytes taken by pipeline_take_output() and not released yet */

    struct timing timing;

    /* The queue: requests whose replies are owed, oldest first. */
    struct message *first;
    struct message *last;
    uint32_t queued;      /* messages in it */
    uint32_t drained;     /* messages that have left it, modulo 2^32 */
    uint32_t outstanding; /* messages in it whose replies have not come */
    uint32_t bare;        /* reads in it that may have to be sent again for their values */
    uint64_t bare_keys[PIPELINE_BARE_WORDS]; /* while there are any: see queue_note_bare() */
    struct upload *upload;  /* the value whose parts are the next requests, or NULL */
    struct message *gather; /* in the queue: a command for every shard under way, or NULL */
    struct scan *scan;      /* the answer to the next request, while it is under way, or NULL */
    uint32_t logins_failed; /* not logged yet */
    int number;             /* of the connection, for the log */

    bool datagram;   /* the input is one datagram, see core/net/udp.h */
    bool wants_more; /* the bytes hold no further whole request; excludes stalled */
    bool stalled;    /* the next request could not run; cleared by pipeline_resume() */
    /* Stalled until the next turn, since scans have had their share of this one. */
    bool scan_yields;
    bool asking;         /* of `gather` some shards have still to be asked: it is run again */
    bool summing;        /* the scan is a sum: it is run to its end */
    bool progressed;     /* a request has run; cleared by the reactor before a round */
    bool closing;        /* nothing more is parsed; closes when all replies are sent */
    bool protocol_error; /* closing, since the input is not of the protocol */
    bool out_of_memory;  /* replies were lost: the connection closes at once */
    bool watching;       /* it gets lines and nothing else, see core/pipeline/watcher.h */
    bool aborted;        /* pipeline_abort() has been called: replies are dropped */
};

struct batch_slot {
    struct pipeline *pipeline;
    struct parser before; /* the parser and the offset before this request, for a stall */
    size_t offset;
    uint64_t hash;  /* of the key of a request that names one */
    uint32_t owner; /* the shard of that key */
    struct request request;
};

#define BATCH_MAX (4 * PIPELINE_ROUND_MAX)

/* Requests of several connections on their way through one round. */
struct batch {
    uint32_t count;
    struct batch_slot slots[BATCH_MAX];
    char key_space[BATCH_MAX][KEY_LENGTH_MAX]; /* for keys that are decoded (meta's b) */
};

void pipeline_init(struct pipeline *pipeline, const struct shard *shard);

/* Its client takes no more lines, if it was one that watches: core/pipeline/watcher.h. */
void pipeline_end_watch(struct pipeline *pipeline, struct shard *shard);

/* Ends a pipeline whose connection is gone: gives back the stores' memory that it holds, uploads
 * and leases, and drops its replies. False while some is left or a message is out: to be called
 * again when messages have come back. After the first call only pipeline_finish() may follow. */
bool pipeline_abort(struct pipeline *pipeline, struct shard *shard);

/* Gives all memory back, after pipeline_abort(). */
void pipeline_finish(struct pipeline *pipeline, struct shard *shard);

/* Takes received bytes as input; they stay the caller's and must last until pipeline_pause(). In
 * those of logins the secret is overwritten, so they are writable on a connection that logs in.
 * False when there is no memory to add them to earlier input: the connection is to be closed. */
bool pipeline_feed(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                   size_t length);

/* The same with a copy of the bytes, of any length. */
bool pipeline_feed_copy(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                        size_t length);

/* The same in two steps: space for `length` bytes behind the input, NULL without memory; and then
 * how many of them the caller has put there. */
char *pipeline_input_space(struct pipeline *pipeline, struct shard *shard, size_t length);
void pipeline_input_filled(struct pipeline *pipeline, struct shard *shard, size_t length);

/* The window into a store's memory to which the next bytes of an upload belong. The kernel may
 * receive them there; then pipeline_direct_feed() is called in place of pipeline_feed(). Returns
 * its length; 0 when there is none, or when it has less than PIPELINE_DIRECT_BYTES_MIN. */
#define PIPELINE_DIRECT_BYTES_MIN ((size_t)4 * 1024)
size_t pipeline_upload_window(const struct pipeline *pipeline, char **where);

/* Notes that `length` bytes have been received in the window. */
void pipeline_direct_feed(struct pipeline *pipeline, struct shard *shard, size_t length);

/* Ends a stall, and goes on with the input that pipeline_pause() kept. */
void pipeline_resume(struct pipeline *pipeline);

/* True while there may be another request to run at once. */
static inline bool pipeline_can_run(const struct pipeline *pipeline) {
    return pipeline->bytes && !pipeline->wants_more && !pipeline->stalled && !pipeline->closing;
}

/* Parses up to `requests_max` requests, at most PIPELINE_ROUND_MAX, into the batch, which must have
 * that many free slots, hashes their keys and prefetches their buckets. The bytes must stay until
 * batch_run(). */
void pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                      struct batch *batch);

/* Prefetches the items of a batch, runs its requests in order, and empties it. */
void batch_run(struct batch *batch, struct shard *shard);

/* Ends the use of fed bytes, if there are any: those that have not been run are copied to the
 * input. False when there is no memory for it: the connection is to be closed. */
bool pipeline_keep_input(struct pipeline *pipeline, struct shard *shard);
static inline bool pipeline_pause(struct pipeline *pipeline, struct shard *shard) {
    return !pipeline->bytes || pipeline_keep_input(pipeline, shard);
}

/* Drops the input. */
void pipeline_drop_input(struct pipeline *pipeline, struct shard *shard);

/* True when no more requests are run until the client takes output: PIPELINE_OUTPUT_BYTES_MAX are
 * exceeded, or what it may have while memory is scarce, or a large value is in it. Never of one
 * that watches; the answer to a datagram is not sent in parts, and so may have all. */
static inline bool pipeline_output_exceeds(const struct pipeline *pipeline, size_t below) {
    size_t length = pipeline->output.length + pipeline->sending;
    return pipeline->leases.length > 0 ||
           (length >= below && !pipeline->watching &&
            (!pipeline->datagram || length > PIPELINE_OUTPUT_BYTES_MAX));
}
static inline bool pipeline_output_full(const struct pipeline *pipeline,
                                        const struct shard *shard) {
    return pipeline_output_exceeds(pipeline, shard->buffers.share_below);
}

/* Moves all output, with the leases on the values in it, to an empty outgoing. The
 * bytes count as output until pipeline_release_output(), which returns as outgoing_release(). */
void pipeline_take_output(struct pipeline *pipeline, struct outgoing *outgoing);
bool pipeline_release_output(struct pipeline *pipeline, struct shard *shard,
                             struct outgoing *outgoing);

/* True while a store that has too much memory leased or uploaded refuses it some: the lease of its
 * first reply, or the beginning of its upload. pipeline_retry() asks for it again. */
bool pipeline_wants_memory(const struct pipeline *pipeline);
void pipeline_retry(struct pipeline *pipeline, struct shard *shard);

/* True while nobody will tell it when it can go on, so that it has to be run again after a while:
 * it wants memory, or its scan waits (scan_waits()). */
bool pipeline_polls(const struct pipeline *pipeline, const struct shard *shard);

/* True when no request can run, since memory of a store or the outcome of a login is waited for; or
 * the output is full. A command for every shard that has begun does not wait for the client, nor
 * does a scan that makes a sum: what they hold until all have been asked would be kept from others
 * for as long. */
bool pipeline_waits(const struct pipeline *pipeline);
static inline bool pipeline_is_blocked(const struct pipeline *pipeline, const struct shard *shard) {
    bool may_wait = pipeline->first || pipeline->upload;
    return (may_wait && pipeline_waits(pipeline)) ||
           (pipeline_output_full(pipeline, shard) && !pipeline->asking && !pipeline->summing);
}

#endif
