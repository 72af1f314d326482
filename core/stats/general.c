/* The general statistics. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/stats/writer.h"

static void put_time(struct stats_writer *writer, const char *name, struct timeval time) {
    char value[48];
    snprintf(value, sizeof(value), "%ld.%06ld", (long)time.tv_sec, (long)time.tv_usec);
    stats_put(writer, name, value);
}

static void put_process(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct server_facts *facts = sources->facts;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    stats_put_number(writer, "pid", (uint64_t)getpid());
    stats_put_number(writer, "uptime", sources->now - CLOCK_FIRST_SECOND);
    stats_put_number(writer, "time", (uint64_t)sources->unix_now);
    stats_put(writer, "version", facts->version);
    stats_put_number(writer, "pointer_size", 8 * sizeof(void *));
    put_time(writer, "rusage_user", usage.ru_utime);
    put_time(writer, "rusage_system", usage.ru_stime);
    stats_put_number(writer, "max_connections", facts->config->connections_max);
    stats_put_number(writer, "threads", facts->config->cores);
}

static void put_items(struct stats_writer *writer, const struct store_stats *store) {
    stats_put_number(writer, "bytes", store->item_bytes);
    stats_put_number(writer, "curr_items", store->items);
    stats_put_number(writer, "total_items", store->items_stored);
    stats_put_number(writer, "get_expired", store->met_expired);
    stats_put_number(writer, "get_flushed", store->met_flushed);
    stats_put_number(writer, "evictions", store->evictions);
    stats_put_outcomes(writer, "", store);
}

/* The size that a hash table would have. */
static uint64_t power_of(uint64_t buckets) {
    return buckets > 0 ? 63 - (uint64_t)__builtin_clzll(buckets) : 0;
}

static void put_memory(struct stats_writer *writer, const struct store_stats *store) {
    stats_put_number(writer, "hash_power_level", power_of(store->index_buckets));
    stats_put_number(writer, "hash_bytes", store->index_bytes);
    stats_put_number(writer, "hash_is_expanding", 0); /* it grows with every set, by one bucket */
    stats_put_number(writer, "store_bytes", store->memory_bytes);
    stats_put_number(writer, "dead_bytes", store->dead_bytes);
    stats_put_number(writer, "segment_size", store->segment_bytes);
    stats_put_number(writer, "segments", store->segments);
    stats_put_number(writer, "segments_free", store->segments_free);
    stats_put_number(writer, "segments_evicted", store->segments_evicted);
    stats_put_number(writer, "uploads", store->uploads);
    stats_put_number(writer, "upload_bytes", store->upload_reserved_bytes);
    stats_put_number(writer, "leases", store->leases);
    stats_put_number(writer, "leased_bytes", store->leased_bytes);
    stats_put_number(writer, "pinned_bytes", store->pinned_bytes);
    stats_put_number(writer, "segments_cleaned", store->segments_cleaned);
    stats_put_number(writer, "ghost_bytes", store->ghost_bytes);
    stats_put_number(writer, "ghost_hits", store->ghost_hits);
}

/* What can't happen here, and programs that read memcached's statistics look for: there are no
 * slabs to move, and nobody can watch. */
static void put_constants(struct stats_writer *writer) {
    static const char *const names[] = {
        "slab_reassign_running", "slabs_moved",      "log_worker_dropped", "log_worker_written",
        "log_watcher_skipped",   "log_watcher_sent", "log_watchers"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        stats_put_number(writer, names[i], 0);
    }
}

/* What was asked for; or where shards can't shrink that far, what they keep to. */
static uint64_t limit_of(const struct stats_sources *sources) {
    uint64_t asked = sources->settings->memory_bytes;
    uint64_t kept = sources->sum->store.memory_bytes_max;
    return kept > asked ? kept : asked;
}

void stats_put_general(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct counters *counters = &sources->sum->counters;
    put_process(writer, sources);
    stats_put_number(writer, "limit_maxbytes", limit_of(sources));
    /* A connection has its structure from accept to close, and none is kept for reuse. */
    stats_put_number(writer, "connection_structures", counters->curr_connections);
#define PUT_COUNTER(name) stats_put_number(writer, #name, counters->name);
    COUNTERS(PUT_COUNTER, PUT_COUNTER)
#undef PUT_COUNTER
    put_items(writer, &sources->sum->store);
    put_memory(writer, &sources->sum->store);
    put_constants(writer);
}
