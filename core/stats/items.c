/* stats items and stats slabs. There are no slab classes here: all items lie in one log of segments
 * a shard, which these two groups show as class 1. A page is a segment, a chunk an item's place, of
 * the mean size. */
#include <stdio.h>

#include "core/base/clock.h"
#include "core/stats/statistic.h"
#include "core/stats/writer.h"

#define NAME_BYTES 64

static void items_put_item_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char full[NAME_BYTES];
    snprintf(full, sizeof(full), "items:1:%s", name);
    stats_put_number(writer, full, number);
}

static void items_put_slab_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char full[NAME_BYTES];
    snprintf(full, sizeof(full), "1:%s", name);
    stats_put_number(writer, full, number);
}

/* Seconds since the oldest segment of a queue was opened; 0 when there is none. Another shard's
 * time may be ahead of the reactor's that asks. */
static uint64_t items_age_of(const struct stats_sources *sources, uint64_t oldest_time) {
    if (oldest_time == 0 || oldest_time > sources->now) {
        return 0;
    }
    return clock_seconds_since((uint32_t)oldest_time, sources->now);
}

/* What becomes of items: the same rows as in `stats`. */
static void items_put_outcomes(struct stats_writer *writer, const struct stats_sources *sources) {
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *statistic = &statistic_table[i];
        if (statistic->is_outcome) {
            items_put_item_number(writer, statistic->name, statistic_number(statistic, sources));
        }
    }
}

/* The numbers of one queue under our own names: items are stored in the small queue, and move to
 * the main one when they have been read. */
static void items_put_queue(struct stats_writer *writer, const char *name,
                            const struct stats_sources *sources,
                            const struct store_queue_stats *queue) {
    const struct {
        const char *name;
        uint64_t number;
    } fields[] = {{"number", queue->items},
                  {"mem_requested", queue->item_bytes},
                  {"segments", queue->segments},
                  {"age", items_age_of(sources, queue->oldest_time)},
                  {"hits", queue->hits},
                  {"evicted", queue->evictions},
                  {"evicted_unfetched", queue->evicted_unfetched},
                  {"moved_to_main", queue->moved_items}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        char full[NAME_BYTES / 2];
        snprintf(full, sizeof(full), "%s_%s", name, fields[i].name);
        items_put_item_number(writer, full, fields[i].number);
    }
}

/* memcached's names first: hot is the small queue, warm the main one. A touch counts as a hit. */
static void items_put_queues(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct store_stats *store = &sources->sum->store;
    items_put_item_number(writer, "number_hot", store->small.items);
    items_put_item_number(writer, "number_warm", store->main.items);
    items_put_item_number(writer, "number_cold", 0);
    items_put_item_number(writer, "age_hot", items_age_of(sources, store->small.oldest_time));
    items_put_item_number(writer, "age_warm", items_age_of(sources, store->main.oldest_time));
    items_put_item_number(writer, "hits_to_hot", store->small.hits);
    items_put_item_number(writer, "hits_to_warm", store->main.hits);
    items_put_item_number(writer, "hits_to_cold", 0);
    items_put_item_number(writer, "hits_to_temp", 0);
    items_put_queue(writer, "small", sources, &store->small);
    items_put_queue(writer, "main", sources, &store->main);
    items_put_item_number(writer, "ghost_hits", store->ghost_hits);
    items_put_item_number(writer, "turned_away", store->turned_away);
    items_put_item_number(writer, "moved_bytes", store->moved_bytes);
    items_put_item_number(writer, "cleaned", store->cleaned_items);
    items_put_item_number(writer, "cleaned_bytes", store->cleaned_bytes);
}

void stats_put_items(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct store_stats *store = &sources->sum->store;
    if (store->items == 0) {
        return;
    }
    items_put_item_number(writer, "number", store->items);
    items_put_item_number(writer, "age", items_age_of(sources, store->oldest_time));
    items_put_item_number(writer, "mem_requested", store->item_bytes);
    items_put_item_number(writer, "evicted", store->evictions);
    items_put_item_number(writer, "evicted_nonzero", store->evicted_expiring);
    items_put_item_number(writer, "evicted_time", store->evicted_idle / CLOCK_TICKS_PER_SECOND);
    items_put_item_number(writer, "outofmemory", store->out_of_memory);
    items_put_item_number(writer, "tailrepairs", 0); /* items have no reference counts */
    items_put_outcomes(writer, sources);
    items_put_queues(writer, sources);
}

/* Free is all memory of segments that holds no live item, that of dead items included. Beside
 * memcached's, the pages of either queue and the bytes of dead items. */
static void items_put_pages(struct stats_writer *writer, const struct store_stats *store) {
    uint64_t chunk_bytes =
        store->items ? (store->item_bytes + store->items - 1) / store->items : STATS_ITEM_BYTES_MIN;
    uint64_t free_bytes = store->segments * store->segment_bytes - store->item_bytes;
    uint64_t chunks_free = free_bytes / chunk_bytes;
    items_put_slab_number(writer, "chunk_size", chunk_bytes);
    items_put_slab_number(writer, "chunks_per_page", store->segment_bytes / chunk_bytes);
    items_put_slab_number(writer, "total_pages", store->segments);
    items_put_slab_number(writer, "total_chunks", store->items + chunks_free);
    items_put_slab_number(writer, "used_chunks", store->items);
    items_put_slab_number(writer, "free_chunks", chunks_free);
    items_put_slab_number(writer, "free_chunks_end",
                          0); /* memcached has a second list of free chunks */
    /* mem_requested stands in `stats items` alone, as in memcached: the Prometheus exporter makes
     * one metric of both, and with two of them it answers nothing but an error. */
    items_put_slab_number(writer, "small_pages", store->small.segments);
    items_put_slab_number(writer, "main_pages", store->main.segments);
    items_put_slab_number(writer, "dead_bytes", store->dead_bytes);
}

/* There is one class, so its counters are those of the server. */
static void items_put_commands(struct stats_writer *writer, const struct counters *counters) {
    items_put_slab_number(writer, "get_hits", counters->get_hits);
    items_put_slab_number(writer, "cmd_set", counters->cmd_set);
    items_put_slab_number(writer, "delete_hits", counters->delete_hits);
    items_put_slab_number(writer, "incr_hits", counters->incr_hits);
    items_put_slab_number(writer, "decr_hits", counters->decr_hits);
    items_put_slab_number(writer, "cas_hits", counters->cas_hits);
    items_put_slab_number(writer, "cas_badval", counters->cas_badval);
    items_put_slab_number(writer, "touch_hits", counters->touch_hits);
}

void stats_put_slabs(struct stats_writer *writer, const struct shard_stats *sum) {
    const struct store_stats *store = &sum->store;
    if (store->segments > 0) {
        items_put_pages(writer, store);
        items_put_commands(writer, &sum->counters);
    }
    stats_put_number(writer, "active_slabs", store->segments > 0);
    stats_put_number(writer, "total_malloced", store->segments * store->segment_bytes);
}
