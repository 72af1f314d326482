/* metrics_slab: the exporter's metrics of slabs. As in `stats items` and `stats slabs` all items
 * are in slab 1, a page is a segment, hot is the small queue and warm the main one; and an empty
 * cache has none, but for the commands. */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/stats/metrics_writer.h"
#include "core/stats/writer.h"

#define SLAB "slab=\"1\""

struct slab_writer {
    struct metrics_writer *writer;
    const struct metrics_sources *sources;
    const struct store_stats *store;
};

static void slab_put(const struct slab_writer *slab, const char *name, enum metrics_type type,
                     const char *help, uint64_t number) {
    char full[METRICS_NAME_BYTES];
    snprintf(full, sizeof(full), "memcached_slab_%s", name);
    metrics_put_head(slab->writer, full, type, help);
    metrics_put_number(slab->writer, full, SLAB, number);
}

static void slab_put_row(const struct slab_writer *slab, const char *name, const char *row_name) {
    const struct statistic *row = metrics_row(row_name);
    slab_put(slab, name, METRICS_COUNTER, row->sentence,
             statistic_number(row, &slab->sources->stats));
}

static uint64_t slab_age(const struct slab_writer *slab, uint64_t oldest_time) {
    uint32_t now = slab->sources->stats.now;
    return oldest_time == 0 || oldest_time > now ? 0
                                                 : clock_seconds_since((uint32_t)oldest_time, now);
}

static void slab_put_items(const struct slab_writer *slab) {
    const struct store_stats *store = slab->store;
    slab_put(slab, "current_items", METRICS_GAUGE, "Items that are stored.", store->items);
    slab_put(slab, "items_age_seconds", METRICS_GAUGE, "Age of the oldest segment.",
             slab_age(slab, store->oldest_time));
    slab_put(slab, "hot_items", METRICS_GAUGE, "Items of the small queue.", store->small.items);
    slab_put(slab, "warm_items", METRICS_GAUGE, "Items of the main queue.", store->main.items);
    slab_put(slab, "cold_items", METRICS_GAUGE, "Always 0: there is no cold queue.", 0);
    slab_put(slab, "temporary_items", METRICS_GAUGE, "Always 0: there is no such queue.", 0);
    slab_put(slab, "hot_age_seconds", METRICS_GAUGE, "Age of the small queue's oldest segment.",
             slab_age(slab, store->small.oldest_time));
    slab_put(slab, "warm_age_seconds", METRICS_GAUGE, "Age of the main queue's oldest segment.",
             slab_age(slab, store->main.oldest_time));
}

static void slab_put_outcomes(const struct slab_writer *slab) {
    const struct store_stats *store = slab->store;
    slab_put_row(slab, "items_evicted_total", "evictions");
    slab_put(slab, "items_evicted_nonzero_total", METRICS_COUNTER,
             "Evicted items that had an expiry time.", store->evicted_expiring);
    slab_put(slab, "items_evicted_time_seconds", METRICS_GAUGE,
             "Seconds since the item that was evicted last was read.",
             store->evicted_idle / CLOCK_TICKS_PER_SECOND);
    slab_put_row(slab, "items_evicted_unfetched_total", "evicted_unfetched");
    slab_put_row(slab, "items_expired_unfetched_total", "expired_unfetched");
    slab_put(slab, "items_outofmemory_total", METRICS_COUNTER,
             "Operations for which no memory could be freed.", store->out_of_memory);
    slab_put_row(slab, "items_reclaimed_total", "reclaimed");
    slab_put(slab, "items_tailrepairs_total", METRICS_COUNTER,
             "Always 0: items have no reference counts.", 0);
    slab_put_row(slab, "items_crawler_reclaimed_total", "crawler_reclaimed");
    slab_put_row(slab, "items_moves_to_cold", "moves_to_cold");
    slab_put_row(slab, "items_moves_to_warm", "moves_to_warm");
    slab_put_row(slab, "items_moves_within_lru", "moves_within_lru");
}

static void slab_put_chunks(const struct slab_writer *slab) {
    const struct store_stats *store = slab->store;
    uint64_t chunk_bytes =
        store->items ? (store->item_bytes + store->items - 1) / store->items : STATS_ITEM_BYTES_MIN;
    uint64_t chunks_free =
        (store->segments * store->segment_bytes - store->item_bytes) / chunk_bytes;
    slab_put(slab, "chunk_size_bytes", METRICS_GAUGE, "The mean size of an item.", chunk_bytes);
    slab_put(slab, "chunks_per_page", METRICS_GAUGE, "Items of that size in a segment.",
             store->segment_bytes / chunk_bytes);
    slab_put(slab, "current_pages", METRICS_GAUGE, "Segments that are in use.", store->segments);
    slab_put(slab, "current_chunks", METRICS_GAUGE, "Items that these have room for.",
             store->items + chunks_free);
    slab_put(slab, "chunks_used", METRICS_GAUGE, "Items that are stored.", store->items);
    slab_put(slab, "chunks_free", METRICS_GAUGE, "Items that there is room for.", chunks_free);
    slab_put(slab, "chunks_free_end", METRICS_GAUGE, "Always 0: there is one list of free room.",
             0);
    slab_put(slab, "mem_requested_bytes", METRICS_GAUGE, "Memory of the items, with their headers.",
             store->item_bytes);
}

static void slab_put_hits(const struct slab_writer *slab) {
    static const char *const name = "memcached_slab_lru_hits_total";
    const struct store_stats *store = slab->store;
    metrics_put_head(slab->writer, name, METRICS_COUNTER, "Reads of items, by queue.");
    metrics_put_number(slab->writer, name, SLAB ",lru=\"hot\"", store->small.hits);
    metrics_put_number(slab->writer, name, SLAB ",lru=\"warm\"", store->main.hits);
    metrics_put_number(slab->writer, name, SLAB ",lru=\"cold\"", 0);
    metrics_put_number(slab->writer, name, SLAB ",lru=\"temporary\"", 0);
}

void metrics_put_slab(struct metrics_writer *writer, const struct metrics_sources *sources) {
    const struct slab_writer slab = {writer, sources, &sources->stats.sum->store};
    metrics_put_head(writer, "memcached_slab_commands_total", METRICS_COUNTER,
                     "Commands that found an item, and those that stored one.");
    metrics_put_commands(writer, "memcached_slab_commands_total", SLAB,
                         &sources->stats.sum->counters);
    slab_put_items(&slab);
    slab_put_outcomes(&slab);
    slab_put_chunks(&slab);
    slab_put_hits(&slab);
}
