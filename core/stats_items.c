/* stats items and stats slabs. There are no slab classes here: all items lie in one log of segments
 * a shard, which these two groups show as class 1. A page is a segment, a chunk the unit in which
 * items are laid out. */
#include <stdio.h>

#include "core/stats_writer.h"

/* Items begin and end at multiples of this. */
#define CHUNK_BYTES 8u

#define NAME_BYTES 64

static void put_item_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char full[NAME_BYTES];
    snprintf(full, sizeof full, "items:1:%s", name);
    stats_put_number(writer, full, number);
}

static void put_slab_number(struct stats_writer *writer, const char *name, uint64_t number) {
    char full[NAME_BYTES];
    snprintf(full, sizeof full, "1:%s", name);
    stats_put_number(writer, full, number);
}

void stats_put_items(struct stats_writer *writer, const struct shard_stats *sum) {
    const struct store_stats *store = &sum->store;
    if (store->items == 0)
        return;
    put_item_number(writer, "number", store->items);
    put_item_number(writer, "mem_requested", store->item_bytes);
    put_item_number(writer, "evicted", store->evictions);
    put_item_number(writer, "tailrepairs", 0); /* no reference can leak here */
    put_item_number(writer, "reclaimed", store->expired);
    put_item_number(writer, "expired_unfetched", store->expired_unfetched);
    put_item_number(writer, "evicted_unfetched", store->evicted_unfetched);
    put_item_number(writer, "crawler_reclaimed", sum->counters.crawler_reclaimed);
    put_item_number(writer, "crawler_items_checked", sum->counters.crawler_items_checked);
    put_item_number(writer, "moves_to_cold", 0);
    put_item_number(writer, "moves_to_warm", 0);
    put_item_number(writer, "moves_within_lru", 0);
}

static void put_pages(struct stats_writer *writer, const struct store_stats *store) {
    uint64_t chunks_per_page = store->segment_bytes / CHUNK_BYTES;
    uint64_t chunks = store->segments * chunks_per_page;
    uint64_t chunks_used = store->item_bytes / CHUNK_BYTES;
    put_slab_number(writer, "chunk_size", CHUNK_BYTES);
    put_slab_number(writer, "chunks_per_page", chunks_per_page);
    put_slab_number(writer, "total_pages", store->segments);
    put_slab_number(writer, "total_chunks", chunks);
    put_slab_number(writer, "used_chunks", chunks_used);
    put_slab_number(writer, "free_chunks", chunks - chunks_used);
    put_slab_number(writer, "free_chunks_end", 0);
    put_slab_number(writer, "mem_requested", store->item_bytes);
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
