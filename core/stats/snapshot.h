/* snapshot: what all shards were at one moment, as far as it is shown over HTTP.
 *
 * The thread of HTTP owns it and lends it to reactor 0, which has each shard write its part
 * (core/server/metrics_gather.h). Whoever has it writes it alone.
 */
#ifndef CORE_STATS_SNAPSHOT_H
#define CORE_STATS_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/settings.h"
#include "core/stats/counters.h"
#include "core/stats/hotkeys.h"
#include "core/stats/latency.h"

/* By how old they are the segments of either queue are counted: younger than each of these bounds,
 * and one class for those that are older than all. In seconds. */
#define SNAPSHOT_AGES 8
extern const uint32_t snapshot_age_bounds_s[SNAPSHOT_AGES - 1];

/* Of one shard and its reactor, on cache lines of its own, since different reactors write them. */
#define SNAPSHOT_PART_ALIGNMENT 64
struct snapshot_part {
    _Alignas(SNAPSHOT_PART_ALIGNMENT) struct shard_stats stats;
    /* Segments by age, of the small and of the main queue. */
    uint64_t ages[2][SNAPSHOT_AGES];
    struct latency latency;
    struct hotkeys_list hotkeys; /* empty with -X */
};

struct snapshot {
    uint32_t cores;
    bool complete; /* all parts are written; false: the server was stopping */
    /* The tick on the store's scale, and the times of both clocks. */
    uint32_t now;
    int64_t unix_now;
    uint64_t monotonic_ns;
    struct server_settings settings;
    bool copies; /* of others' items: there is space for some */
    /* Over all parts, by snapshot_add_up(). */
    struct shard_stats sum;
    uint64_t ages[2][SNAPSHOT_AGES];
    struct latency latency;
    struct hotkeys_list hotkeys;
    struct snapshot_part parts[]; /* of each core */
};

/* One for so many cores; NULL without memory. To be freed by free(). */
struct snapshot *snapshot_create(uint32_t cores);

/* Adds the parts up. */
void snapshot_add_up(struct snapshot *snapshot);

/* Memory in bytes, by its use. The parts of the stores, up to their bound, and of connections. */
struct snapshot_memory {
    uint64_t small_items; /* stored items, by queue */
    uint64_t main_items;
    uint64_t dead_items;    /* items that are gone, in segments that are in use */
    uint64_t segments_rest; /* not written to yet, or being received */
    uint64_t index;
    uint64_t ghosts;
    uint64_t bookkeeping;
    uint64_t free;    /* up to the bound */
    uint64_t copies;  /* of items of other shards, beside the bound */
    uint64_t buffers; /* of connections, beside the bound */
};
struct snapshot_memory snapshot_memory(const struct snapshot *snapshot);

#endif
