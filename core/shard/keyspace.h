/* keyspace: what belongs to the keys of one shard, apart from the reactor that owns them and its
 * connections.
 *
 * Executing a command needs this and nothing else of a shard. At any moment one thread alone
 * touches it: that of the reactor that has the shard, its own or one that has borrowed it
 * (core/mesh/lending.h). But for refused_ns and flush_slots, for a store's values under a lease
 * (store_lease_read()), for the words of versions, and for what never changes. debug_offset_s and
 * debug_paused are written by the owner alone, which may read them at any time.
 */
#ifndef CORE_SHARD_KEYSPACE_H
#define CORE_SHARD_KEYSPACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/mesh/versions.h"
#include "core/shard/crawler.h"
#include "core/shard/priority.h"
#include "core/stats/counters.h"
#include "core/stats/prefix.h"
#include "store/store.h"

struct clock;
struct shard;

struct keyspace {
    uint32_t id; /* of the shard */
    struct store *store;
    uint32_t now;              /* the store's tick, see keyspace_pass_time() */
    uint32_t tick;             /* the same without debugtime */
    uint64_t now_ns;           /* monotonic, likewise */
    const struct clock *clock; /* for the times that these don't tell */
    int64_t debug_offset_s;    /* that debugtime has moved the clock by; else 0 */
    bool debug_paused;         /* debugtime has stopped the clock */
    bool maintaining;          /* store_maintain() has more to do */

    struct counters counters; /* of commands on these keys; reactors count all else */
    /* What its reactor counted, as of when it left the keys; with --metrics, and more than one. Who
     * has the keys may read it, so that the reactor needn't be woken for that. */
    struct counters left_counters;
    struct prefix_table prefixes; /* of keys, for `stats detail` */
    struct crawler crawler;

    /* Which requester of a large value's lease, or of an upload, is served before the others. */
    struct priority lease_priority;
    struct priority upload_priority;

    /* The shard of the reactor that serves the keys, while clients watch what it does, else NULL:
     * see core/shard/watch_lines.h. */
    struct shard *watched_by;

    /* When the store last refused an upload or a lease, in monotonic time; 0: never. Written by the
     * thread that serves the keys, read by every reactor whose clients hold leases or uploads.
     * Relaxed: it may be a moment old. */
    _Atomic uint64_t refused_ns;

    /* Rules of flush_prefix that the store has, as last counted; and these with those that are
     * promised to commands on their way, which every reactor may be (core/shard/flush_slots.h). */
    uint32_t flush_rules;
    _Atomic uint32_t flush_slots;

    struct hotkeys hotkeys; /* for `stats hotkeys` */

    /* By which reactors know that their copies are up to date. */
    struct versions versions;
};

/* Moves the time of the keys on to the monotonic time now_ns, which is in this tick without
 * debugtime. It never runs backwards, whosever time it is; with debugtime it may be ahead or stand
 * still. */
void keyspace_pass_tick(struct keyspace *keys, uint32_t tick);
static inline void keyspace_pass_time(struct keyspace *keys, uint64_t now_ns, uint32_t tick) {
    if (now_ns > keys->now_ns) {
        keys->now_ns = now_ns;
    }
    if (tick > keys->tick) {
        keyspace_pass_tick(keys, tick);
    }
}

/* Notes that an upload or a lease has been refused, since others hold too much. */
void keyspace_note_refusal(struct keyspace *keys);

/* True when one has been refused in the last KEYSPACE_REFUSED_NS before now_ns. Any thread. A
 * refused requester asks again well within this time. */
#define KEYSPACE_REFUSED_NS ((uint64_t)2000000000)
bool keyspace_has_refused(const struct keyspace *keys, uint64_t now_ns);

#endif
