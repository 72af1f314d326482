#include "core/stats/statistic.h"

#include <assert.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/stats/command.h"
#include "core/stats/counters.h"

/* Values that are no field of the shards' numbers. */

static uint64_t statistic_zero(const struct stats_sources *sources) {
    (void)sources;
    return 0;
}

static uint64_t statistic_pid(const struct stats_sources *sources) {
    (void)sources;
    return (uint64_t)getpid();
}

static uint64_t statistic_uptime(const struct stats_sources *sources) {
    return clock_seconds_since(CLOCK_FIRST_TICK, sources->now);
}

static uint64_t statistic_time(const struct stats_sources *sources) {
    return (uint64_t)sources->unix_now;
}

static void statistic_version(const struct stats_sources *sources,
                              char value[STATISTIC_TEXT_BYTES]) {
    snprintf(value, STATISTIC_TEXT_BYTES, "%s", sources->facts->version);
}

static uint64_t statistic_pointer_bits(const struct stats_sources *sources) {
    (void)sources;
    return 8 * sizeof(void *);
}

static void statistic_write_time(char value[STATISTIC_TEXT_BYTES], struct timeval time) {
    snprintf(value, STATISTIC_TEXT_BYTES, "%ld.%06ld", (long)time.tv_sec, (long)time.tv_usec);
}

static void statistic_user_time(const struct stats_sources *sources,
                                char value[STATISTIC_TEXT_BYTES]) {
    struct rusage usage;
    (void)sources;
    getrusage(RUSAGE_SELF, &usage);
    statistic_write_time(value, usage.ru_utime);
}

static void statistic_system_time(const struct stats_sources *sources,
                                  char value[STATISTIC_TEXT_BYTES]) {
    struct rusage usage;
    (void)sources;
    getrusage(RUSAGE_SELF, &usage);
    statistic_write_time(value, usage.ru_stime);
}

static uint64_t statistic_connections_max(const struct stats_sources *sources) {
    return sources->facts->config->connections_max;
}

static uint64_t statistic_threads(const struct stats_sources *sources) {
    return sources->facts->config->cores;
}

/* What was asked for; or the bound that the stores keep to, where they can't shrink that far. */
static uint64_t statistic_limit(const struct stats_sources *sources) {
    uint64_t asked = sources->settings->memory_bytes;
    uint64_t kept = sources->sum->store.memory_bytes_max;
    return kept > asked ? kept : asked;
}

static uint64_t statistic_process_max(const struct stats_sources *sources) {
    const struct server_facts *facts = sources->facts;
    return facts->process_bytes - facts->config->memory_bytes + statistic_limit(sources);
}

static uint64_t statistic_connections(const struct stats_sources *sources) {
    return sources->sum->counters.curr_connections;
}

/* Without those that a command on their key or the crawler has found, which are counted apart. */
static uint64_t statistic_reclaimed(const struct stats_sources *sources) {
    const struct store_stats *store = &sources->sum->store;
    return store->expired + store->flushed - store->met_expired - store->met_flushed -
           store->crawl_reclaimed;
}

/* The size that a hash table would have. */
static uint64_t statistic_hash_power(const struct stats_sources *sources) {
    uint64_t buckets = sources->sum->store.index_buckets;
    return buckets > 0 ? 63 - (uint64_t)__builtin_clzll(buckets) : 0;
}

static uint64_t statistic_since_refresh(const struct stats_sources *sources) {
    const struct tls_facts *tls = sources->facts->tls;
    return clock_seconds_since(atomic_load_explicit(&tls->loaded_at, memory_order_relaxed),
                               sources->now);
}

static uint64_t statistic_of_file(const _Atomic uint64_t *number) {
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* 0 without -e. */
static uint64_t statistic_file_left(const struct stats_sources *sources) {
    return sources->facts->file ? statistic_of_file(&sources->facts->file->left) : 0;
}

static uint64_t statistic_file_moved(const struct stats_sources *sources) {
    return sources->facts->file ? statistic_of_file(&sources->facts->file->moved) : 0;
}

static uint64_t statistic_file_lost(const struct stats_sources *sources) {
    return sources->facts->file ? statistic_of_file(&sources->facts->file->lost) : 0;
}

static void statistic_expiry(const struct stats_sources *sources,
                             char value[STATISTIC_TEXT_BYTES]) {
    const struct tls_facts *tls = sources->facts->tls;
    int64_t at = atomic_load_explicit(&tls->expires_unix_s, memory_order_relaxed);
    snprintf(value, STATISTIC_TEXT_BYTES, "%lld", (long long)(at - sources->unix_now));
}

#define COUNT STATISTIC_COUNT
#define GAUGE STATISTIC_GAUGE
#define FACT STATISTIC_FACT

#define ROW(name_, type_, unit_, sentence_, ...)                                                   \
    { .name = (name_), .type = (type_), .unit = (unit_), .sentence = (sentence_), __VA_ARGS__ }
#define OFFSET(field) .offset = offsetof(struct shard_stats, field)
#define COUNTER_ROW(name, type, unit, sentence)                                                    \
    ROW(#name, type, unit, sentence, OFFSET(counters.name)),
#define TLS_ROW(name, type, unit, sentence)                                                        \
    ROW(#name, type, unit, sentence, OFFSET(counters.name), .is_tls = true),

/* Of the store, of a function for a number or for a text; and what becomes of items. */
#define STORE(name, type, unit, field, sentence)                                                   \
    ROW(#name, type, unit, sentence, OFFSET(store.field))
#define NUMBER(name, type, unit, function, sentence)                                               \
    ROW(#name, type, unit, sentence, .number = (function))
#define TEXT(name, type, unit, function, sentence)                                                 \
    ROW(#name, type, unit, sentence, .text = (function))
#define OUTCOME(name, type, unit, field, sentence)                                                 \
    ROW(#name, type, unit, sentence, OFFSET(store.field), .is_outcome = true)
#define OUTCOME_NUMBER(name, type, unit, function, sentence)                                       \
    ROW(#name, type, unit, sentence, .number = (function), .is_outcome = true)

/* memcached's names come first. Its HOT is the small queue of what is new, its WARM the main one of
 * what was read since, in which what was read again goes round. What can't happen here is 0, since
 * programs that read memcached's statistics look for it. */
/* clang-format off */
const struct statistic statistic_table[] = {
    NUMBER(pid, FACT, "process id", statistic_pid, "The process id of the server."),
    NUMBER(uptime, GAUGE, "seconds", statistic_uptime, "How long the server has run."),
    NUMBER(time, GAUGE, "seconds", statistic_time, "Unix time."),
    TEXT(version, FACT, "version", statistic_version, "The version of the server."),
    NUMBER(pointer_size, FACT, "bits", statistic_pointer_bits, "The size of an address."),
    TEXT(rusage_user, COUNT, "seconds", statistic_user_time,
        "CPU time of the process in user mode."),
    TEXT(rusage_system, COUNT, "seconds", statistic_system_time,
        "CPU time of the process in the kernel."),
    NUMBER(max_connections, FACT, "connections", statistic_connections_max,
        "How many connections may be open at a time (-c)."),
    NUMBER(threads, FACT, "threads", statistic_threads, "Reactors (-t)."),
    NUMBER(limit_maxbytes, GAUGE, "bytes", statistic_limit,
        "How much memory the items may take (-m, or the command cache_memlimit)."),
    NUMBER(process_maxbytes, GAUGE, "bytes", statistic_process_max,
        "How much memory the process may take, connections and all included."),
    NUMBER(connection_structures, GAUGE, "connections", statistic_connections,
        "As curr_connections: none is kept for reuse."),
    COUNTERS(COUNTER_ROW)
    COUNTERS_TLS(TLS_ROW)
    ROW("time_since_server_cert_refresh", GAUGE, "seconds",
        "How long ago the files of TLS were read; with -Z, as all that begins with ssl_.",
        .number = statistic_since_refresh, .is_tls = true),
    ROW("ssl_certs_expire_in", GAUGE, "seconds",
        "Time until the first of the certificates and lists of revoked ones ends; negative: since.",
        .text = statistic_expiry, .is_tls = true),
    STORE(bytes, GAUGE, "bytes", item_bytes,
        "Memory of the items that are stored, with their headers."),
    STORE(curr_items, GAUGE, "items", items, "Items that are stored."),
    STORE(total_items, COUNT, "items", items_stored,
        "Items that were ever stored, each change of a value included."),
    STORE(get_expired, COUNT, "items", met_expired,
        "Expired items that a command asked for, and did not get."),
    STORE(get_flushed, COUNT, "items", met_flushed,
        "Flushed items that a command asked for, and did not get."),
    STORE(flush_prefixes, GAUGE, "prefixes", prefixes,
        "Prefixes by which items are being flushed, or will be, in the shard that has most."),
    STORE(flush_prefix_items, COUNT, "items", flushed_prefix,
        "Items that were dropped since flush_prefix has flushed them."),
    STORE(evictions, COUNT, "items", evictions,
        "Items that were dropped before their time since memory was needed."),
    OUTCOME_NUMBER(reclaimed, COUNT, "items", statistic_reclaimed,
        "Expired and flushed items whose memory was taken when it was needed."),
    OUTCOME(expired_unfetched, COUNT, "items", expired_unfetched,
        "Expired items that were never read."),
    OUTCOME(evicted_unfetched, COUNT, "items", evicted_unfetched,
        "Evicted items that were never read."),
    OUTCOME_NUMBER(evicted_active, COUNT, "items", statistic_zero,
        "Always 0: nothing keeps an item from being evicted."),
    OUTCOME(crawler_reclaimed, COUNT, "items", crawl_reclaimed,
        "Expired and flushed items that the crawler has dropped."),
    OUTCOME(crawler_items_checked, COUNT, "items", crawl_checked,
        "Items that the crawler has looked at."),
    OUTCOME_NUMBER(lrutail_reflocked, COUNT, "items", statistic_zero,
        "Always 0: no item is locked."),
    OUTCOME_NUMBER(moves_to_cold, COUNT, "items", statistic_zero,
        "Always 0: there is no cold queue."),
    OUTCOME(moves_to_warm, COUNT, "items", small.moved_items,
        "Items that were moved from the small queue of new ones to the main one."),
    OUTCOME(moves_within_lru, COUNT, "items", main.moved_items,
        "Items that were kept in the main queue since they were read."),
    OUTCOME(direct_reclaims, COUNT, "segments", segments_dropped,
        "Segments that were emptied at once for a command that needed memory."),
    NUMBER(hash_power_level, GAUGE, "power of two", statistic_hash_power,
        "The size of the index, as that of a hash table."),
    STORE(hash_bytes, GAUGE, "bytes", index_bytes, "Memory of the index."),
    NUMBER(hash_is_expanding, GAUGE, "boolean", statistic_zero,
        "Always 0: the index grows with every set, by one bucket."),
    STORE(store_bytes, GAUGE, "bytes", memory_bytes,
        "Memory of the segments, the index and the bookkeeping."),
    STORE(dead_bytes, GAUGE, "bytes", dead_bytes,
        "Memory of items that are gone, in segments that are in use."),
    STORE(segment_size, FACT, "bytes", segment_bytes, "The size of a segment."),
    STORE(segments, GAUGE, "segments", segments, "Segments that are in use."),
    STORE(segments_free, GAUGE, "segments", segments_free, "Segments that may still be taken."),
    STORE(segments_evicted, COUNT, "segments", segments_evicted,
        "Segments that were emptied since memory was needed."),
    STORE(uploads, GAUGE, "values", uploads, "Large values that are being received."),
    STORE(upload_bytes, GAUGE, "bytes", upload_reserved_bytes, "Memory that is reserved for them."),
    STORE(leases, GAUGE, "values", leases,
        "Large values that are being sent, each client counted."),
    STORE(leased_bytes, GAUGE, "bytes", leased_bytes, "Memory of these values, each counted once."),
    STORE(pinned_bytes, GAUGE, "bytes", pinned_bytes,
        "Memory that can not be evicted since values in it are being received or sent."),
    STORE(segments_cleaned, COUNT, "segments", segments_cleaned,
        "Segments whose live items were moved to another one."),
    STORE(ghost_bytes, GAUGE, "bytes", ghost_bytes,
        "Memory of what is remembered of evicted keys."),
    STORE(ghost_hits, COUNT, "items", ghost_hits,
        "Items that were stored again soon after they had been evicted unread."),
    STORE(turned_away, COUNT, "items", turned_away,
        "Items evicted unread that are too large for it to count when they are stored again."),
    NUMBER(file_items_left, GAUGE, "items", statistic_file_left,
        "Items of -e still to be moved to other settings: found, but not counted."),
    NUMBER(file_items_moved, COUNT, "items", statistic_file_moved,
        "Items of -e that were moved to other settings."),
    NUMBER(file_items_lost, COUNT, "items", statistic_file_lost,
        "Items of -e for which there was no room, or that are too large for other settings."),
    NUMBER(slab_reassign_running, GAUGE, "boolean", statistic_zero,
        "Always 0: there are no slabs to move."),
    NUMBER(slabs_moved, COUNT, "slabs", statistic_zero, "Always 0: there are no slabs to move."),
};
/* clang-format on */

const size_t statistic_count = sizeof(statistic_table) / sizeof(*statistic_table);

uint64_t statistic_number(const struct statistic *statistic, const struct stats_sources *sources) {
    assert(!statistic->text);
    if (statistic->number) {
        return statistic->number(sources);
    }
    return *(const uint64_t *)((const char *)sources->sum + statistic->offset);
}

const char *statistic_type_name(enum statistic_type type) {
    switch (type) {
    case STATISTIC_COUNT:
        return "count";
    case STATISTIC_GAUGE:
        return "gauge";
    case STATISTIC_FACT:
        return "fact";
    }
    assert(!"a statistic of unknown type");
    return "";
}
