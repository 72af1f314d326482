/* metrics_own: simplecache_*: the rows of `stats` that no name of the exporter's tells, and what
 * has labels: cores, queues, memory by use, evictions by reason, segments by age. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/stats/metrics_writer.h"

/* Rows. */

/* Rows that are no figures of a cache, and zeros that only stand there for programs that read
 * `stats`. */
static bool own_is_told(const struct statistic *row, const struct metrics_sources *sources) {
    static const char *const others[] = {"pid", "version", "pointer_size", "connection_structures"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (strcmp(row->name, others[i]) == 0) {
            return false;
        }
    }
    return !metrics_exporter_has(row) && strncmp(row->sentence, "Always 0", 8) != 0 &&
           (!row->is_tls || sources->stats.facts->tls);
}

/* The unit is at the end of a name, and _total behind that of a counter. */
static void own_name(const struct statistic *row, char name[METRICS_NAME_BYTES]) {
    size_t length = strlen(row->name);
    const char *unit = "";
    if (strcmp(row->unit, "microseconds") == 0) {
        length -= strlen("_us");
        unit = "_seconds";
    } else if (strcmp(row->unit, "seconds") == 0) {
        unit = "_seconds";
    } else if (strcmp(row->unit, "bytes") == 0 && !strstr(row->name, "bytes")) {
        unit = "_bytes";
    }
    snprintf(name, METRICS_NAME_BYTES, "simplecache_%.*s%s%s", (int)length, row->name, unit,
             row->type == STATISTIC_COUNT ? "_total" : "");
}

/* One is in one state alone, so that they add up to those that are open. */
static void own_put_states(struct metrics_writer *writer, const struct metrics_sources *sources) {
    static const char *const name = "simplecache_connections";
    const struct counters *sum = &sources->stats.sum->counters;
    uint64_t special = sum->log_watchers + sum->ssl_in_handshake;
    uint64_t serving = sum->curr_connections > special ? sum->curr_connections - special : 0;
    metrics_put_head(writer, name, METRICS_GAUGE, "Connections that are open, by what they do.");
    metrics_put_number(writer, name, "state=\"serving\"", serving);
    metrics_put_number(writer, name, "state=\"watching\"", sum->log_watchers);
    metrics_put_number(writer, name, "state=\"handshake\"", sum->ssl_in_handshake);
}

void metrics_put_own(struct metrics_writer *writer, const struct metrics_sources *sources) {
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *row = &statistic_table[i];
        char name[METRICS_NAME_BYTES];
        if (own_is_told(row, sources)) {
            own_name(row, name);
            metrics_put_head(writer, name,
                             row->type == STATISTIC_COUNT ? METRICS_COUNTER : METRICS_GAUGE,
                             row->sentence);
            metrics_put_row(writer, name, NULL, row, sources);
        }
    }
    own_put_states(writer, sources);
    metrics_put_head(writer, "process_resident_memory_bytes", METRICS_GAUGE,
                     "Memory of the process that is resident.");
    metrics_put_number(writer, "process_resident_memory_bytes", NULL, sources->resident_bytes);
}

/* Cores. */

static void own_put_core_field(struct metrics_writer *writer, const struct metrics_sources *sources,
                               const char *name, enum metrics_type type, const char *help,
                               uint64_t (*number)(const struct shard_stats *stats)) {
    metrics_put_head(writer, name, type, help);
    for (uint32_t i = 0; i < sources->snapshot->cores; i++) {
        char labels[24];
        snprintf(labels, sizeof(labels), "core=\"%" PRIu32 "\"", i);
        metrics_put_number(writer, name, labels, number(&sources->snapshot->parts[i].stats));
    }
}

#define OWN_FIELD(name, field)                                                                     \
    static uint64_t name(const struct shard_stats *stats) {                                        \
        return stats->field;                                                                       \
    }
OWN_FIELD(own_turns, counters.reactor_turns)
OWN_FIELD(own_sleeps, counters.reactor_sleeps)
OWN_FIELD(own_connections, counters.curr_connections)
OWN_FIELD(own_gets, counters.cmd_get)
OWN_FIELD(own_mesh_requests, counters.mesh_requests)
OWN_FIELD(own_hot_hits, counters.hot_hits)
OWN_FIELD(own_items, store.items)
OWN_FIELD(own_memory, store.memory_bytes)

void metrics_put_cores(struct metrics_writer *writer, const struct metrics_sources *sources) {
    static const char *const busy = "simplecache_core_cpu_seconds_total";
    metrics_put_head(writer, busy, METRICS_COUNTER, "CPU time of a reactor's thread.");
    for (uint32_t i = 0; i < sources->snapshot->cores; i++) {
        char labels[24];
        snprintf(labels, sizeof(labels), "core=\"%" PRIu32 "\"", i);
        metrics_put_seconds(writer, busy, labels, sources->cpu_ns[i]);
    }
    own_put_core_field(writer, sources, "simplecache_core_turns_total", METRICS_COUNTER,
                       "Turns of a reactor.", own_turns);
    own_put_core_field(writer, sources, "simplecache_core_sleeps_total", METRICS_COUNTER,
                       "Times that a reactor had nothing to do and slept.", own_sleeps);
    own_put_core_field(writer, sources, "simplecache_core_connections", METRICS_GAUGE,
                       "Connections that a reactor serves.", own_connections);
    own_put_core_field(writer, sources, "simplecache_core_gets_total", METRICS_COUNTER,
                       "Keys asked for of a shard, or answered from a reactor's copies.", own_gets);
    own_put_core_field(writer, sources, "simplecache_core_mesh_requests_total", METRICS_COUNTER,
                       "Requests that a reactor has sent to another one.", own_mesh_requests);
    own_put_core_field(writer, sources, "simplecache_core_hot_hits_total", METRICS_COUNTER,
                       "Keys asked for that a reactor has answered from copies.", own_hot_hits);
    own_put_core_field(writer, sources, "simplecache_core_items", METRICS_GAUGE,
                       "Items of a shard.", own_items);
    own_put_core_field(writer, sources, "simplecache_core_memory_bytes", METRICS_GAUGE,
                       "Memory of a shard.", own_memory);
}

/* The store. */

static void own_put_queues(struct metrics_writer *writer, const char *name, enum metrics_type type,
                           const char *help, uint64_t small, uint64_t main) {
    metrics_put_head(writer, name, type, help);
    metrics_put_number(writer, name, "queue=\"small\"", small);
    metrics_put_number(writer, name, "queue=\"main\"", main);
}

static void own_put_ages(struct metrics_writer *writer, const struct snapshot *snapshot) {
    static const char *const name = "simplecache_queue_segments_by_age";
    static const char *const queues[] = {"small", "main"};
    metrics_put_head(writer, name, METRICS_GAUGE,
                     "Segments in use, by the seconds that they are younger than.");
    for (uint32_t queue = 0; queue < 2; queue++) {
        for (uint32_t i = 0; i < SNAPSHOT_AGES; i++) {
            char labels[64], bound[16] = "+Inf";
            if (i < SNAPSHOT_AGES - 1) {
                snprintf(bound, sizeof(bound), "%" PRIu32, snapshot_age_bounds_s[i]);
            }
            snprintf(labels, sizeof(labels), "queue=\"%s\",younger_than=\"%s\"", queues[queue],
                     bound);
            metrics_put_number(writer, name, labels, snapshot->ages[queue][i]);
        }
    }
}

static void own_put_memory(struct metrics_writer *writer, const struct metrics_sources *sources) {
    static const char *const name = "simplecache_memory_use_bytes";
    struct snapshot_memory memory = snapshot_memory(sources->snapshot);
    metrics_put_head(writer, name, METRICS_GAUGE, "Memory, by what it is used for.");
    metrics_put_number(writer, name, "use=\"small_items\"", memory.small_items);
    metrics_put_number(writer, name, "use=\"main_items\"", memory.main_items);
    metrics_put_number(writer, name, "use=\"dead_items\"", memory.dead_items);
    metrics_put_number(writer, name, "use=\"segments_rest\"", memory.segments_rest);
    metrics_put_number(writer, name, "use=\"index\"", memory.index);
    metrics_put_number(writer, name, "use=\"ghosts\"", memory.ghosts);
    metrics_put_number(writer, name, "use=\"bookkeeping\"", memory.bookkeeping);
    metrics_put_number(writer, name, "use=\"copies\"", memory.copies);
    metrics_put_number(writer, name, "use=\"connection_buffers\"", memory.buffers);
    metrics_put_number(writer, name, "use=\"free\"", memory.free);
}

static void own_put_gone(struct metrics_writer *writer, const struct store_stats *store) {
    static const char *const name = "simplecache_items_gone_total";
    metrics_put_head(writer, name, METRICS_COUNTER,
                     "Items that were dropped, by the reason: to make room, though read or not, "
                     "since their time was over, by flush_all, or by flush_prefix.");
    metrics_put_number(writer, name, "reason=\"evicted_read\"",
                       store->evictions - store->evicted_unfetched);
    metrics_put_number(writer, name, "reason=\"evicted_unread\"", store->evicted_unfetched);
    metrics_put_number(writer, name, "reason=\"expired\"", store->expired);
    metrics_put_number(writer, name, "reason=\"flushed\"", store->flushed - store->flushed_prefix);
    metrics_put_number(writer, name, "reason=\"flushed_prefix\"", store->flushed_prefix);
}

static void own_put_connections(struct metrics_writer *writer, const struct shard_stats *sum) {
    static const char *const name = "simplecache_large_values";
    metrics_put_head(writer, name, METRICS_GAUGE, "Large values on their way, by direction.");
    metrics_put_number(writer, name, "direction=\"received\"", sum->store.uploads);
    metrics_put_number(writer, name, "direction=\"sent\"", sum->store.leases);
}

void metrics_put_store(struct metrics_writer *writer, const struct metrics_sources *sources) {
    const struct store_stats *store = &sources->stats.sum->store;
    const struct store_queue_stats *small = &store->small, *main = &store->main;
    own_put_queues(writer, "simplecache_queue_items", METRICS_GAUGE, "Items of a queue.",
                   small->items, main->items);
    own_put_queues(writer, "simplecache_queue_bytes", METRICS_GAUGE, "Memory of a queue's items.",
                   small->item_bytes, main->item_bytes);
    own_put_queues(writer, "simplecache_queue_segments", METRICS_GAUGE, "Segments of a queue.",
                   small->segments, main->segments);
    own_put_queues(writer, "simplecache_queue_hits_total", METRICS_COUNTER,
                   "Reads of a queue's items.", small->hits, main->hits);
    own_put_queues(writer, "simplecache_queue_evictions_total", METRICS_COUNTER,
                   "Items that were evicted from a queue.", small->evictions, main->evictions);
    own_put_queues(writer, "simplecache_queue_moved_items_total", METRICS_COUNTER,
                   "Items of a queue that were kept since they were read.", small->moved_items,
                   main->moved_items);
    own_put_ages(writer, sources->snapshot);
    own_put_memory(writer, sources);
    own_put_gone(writer, store);
    own_put_connections(writer, sources->stats.sum);
}
