/* pipeline: what a connection does with its bytes, without any I/O.
 *
 *     received bytes ─▶ collect: parse, hash, prefetch ─▶ batch ─▶ run
 *                                                                   │
 *           mine, and no reply is owed: execute ────────────────────┼─▶ output
 *           else: message ─▶ queue, in request order ───────────────┘     ▲
 *                               └─ replies leave it in request order ─────┘
 *
 * A request for this shard on a connection that owes no reply runs straight from the input into the
 * output. Any other takes a message and a place in the connection's queue; replies leave the queue
 * in request order, whatever order they come back in. A request that can't run now (no credit, no
 * message, output full) takes its parsing back: the pipeline is stalled and goes on from there
 * later.
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

/* Replies not yet taken by the client, beyond which a connection's requests wait. */
#define PIPELINE_OUTPUT_BYTES_MAX ((size_t)64 * 1024)

/* Requests of one connection that may be in its queue at once. */
#define PIPELINE_QUEUE_MAX 64

/* Requests taken from one connection before others that are ready have their round; and in a turn,
 * after which whoever else has come is served, unless -R says otherwise. */
#define PIPELINE_ROUND_MAX 16
#define PIPELINE_TURN_DEFAULT (8 * PIPELINE_ROUND_MAX)

struct outgoing;
struct upload;

struct pipeline {
    struct parser parser;

    /* The bytes under way: a receive buffer of the reactor or the pipeline's own input. */
    const char *bytes;
    size_t length;
    size_t consumed;

    struct buffer input;  /* what was received and could not be used at once */
    struct buffer output; /* replies, to be sent from the front */
    struct buffer leases; /* large values in it, see core/pipeline/outgoing.h */
    size_t sending;       /* bytes that the connection has taken from output and not got rid of */

    struct message *first; /* the queue: requests whose replies are owed, oldest first */
    struct message *last;
    uint32_t queued;
    uint32_t drained;       /* that have left the queue, from 0 again after 2^32 */
    uint32_t outstanding;   /* of these at other shards */
    struct upload *upload;  /* of the value whose parts are the next requests; NULL: of none */
    struct message *gather; /* of the queue: a command for every shard under way, or NULL */
    struct scan *scan;      /* the scan that answers the next request, while it is under way */
    uint32_t logins_failed; /* not yet told to the log */
    int number;             /* of its connection, in the log */

    bool datagram;       /* there is one piece of input and no more, see core/net/udp.h */
    bool wants_more;     /* the bytes hold no further whole request */
    bool stalled;        /* the next request could not run; cleared by pipeline_resume() */
    bool scan_yields;    /* stalled, but only so that others have their turn */
    bool progressed;     /* a request has run; cleared by the reactor before a round */
    bool closing;        /* nothing is parsed any more; close when all replies are sent */
    bool protocol_error; /* closing, since what came was beyond the protocol */
    bool out_of_memory;  /* replies were lost: close at once */
    bool aborted;        /* pipeline_abort() has been called: there will be no more replies */
};

struct batch_slot {
    struct pipeline *pipeline;
    struct parser before; /* the parser and the offset before this request, to take it back */
    size_t offset;
    uint64_t hash; /* of a request that names a key, as is the owner */
    uint32_t owner;
    struct request request;
};

#define BATCH_MAX (4 * PIPELINE_ROUND_MAX)

/* Requests of several connections on their way through one round. */
struct batch {
    uint32_t count;
    struct batch_slot slots[BATCH_MAX];
    char key_space[BATCH_MAX][KEY_LENGTH_MAX]; /* for keys that come encoded */
};

void pipeline_init(struct pipeline *pipeline, const struct shard *shard);

/* Gives back what it holds of the stores' memory: uploads and leases. True once nothing is left of
 * that, and no message is out; until then to be called again when messages have come back. Nothing
 * else may be done to the pipeline meanwhile; messages of it that come back are completed. */
bool pipeline_abort(struct pipeline *pipeline, struct shard *shard);

/* Gives all memory back, after pipeline_abort(). */
void pipeline_finish(struct pipeline *pipeline, struct shard *shard);

/* Begins with received bytes; they stay the caller's and must last until pipeline_pause(). False
 * when they could not be added to what is waiting already: the connection is lost. */
bool pipeline_feed(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                   size_t length);

/* The same with a copy of the bytes, which may be more. */
bool pipeline_feed_copy(struct pipeline *pipeline, struct shard *shard, const char *bytes,
                        size_t length);

/* Where the next bytes of an upload belong, and how many may be received there at once, by the
 * kernel itself; they need not be fed then. 0: there is no such place, or it isn't worth it. */
#define PIPELINE_DIRECT_BYTES_MIN ((size_t)4 * 1024)
size_t pipeline_upload_window(const struct pipeline *pipeline, char **where);

/* So many have been received there. */
void pipeline_direct_feed(struct pipeline *pipeline, struct shard *shard, size_t length);

/* Begins again with what pipeline_pause() kept. */
void pipeline_resume(struct pipeline *pipeline);

/* True while there may be another request to run at once. */
bool pipeline_can_run(const struct pipeline *pipeline);

/* Parses up to `requests_max` requests, at most PIPELINE_ROUND_MAX, into the batch, which must have
 * room for so many, hashes their keys and prefetches their buckets. The bytes must stay until
 * batch_run(). */
void pipeline_collect(struct pipeline *pipeline, struct shard *shard, uint32_t requests_max,
                      struct batch *batch);

/* Prefetches the items of a batch, runs its requests in order, and empties it. */
void batch_run(struct batch *batch, struct shard *shard);

/* Ends the use of fed bytes: what is left of them is copied to input. False when there is no
 * memory for it: the connection is lost. */
bool pipeline_pause(struct pipeline *pipeline, struct shard *shard);

/* Forgets what was received and not run. */
void pipeline_drop_input(struct pipeline *pipeline, struct shard *shard);

/* True when the client has left so much untaken that nothing more is run for it; one large value is
 * enough. */
bool pipeline_output_full(const struct pipeline *pipeline);

/* Moves all output, with the leases on the values in it, to an empty outgoing. What is on its way
 * counts as output until pipeline_release_output() has released it; false as with
 * outgoing_release(). */
void pipeline_take_output(struct pipeline *pipeline, struct outgoing *outgoing);
bool pipeline_release_output(struct pipeline *pipeline, struct shard *shard,
                             struct outgoing *outgoing);

/* True while it waits for memory of a store of which others hold too much: its first reply for the
 * lease on a large value, or its upload to begin. pipeline_retry() asks for it again. */
bool pipeline_wants_memory(const struct pipeline *pipeline);
void pipeline_retry(struct pipeline *pipeline, struct shard *shard);

/* True when nothing more is run for either reason: not before that changes. */
bool pipeline_is_blocked(const struct pipeline *pipeline);

#endif
