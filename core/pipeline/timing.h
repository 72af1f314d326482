/* timing: how long a connection's commands take, from the turn that brought the last byte of one to
 * the turn that asks for the one send which carries its reply.
 *
 *     bytes come ─▶ timing_arrived()
 *     a reply is written ─▶ timing_note(), of an earlier arrival timing_note_queued()
 *     the send is asked for, at the end of the connection's turn or later
 *         ─▶ timing_sent() ─▶ core/shard/answered.h, until the end of the reactor's turn
 *
 * What counts when:
 *   - Requests that came together have the same beginning. One that comes in pieces begins with its
 *     last piece, and so does a large value that is uploaded. With TLS it is the piece as it came,
 *     though it may be decrypted in a later turn.
 *   - Waiting for another shard, a lease, memory, a login or a busy turn is in it.
 *   - It ends where the send is asked for: whether the client takes it is the client's. So behind
 *     output that the client has not taken a reply ends with its turn, and a large value with the
 *     first of its sends.
 *   - A line of keys is one command, answered with its last key. What has no reply (noreply, quiet)
 *     ends with the turn in which it is done. A quit, and what is answered in parts that wait for
 *     the client (dumps, stats sizes, conns, detail dump, cachedump), does not count.
 *
 * Thread: the reactor of the connection.
 */
#ifndef CORE_PIPELINE_TIMING_H
#define CORE_PIPELINE_TIMING_H

#include "core/pipeline/pipeline.h"

/* What does not count is noted here. */
#define TIMING_NONE (LATENCY_ROW - 1)

extern const uint8_t timing_kinds[OP_COUNT];

/* A key of a line behind which there are others. */
static inline bool timing_is_amid_keys(const struct request *request) {
    return (request->op == OP_GET || request->op == OP_GAT) && !request->last &&
           request->protocol == PROTOCOL_TEXT;
}

/* Moves what is written and not sent to timing.kept. */
void timing_keep_written(struct pipeline *pipeline, struct shard *shard);

/* Bytes have come, in this turn. Where nothing can hold replies back they are counted as sent when
 * they are written. */
static inline void timing_arrived(struct pipeline *pipeline, struct shard *shard) {
    struct timing *timing = &pipeline->timing;
    if (timing->keeps) {
        timing_keep_written(pipeline, shard);
    } else if (shard->count == 1) {
        timing->noted = shard->answered.now.of;
    }
    timing->arrived_ns = shard->now_ns;
}

/* What is written from here on may be sent in a later turn. */
static inline void timing_may_be_late(struct pipeline *pipeline) {
    pipeline->timing.noted = pipeline->timing.written.of;
}

/* The reply to a request of the last arrival is written. */
static inline void timing_note(struct pipeline *pipeline, const struct request *request) {
    if (!timing_is_amid_keys(request)) {
        pipeline->timing.noted[timing_kinds[request->op]]++;
    }
}

/* The same for a message of the queue. */
void timing_note_queued(struct pipeline *pipeline, struct shard *shard,
                        const struct message *message);

/* All is sent in this turn that has been written; also where some came in earlier turns. */
void timing_send_late(struct pipeline *pipeline, struct shard *shard);
static inline void timing_sent(struct pipeline *pipeline, struct shard *shard) {
    struct timing *timing = &pipeline->timing;
    bool any = timing->noted == timing->written.of && answered_any(&timing->written);
    if (timing->kept.length > 0 || (any && timing->arrived_ns != shard->now_ns)) {
        timing_send_late(pipeline, shard);
    } else if (any) {
        answered_move(&shard->answered.now, &timing->written);
    }
    timing->keeps = false;
    timing_may_be_late(pipeline);
}

/* The end of a connection's turn. late: what has been written is not sent in this one. */
static inline void timing_end_turn(struct pipeline *pipeline, struct shard *shard, bool late) {
    if (late) {
        timing_may_be_late(pipeline);
        pipeline->timing.keeps = true;
    } else {
        timing_sent(pipeline, shard);
    }
}

/* Forgets what was kept. */
void timing_finish(struct pipeline *pipeline, struct shard *shard);

#endif
