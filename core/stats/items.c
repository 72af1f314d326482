/* stats items and stats slabs. There are no slab classes here: all items lie in one log of segments
 * a shard, which these two groups show as class 1. A page is a segment, a chunk an item's place, of
 * the mean size. */
#include <stdio.h>

#include "core/stats/statistic.h"
#include "core/stats/writer.h"

#define NAME_BYTES 64

static void put_item_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char full[NAME_BYTES];
    snprintf(full, sizeof(full), "items:1:%s", name);
    stats_put_number(writer, full, number);
}

static void put_slab_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char full[NAME_BYTES];
    snprintf(full, sizeof(full), "1:%s", name);
    stats_put_number(writer, full, number);
}

/* Of the oldest segment of a queue. */
static uint64_t age_of(const struct stats_sources *sources, uint64_t oldest_time) {
    return oldest_time == 0 ? 0 : sources->now - oldest_time;
}

/* What becomes of items: the same rows as in `stats`. */
static void put_outcomes(struct stats_writer *writer, const struct stats_sources *sources) {
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *statistic = &statistic_table[i];
        if (statistic->is_outcome) {
            put_item_number(writer, statistic->name, statistic_number(statistic, sources));
        }
    }
}

/* Under names of our own: the small queue of what is new, the main one of what was read since. */
static void put_queue(struct stats_writer *writer, const char *name,
                      const struct stats_sources *sources, const struct store_queue_stats *queue) {
    const struct {
        const char *name;
        uint64_t number;
    } fields[] = {{"number", queue->items},
                  {"mem_requested", queue->item_bytes},
                  {"segments", queue->segments},
                  {"age", age_of(sources, queue->oldest_time)},
                  {"hits", queue->hits},
                  {"evicted", queue->evictions},
                  {"evicted_unfetched", queue->evicted_unfetched},
                  {"moved_to_main", queue->moved_items}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        char full[NAME_BYTES / 2];
        snprintf(full, sizeof(full), "%s_%s", name, fields[i].name);
        put_item_number(writer, full, fields[i].number);
    }
}

/* First under memcached's names. Touching an item is a hit, too. */
static void put_queues(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct store_stats *store = &sources->sum->store;
    put_item_number(writer, "number_hot", store->small.items);
    put_item_number(writer, "number_warm", store->main.items);
    put_item_number(writer, "number_cold", 0);
    put_item_number(writer, "age_hot", age_of(sources, store->small.oldest_time));
    put_item_number(writer, "age_warm", age_of(sources, store->main.oldest_time));
    put_item_number(writer, "hits_to_hot", store->small.hits);
    put_item_number(writer, "hits_to_warm", store->main.hits);
    put_item_number(writer, "hits_to_cold", 0);
    put_item_number(writer, "hits_to_temp", 0);
    put_queue(writer, "small", sources, &store->small);
    put_queue(writer, "main", sources, &store->main);
    put_item_number(writer, "ghost_hits", store->ghost_hits);
    put_item_number(writer, "moved_bytes", store->moved_bytes);
    put_item_number(writer, "cleaned", store->cleaned_items);
    put_item_number(writer, "cleaned_bytes", store->cleaned_bytes);
}

void stats_put_items(struct stats_writer *writer, const struct stats_sources *sources) {
    const struct store_stats *store = &sources->sum->store;
    if (store->items == 0) {
        return;
    }
    put_item_number(writer, "number", store->items);
    put_item_number(writer, "age", age_of(sources, store->oldest_time));
    put_item_number(writer, "mem_requested", store->item_bytes);
    put_item_number(writer, "evicted", store->evictions);
    put_item_number(writer, "evicted_nonzero", store->evicted_expiring);
    put_item_number(writer, "evicted_time", store->evicted_idle);
    put_item_number(writer, "outofmemory", store->out_of_memory);
    put_item_number(writer, "tailrepairs", 0); /* no reference can leak here */
    put_outcomes(writer, sources);
    put_queues(writer, sources);
}

/* Free is what holds no live item: the room of dead ones comes back with their segment. Beside
 * memcached's, the pages of either queue and the bytes of dead items. */
static void put_pages(struct stats_writer *writer, const struct store_stats *store) {
    uint64_t chunk_bytes =
        store->items ? (store->item_bytes + store->items - 1) / store->items : STATS_ITEM_BYTES_MIN;
    uint64_t free_bytes = store->segments * store->segment_bytes - store->item_bytes;
    uint64_t chunks_free = free_bytes / chunk_bytes;
    put_slab_number(writer, "chunk_size", chunk_bytes);
    put_slab_number(writer, "chunks_per_page", store->segment_bytes / chunk_bytes);
    put_slab_number(writer, "total_pages", store->segments);
    put_slab_number(writer, "total_chunks", store->items + chunks_free);
    put_slab_number(writer, "used_chunks", store->items);
    put_slab_number(writer, "free_chunks", chunks_free);
    put_slab_number(writer, "free_chunks_end", 0); /* there is no second list of them */
    /* mem_requested is told with the items alone, as in memcached: the Prometheus exporter makes
     * one metric of both, and with two of them it answers nothing but an error. */
    put_slab_number(writer, "small_pages", store->small.segments);
    put_slab_number(writer, "main_pages", store->main.segments);
    put_slab_number(writer, "dead_bytes", store->dead_bytes);
}

/* With one class its counters are those of the server. */
static void put_commands(struct stats_writer *writer, const struct counters *counters) {
    put_slab_number(writer, "get_hits", counters->get_hits);
    put_slab_number(writer, "cmd_set", counters->cmd_set);
    put_slab_number(writer, "delete_hits", counters->delete_hits);
    put_slab_number(writer, "incr_hits", counters->incr_hits);
    put_slab_number(writer, "decr_hits", counters->decr_hits);
    put_slab_number(writer, "cas_hits", counters->cas_hits);
    put_slab_number(writer, "cas_badval", counters->cas_badval);
    put_slab_number(writer, "touch_hits", counters->touch_hits);
}

void stats_put_slabs(struct stats_writer *writer, const struct shard_stats *sum) {
    const struct store_stats *store = &sum->store;
    if (store->segments > 0) {
        put_pages(writer, store);
        put_commands(writer, &sum->counters);
    }
    stats_put_number(writer, "active_slabs", store->segments > 0);
    stats_put_number(writer, "total_malloced", store->segments * store->segment_bytes);
}
