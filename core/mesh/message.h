/* message: one request under way between two shards, and the place for its reply.
 *
 * The reactor whose connection asked (the origin) takes a message from its pool, fills it and sends
 * it to the shard that owns the key; whoever has that shard executes it and sends the same message
 * back. At any moment one thread alone may touch it: origin, request ring, who has the owner's
 * shard, reply ring, origin. It goes back to the pool it came from.
 *
 *   near | key and opaque, padded to 288 | the request's value, then the reply's, if it is short |
 *   wide | a longer value, up to 16 KiB, in one of few ranges apart from the messages
 *
 * So most traffic stays on few pages, and an entry of the TLB serves many messages. The message
 * freed last is used first, so that few of them are touched; and so it is with wide ranges. A
 * message has none unless it was given one by message_widen(): what is too long for a message
 * without is not copied into it, and is asked for again when there is one for it.
 */
#ifndef CORE_MESH_MESSAGE_H
#define CORE_MESH_MESSAGE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mesh/ring.h"
#include "core/mesh/versions.h"
#include "proto/request.h"

/* Values up to this size travel inside the message. Longer ones don't travel: they are received
 * into the owner's store, and sent from there. */
#define MESSAGE_VALUE_BYTES_MAX ((size_t)16 * 1024)
#define MESSAGE_KEY_BYTES 288        /* a key and an opaque */
#define MESSAGE_VALUE_BYTES_NEAR 440 /* what is left of 1 KiB */

/* Wide ranges of a pool, 1 MiB. Of them some are left to messages which come back without waiting
 * for anybody, and as many more to commands for every shard, whose parts are such messages: so
 * there is always one that comes back, and none that holds one waits for one that does not. */
#define MESSAGE_WIDES_MAX 64
#define MESSAGE_WIDES_SPARE 4
#define MESSAGE_WIDES_SHARED (2 * MESSAGE_WIDES_SPARE)

/* Wide ranges, and messages, that stay when a pool is trimmed: they are few, and soon used again.
 */
#define MESSAGE_WIDES_KEPT 8
#define MESSAGE_POOL_KEPT 128

/* After a value that needed a wide range, requests for values get one for so many messages. */
#define MESSAGE_WIDES_EXPECTED 8192

struct connection;
struct message;
struct shard;
struct snapshot_part;

/* What the owner does. */
enum message_kind {
    /* Those that wait in the queue of a connection until their reply is due. */
    MESSAGE_REQUEST,     /* of one shard */
    MESSAGE_EVERY_SHARD, /* a command for every shard: this shard's part */
    MESSAGE_SCAN,        /* a chunk of a scan, see core/shard/scan.h; it lies in wide */
    MESSAGE_UPLOAD_END,  /* a request whose value has been uploaded */
    MESSAGE_LEASE,       /* a get that has been executed: the lease on what it has found */
    MESSAGE_LOGIN,       /* sent to no shard: the system's SASL decides on a login */
    MESSAGE_LEASE_BACK,  /* the end of its lease, which will be asked for again */

    /* Those of a connection's upload, in no queue. */
    MESSAGE_UPLOAD_BEGIN,
    MESSAGE_UPLOAD_WINDOW,

    /* Those whose completion only gives them back to their pool. */
    MESSAGE_UPLOAD_CANCEL,
    MESSAGE_LEASE_END,
    MESSAGE_SNAPSHOT,   /* the part of the shard and its reactor, see core/stats/snapshot.h */
    MESSAGE_WATCH,      /* lines for clients that watch, see core/shard/watch.h; they lie in wide */
    MESSAGE_CONNECTION, /* a descriptor, from the reactor that accepts to the one that serves */
    MESSAGE_MOVED,      /* a connection, from the reactor that has served it to the next */
};

/* True for what the owner's own reactor alone may do, on its thread: it concerns more than the
 * keys. Every other kind is done by whoever has the shard (core/mesh/lending.h). */
static inline bool message_is_for_reactor(enum message_kind kind) {
    switch (kind) {
    case MESSAGE_EVERY_SHARD:
    case MESSAGE_SCAN:
    case MESSAGE_SNAPSHOT:
    case MESSAGE_WATCH:
    case MESSAGE_CONNECTION:
    case MESSAGE_MOVED:
        return true;
    case MESSAGE_REQUEST:
    case MESSAGE_UPLOAD_END:
    case MESSAGE_LEASE:
    case MESSAGE_LOGIN:
    case MESSAGE_LEASE_BACK:
    case MESSAGE_UPLOAD_BEGIN:
    case MESSAGE_UPLOAD_WINDOW:
    case MESSAGE_UPLOAD_CANCEL:
    case MESSAGE_LEASE_END:
        return false;
    }
    assert(!"a message of unknown kind");
    return true;
}

/* Memory of the owner's store for the next bytes of an upload, in one piece. */
struct upload_window {
    char *bytes;
    uint32_t length; /* 0: there is none */
};

/* Called on the origin's thread when a message has come back; its credit is free again. The message
 * is the completion's from then on, to be kept, sent again or given back to its pool. */
typedef void message_complete(struct shard *shard, struct message *message);

struct message {
    /* In the pool's free list, or in the queue of a connection. */
    struct message *next;
    /* Origin: what happens when it has come back, and to whom: the pipeline, or another that waits
     * for it. The owner only compares requesters, see core/shard/priority.h. */
    message_complete *complete;
    void *requester;
    uint64_t hash;
    uint8_t kind;     /* enum message_kind */
    uint8_t status;   /* enum store_status: what came of an upload's begin or window */
    bool done;        /* origin: the reply is here */
    bool last_part;   /* of the parts of a command for every shard the one that answers */
    bool refused;     /* result lacks its value: no lease was granted, or it has no wide range */
    bool lease_asked; /* origin: since it is the first of its queue, a lease has been asked for */
    bool parked;      /* origin: see message_park() */
    bool scan_more;   /* reply of a scan: there is more in that shard */
    union {
        uint64_t cursor;               /* of a scan */
        struct connection *connection; /* of a MESSAGE_MOVED */
        uint64_t arrived_ns;           /* origin: when any other request of a connection came */
    };
    uint64_t large; /* the store's handle of an upload, or of the value whose lease ends */
    union {
        struct upload_window window;    /* where in the owner's memory an upload goes on */
        struct snapshot_part *snapshot; /* of a MESSAGE_SNAPSHOT: the owner writes it */
    };
    /* Of a MESSAGE_CONNECTION the one that is handed over; else of the connection that asks, as
     * clients that watch are told. */
    int descriptor;
    uint8_t transport; /* of a MESSAGE_CONNECTION: enum transport */
    bool about_copy;   /* of a MESSAGE_REQUEST that reads: what is about copies is set */
    bool bare;         /* origin: a read that was sent without a wide range */
    bool again;        /* origin: one of its key before it is sent again, and so it is, too */
    struct request request;
    struct result result;
    char *wide; /* MESSAGE_VALUE_BYTES_MAX bytes, or NULL */
    /* About copies, see core/shard/copies.h. Origin: the longest value in bytes of which one is
     * asked for, 0: none is; how often one was hit since the owner was last told; in grant the word
     * of one that is kept, or 0. Reply: what goes with a copy, which is the result; its word is 0
     * when there is none. */
    uint16_t copy_bytes_max;
    uint32_t copy_hits;
    struct version_grant grant;
    _Alignas(8) char key[MESSAGE_KEY_BYTES];
    char value[MESSAGE_VALUE_BYTES_NEAR];
};

_Static_assert(sizeof(struct message) == 1024, "few pages");

/* A reactor's messages. Only its own thread takes and gives back. */
struct message_pool {
    struct message *messages; /* memory for all, provided by the system as used */
    char *wide;               /* and for MESSAGE_WIDES_MAX wide ranges */
    struct message *free;
    uint32_t count;
    uint32_t used_ever; /* messages[used_ever..count) were never taken, or are clean again */
    uint32_t out;       /* taken now, but for the parked ones */
    uint32_t parked;    /* taken now, and parked */
    bool is_large;      /* more is touched than stays when it is trimmed */

    uint32_t wides_expected; /* requests for values are widened for so many messages more */
    uint32_t wides_free;
    uint32_t wides_touched;           /* only the first so many have memory */
    uint8_t wides[MESSAGE_WIDES_MAX]; /* the numbers of those that are free, the first so many */
};

/* Addresses in bytes that a pool reserves; its memory is provided as it is used. */
uint64_t message_pool_bytes(uint64_t count);

/* Reserves a pool of count messages, parked ones included. Returns 0 or -ENOMEM. */
int message_pool_init(struct message_pool *pool, uint32_t count);
void message_pool_finish(struct message_pool *pool);

/* A message, cleared up to its request, or NULL when all are out. */
struct message *message_take(struct message_pool *pool);
void message_give(struct message_pool *pool, struct message *message);

/* Gives a message a wide range, if it has none. False when there is none for it; `comes_back`: the
 * spare ones count, too, since the message waits for nobody. */
bool message_widen(struct message_pool *pool, struct message *message, bool comes_back);

/* Takes it back. */
void message_narrow(struct message_pool *pool, struct message *message);

/* Whether a value of that length fits into a message as it is. */
static inline bool message_fits(const struct message *message, uint32_t length) {
    return length <= MESSAGE_VALUE_BYTES_NEAR || message->wide;
}

/* Memory in bytes that the pool has touched. */
size_t message_pool_touched(const struct message_pool *pool);

/* Gives memory back that is not in use: of wide ranges, and of messages if none is in use. */
void message_pool_trim(struct message_pool *pool);

/* Fails an assertion when messages are lost, or in the free list twice. For tests. */
void message_pool_check(const struct message_pool *pool);

/* Parks a message that may be held for long: it doesn't count as out any more, so that requests of
 * other connections still find one. Parking it again changes nothing. */
void message_park(struct message_pool *pool, struct message *message);

/* Prefetches the cache lines of a small request and reply, which another reactor has written. */
static inline void message_prefetch(const struct message *message) {
    const char *start = (const char *)message;
    for (const char *line = start; line < message->key + CACHE_LINE_BYTES;
         line += CACHE_LINE_BYTES) {
        __builtin_prefetch(line);
    }
    __builtin_prefetch(message->value);
    __builtin_prefetch(message->value + CACHE_LINE_BYTES);
}

/* Keeps what the reply needs of a request: all but its value. */
void message_keep_request(struct message *message, const struct request *request, uint64_t hash);

/* Copies a request into a message, with its key and its value, if it has one. */
void message_set_request(struct message *message, const struct request *request, uint64_t hash);

/* Copies a result into a message, with its value. Where that does not fit it is left out, and the
 * message is refused. */
void message_set_result(struct message *message, const struct result *result);

#endif
