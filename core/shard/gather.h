/* gather: one message to each shard, and the sum of what they answer.
 *
 *     gather_send() ──▶ this shard's part, executed at once ───────────┐
 *          ├──────────▶ a message to each other shard ──▶ comes back ──┼─▶ sum and result
 *          └ GATHER_WAITS: no credit or message left; call it again    │
 *                             the last part calls done ◀───────────────┘
 *
 * The owner of a gather keeps it until it is done. Its messages are the gather's own: there is no
 * queue, so that statistics may be gathered without a connection.
 *
 * Thread: the reactor that owns the shard.
 */
#ifndef CORE_SHARD_GATHER_H
#define CORE_SHARD_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shard/shard.h"
#include "core/stats/counters.h"

/* The longest line with which a command for every shard is answered. */
#define GATHER_LINE_BYTES_MAX 128

struct gather;

/* Called when the last message has come back, not from gather_send(). */
typedef void gather_done(struct shard *shard, struct gather *gather);

struct gather {
    gather_done *done;
    void *context;        /* of done's owner */
    uint32_t next;        /* the shard that is asked next; the number of shards: all have been */
    uint32_t outstanding; /* messages that have not come back */
    struct result result; /* of the shard with the highest number; a value lies in line */
    char line[GATHER_LINE_BYTES_MAX];
    /* Of all shards, for an OP_STATS, by the group of its sub-command. */
    union {
        struct shard_stats sum;
        struct latency latency;      /* STATS_LATENCY */
        struct hotkeys_list hotkeys; /* STATS_HOTKEYS */
    };
};

enum gather_progress {
    GATHER_WAITS, /* not every shard has been asked yet; its own is not while that is lent */
    GATHER_SENT,  /* every shard has; done will be called */
    GATHER_DONE,  /* every shard has, and all have answered; done will not be called */
};

void gather_init(struct gather *gather, gather_done *done, void *context);

/* Asks the shards that have not been asked yet to execute a request for every shard (see
 * op_concerns_shards()). After GATHER_WAITS it is to be called again with the same request, when
 * messages have come back. */
enum gather_progress gather_send(struct gather *gather, struct shard *shard,
                                 const struct request *request);

/* Asks no further shards. True when no message is out: the gather is over then. Otherwise done will
 * be called. */
bool gather_cancel(struct gather *gather, const struct shard *shard);

#endif
