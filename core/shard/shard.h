/* shard: what one reactor owns apart from its io_uring. Only that reactor's thread touches it, but
 * for what belongs to its keys: while the reactor is in the kernel another one may borrow those,
 * and then serves the requests that have been sent to them (core/mesh/lending.h).
 *
 * Everything that handles requests works on a struct shard and does no I/O, so that tests drive it
 * without a kernel ring.
 */
#ifndef CORE_SHARD_SHARD_H
#define CORE_SHARD_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/config.h"
#include "core/base/log.h"
#include "core/base/nodes.h"
#include "core/base/panic.h"
#include "core/mesh/mesh.h"
#include "core/mesh/message.h"
#include "core/shard/answered.h"
#include "core/shard/auth.h"
#include "core/shard/copies.h"
#include "core/shard/keyspace.h"
#include "core/shard/watch.h"
#include "core/stats/command.h"
#include "core/stats/counters.h"

/* Messages of a shard that are taken at once; while all are, requests wait. They are held by
 * requests at other shards (whatever the credits add up to) and by replies that wait for earlier
 * replies of their connection. Beside them each connection may have one parked message, whose reply
 * waits for a lease. */
#define SHARD_MESSAGES_MAX 1152

/* Messages of these that are reserved for ending leases and cancelling uploads at other shards.
 * They come back after the other shard's next turn. */
#define SHARD_MESSAGES_SPARE 64

struct chunk;
struct clock;
struct connection;
struct pipeline;

/* Writes about this reactor's connections into a chunk, from *cursor on; false at the end. */
typedef bool shard_list_connections(void *reactor, const struct request *request, uint64_t *cursor,
                                    struct chunk *chunk);

/* What a shard asks of the reactor that it belongs to, whose address is the first parameter. */
struct shard_hooks {
    /* Messages that have come back have moved a pipeline of this reactor on. */
    void (*progressed)(void *reactor, struct pipeline *pipeline);
    /* A connection has been handed to this reactor by a MESSAGE_CONNECTION. */
    void (*open_connection)(void *reactor, int descriptor, enum transport transport);
    /* The same, of one that another reactor has served, by a MESSAGE_MOVED. */
    void (*take_connection)(void *reactor, struct connection *connection);
    /* A login that the system's SASL decides: begins it, and copies what it needs of the request.
     * When it has ended pipeline_end_login() is called. False: it is refused at once. */
    bool (*begin_login)(void *reactor, struct pipeline *pipeline, const struct request *request);
    /* The command refresh_certs: reads the files of TLS again. Returns the answer's line, which
     * lasts until the next call. */
    const char *(*refresh_certs)(void *reactor);
    shard_list_connections *list_connections;
    /* watch_flush() is to be called at this monotonic time, or before. */
    void (*flush_watch_at)(void *reactor, uint64_t at_ns);
    /* Lines for the clients of this reactor that watch: struct watch_record, one behind the other.
     */
    void (*watch_lines)(void *reactor, const char *records, size_t length);
    /* Wakes another reactor; mesh_claim_wake() has been true. */
    void (*wake)(void *reactor, uint32_t other);
};

struct shard {
    uint32_t id;
    uint32_t count; /* of shards */
    uint64_t seed;  /* of the key hash; the same for all shards of a server, new at each start */

    /* The reactor's time, read once a turn: monotonic, in seconds of the server for what is timed
     * by the second, and the store's tick without debugtime; and the monotonic time at which one of
     * these is over. */
    uint64_t now_ns;
    uint64_t tick_ends_ns;
    uint32_t now_s;
    uint32_t tick;

    /* What belongs to this shard's keys, on cache lines that nothing else is on; all else belongs
     * to the reactor and its connections. */
    _Alignas(CACHE_LINE_BYTES) struct keyspace keys;

    /* The number of the shard whose keys this reactor may use now: its own, or SHARD_NONE while
     * that is not its own, see shard_take(). */
    _Alignas(CACHE_LINE_BYTES) uint32_t held;

    /* The shards that it has borrowed for the batch it runs, and those of them whose reactors are
     * to be woken behind it: see core/pipeline/lend.h. Empty between two batches. */
    struct shard_set borrowed;
    struct shard_set wanted_back;

    /* All shards of the server. Of one that it has not borrowed only keys.refused_ns may be read,
     * the words of keys.versions, and keys.store by store_lease_read() under a lease. Of one that
     * it has, keys, port and settings may be used; settings are only read. */
    struct shard *const *all;
    struct mesh_port *port;
    struct message_pool messages;
    struct buffer_pool buffers;
    struct copies copies;     /* of items of other shards */
    struct counters counters; /* of connections, bytes, messages and turns */
    struct latency latency;   /* of commands of its connections, and of its turns */
    struct answered answered; /* in this turn, and not in those histograms yet */
    struct log log;
    /* What the reactor is working on, for a report when the process dies of a bug. */
    struct panic_report panic;
    const struct server_facts *facts;
    struct server_settings settings; /* written only while it has its keys */
    uint32_t scan_slices;            /* done in this turn, see core/shard/scan.h */

    /* What the connections hold, of whichever shard's memory: uploads under way, and leases on
     * large values that are output. */
    uint32_t uploads;
    uint32_t leases;

    struct logins *logins; /* owned; NULL: no login is required */
    /* A newer table, put here by reactor 0 and taken by this shard's at its next login. The thread
     * that takes a table out owns it. Acquire and release by the exchanges of both. */
    _Atomic(struct logins *) logins_mailbox;

    struct nodes *nodes; /* owned: the list of servers; NULL: none is known */
    /* A newer one, likewise, by reactor 0 or the thread that talks to etcd. */
    _Atomic(struct nodes *) nodes_mailbox;

    /* By the command shutdown, and not by its form `graceful`: the server goes at once. */
    bool stop_at_once;
    /* Who watches. `watching` is this shard itself while anybody does, else NULL. Of the boards all
     * reactors use that of shard 0. */
    struct shard *watching;
    struct watch watch;
    _Alignas(CACHE_LINE_BYTES) struct watch_board board;

    bool keeps_items; /* its store lies in a file */
    bool stop_asked;  /* by the command shutdown; the reactor looks at it once a turn */
    const struct shard_hooks *hooks;
    void *reactor; /* their first parameter */
};

struct shard_config {
    uint32_t id;
    uint32_t count;
    uint64_t seed;
    /* One that lies in a file, and is the shard's from then on, also when shard_init() fails; NULL:
     * it makes one of its own by what follows, and the file's has its own of these. */
    struct store *store;
    size_t memory_bytes;     /* of this shard's store */
    size_t memory_bytes_max; /* the most that a command may raise it to */
    /* For copies of others' items, of which the store has so much less; 0: there are none. Not
     * below COPIES_BYTES_MIN, and only with several shards. */
    size_t copies_bytes;
    struct server_settings settings;
    struct logins *logins; /* belongs to the shard from then on */
    size_t item_bytes_max;
    uint32_t pipelines_max; /* at once */
    struct mesh *mesh;
    struct shard *const *all; /* of the server, this one among them; by their numbers */
    const struct server_facts *facts;
    const struct clock *clock;
};

/* Prepares a shard on the thread that will own it. Returns 0, -ENOMEM, or -EINVAL for a memory size
 * that is too small; the shard needs no shard_finish() then. */
int shard_init(struct shard *shard, const struct shard_config *config);
void shard_finish(struct shard *shard);

/* Sets what store and copies of a shard may have together, in bytes; STORE_MEMORY_BYTES_MIN to
 * shard_config.memory_bytes_max. Copies have their part of it, as at the start. Returns 0 or what
 * store_resize() does, with nothing changed. Thread: its reactor's, while it holds the keys. */
int shard_resize(struct shard *shard, uint64_t memory_bytes);

/* Whether the reactor may use the keys of the shard `owner` now: it is its own, and not lent. What
 * needs keys while it may not does what it does for another shard to which there is no credit:
 * mesh_has_credit() is never true of the own. */
static inline bool shard_holds(const struct shard *shard, uint32_t owner) {
    return owner == shard->held;
}

/* Whether the reactor has borrowed the shard `owner`. */
static inline bool shard_borrows(const struct shard *shard, uint32_t owner) {
    return shard_set_has(&shard->borrowed, owner);
}

/* Whether the reactor has the shard `owner`, its own or a borrowed one: then it may use its keys.
 */
static inline bool shard_has(const struct shard *shard, uint32_t owner) {
    return shard_holds(shard, owner) || shard_borrows(shard, owner);
}

/* Takes the keys, which the reactor does not have, and moves their time on. False when they are
 * lent: they are marked as wanted then, and this is to be called again. */
bool shard_take(struct shard *shard);

/* Leaves the keys, for as long as the reactor is in the kernel; does nothing when they are lent, or
 * when this is the only shard. The caller enters the kernel only after mesh_has_work() or
 * mesh_may_sleep(). */
void shard_leave(struct shard *shard);

/* The hash of keys: a store_hash. */
uint64_t shard_key_hash(const char *key, uint32_t length, uint64_t seed);

/* The hash of a key: bits 48..63 choose the shard, the others belong to the store. */
uint64_t shard_hash(const struct shard *shard, const char *key, uint32_t length);

/* The newest table of users; NULL when no login is required. */
const struct logins *shard_logins(struct shard *shard);

/* Gives the shard a newer table, which belongs to it from then on. Any thread, but one at a time.
 */
void shard_renew_logins(struct shard *shard, struct logins *logins);

/* The newest list of servers; NULL when none is known. */
const struct nodes *shard_nodes(struct shard *shard);

/* Gives the shard a newer list, which belongs to it from then on. Any thread, but one at a time. */
void shard_renew_nodes(struct shard *shard, struct nodes *nodes);

/* A holder of messages, a connection or a gather, may hold at most this part (1/16) of the messages
 * that are left: then one is left for every other holder, however long replies are waited for. */
#define SHARD_MESSAGES_PART 16

/* Messages that are left, but for the reserved ones. */
static inline uint32_t shard_messages_left(const struct shard *shard) {
    uint32_t most = SHARD_MESSAGES_MAX - SHARD_MESSAGES_SPARE;
    return shard->messages.out < most ? most - shard->messages.out : 0;
}

/* Whether the holder of `held` messages may take one more. */
static inline bool shard_may_take_message(const struct shard *shard, uint32_t held) {
    return held * SHARD_MESSAGES_PART < shard_messages_left(shard);
}

/* The completion of a message whose coming back changes nothing: gives it back to its pool. */
void shard_give_message(struct shard *shard, struct message *message);

/* Whether one is left for ending a lease or cancelling an upload. */
static inline bool shard_has_spare_message(const struct shard *shard) {
    return shard->messages.out < SHARD_MESSAGES_MAX;
}

/* Which of so many shards owns a hash. */
static inline uint32_t shard_of_hash(uint64_t hash, uint32_t count) {
    return (uint32_t)(((hash >> 48) * count) >> 16);
}
static inline uint32_t shard_owner(const struct shard *shard, uint64_t hash) {
    return shard_of_hash(hash, shard->count);
}

/* Keeps a copy of an item of the shard `owner`; sets what of the source is this reactor's. */
void shard_keep_copy(struct shard *shard, uint32_t owner, struct copy_source *source);

/* Fails an assertion when the shard's messages, buffers and what its connections hold contradict
 * each other. For tests. */
void shard_check(const struct shard *shard);

/* Copies this shard's counters and sizes. */
void shard_stats_read(const struct shard *shard, struct shard_stats *stats);

#endif
