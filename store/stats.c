/* Statistics. */
#include "store/internal.h"
#include "store/memory.h"

/* When the oldest segment of a queue was opened, or the last flush if that was later. */
static uint64_t stats_oldest_time(const struct store *store, enum segment_queue_name name) {
    const struct segment_queue *queue = &store->log.queues[name];
    if (store->items[name] == 0) {
        return 0;
    }
    uint32_t opened = store->log.segments[queue->oldest].opened;
    return opened > store->flushed_at ? opened : store->flushed_at;
}

static uint64_t stats_least_time(uint64_t a, uint64_t b) {
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static struct store_queue_stats stats_queue(const struct store *store,
                                            enum segment_queue_name name) {
    return (struct store_queue_stats){
        .hits = store->counters.queues[name].hits,
        .evictions = store->counters.queues[name].evictions,
        .evicted_unfetched = store->counters.queues[name].evicted_unfetched,
        .moved_items = store->counters.queues[name].moved_items,
        .items = store->items[name],
        .item_bytes = store->item_bytes[name],
        .segments = store->log.queues[name].segments,
        .oldest_time = stats_oldest_time(store, name),
    };
}

static void stats_queues(const struct store *store, struct store_stats *stats) {
    stats->small = stats_queue(store, SEGMENT_SMALL);
    stats->main = stats_queue(store, SEGMENT_MAIN);
    stats->evictions = stats->small.evictions + stats->main.evictions;
    stats->evicted_unfetched = stats->small.evicted_unfetched + stats->main.evicted_unfetched;
    stats->items = stats->small.items + stats->main.items;
    stats->item_bytes = stats->small.item_bytes + stats->main.item_bytes;
    stats->oldest_time = stats_least_time(stats->small.oldest_time, stats->main.oldest_time);
}

static void stats_memory(const struct store *store, struct store_stats *stats) {
    const struct segment_log *log = &store->log;
    size_t used = store_memory_bytes(store);
    size_t free_bytes = store->bound_bytes > used ? store->bound_bytes - used : 0;
    stats->dead_bytes = log->used_bytes - stats->item_bytes - store->upload_bytes;
    stats->memory_bytes_max = store->bound_bytes;
    stats->memory_bytes = used;
    stats->index_bytes = index_resident_bytes(&store->index);
    stats->index_buckets = store->index.primary.count;
    stats->ghost_bytes = store->ghost.resident_bytes;
    stats->segment_bytes = log->segment_bytes;
    stats->segments = log->segments_used;
    stats->segments_free = log->warm_count + free_bytes / log->segment_bytes;
    stats->uploads = store->uploads;
    stats->upload_reserved_bytes = store->upload_reserved_bytes;
    stats->leases = store->leases;
    stats->leased_bytes = store->leased_bytes;
    stats->pinned_bytes = log->pinned * log->segment_bytes;
}

void store_stats(const struct store *store, struct store_stats *stats) {
    const struct store_counters *counters = &store->counters;
    *stats = (struct store_stats){
        .items_stored = counters->items_stored,
        .evicted_expiring = counters->evicted_expiring,
        .evicted_idle = counters->evicted_idle,
        .segments_evicted = counters->segments_evicted,
        .segments_dropped = counters->segments_dropped,
        .segments_cleaned = counters->segments_cleaned,
        .cleaned_items = counters->cleaned_items,
        .cleaned_bytes = counters->cleaned_bytes,
        .moved_bytes = counters->moved_bytes,
        .ghost_hits = counters->ghost_hits,
        .turned_away = counters->turned_away,
        .expired = counters->expired,
        .expired_unfetched = counters->expired_unfetched,
        .flushed = counters->flushed,
        .flushed_prefix = counters->flushed_prefix,
        .met_expired = counters->met_expired,
        .met_flushed = counters->met_flushed,
        .crawl_checked = counters->crawl_checked,
        .crawl_reclaimed = counters->crawl_reclaimed,
        .out_of_memory = counters->out_of_memory,
    };
    stats->prefixes = store->prefixes.count;
    stats_queues(store, stats);
    stats_memory(store, stats);
}

uint64_t store_items(const struct store *store) {
    return store->items[SEGMENT_SMALL] + store->items[SEGMENT_MAIN];
}

static uint32_t stats_age_class(const struct store_ages *ages, uint32_t age) {
    uint32_t class = 0;
    while (class < ages->count && age >= ages->bounds[class]) {
        class ++;
    }
    return class;
}

void store_count_ages(const struct store *store, uint32_t now, const struct store_ages *ages) {
    const struct segment_log *log = &store->log;
    uint32_t step = log->touched / STORE_AGES_SAMPLES + 1;
    for (uint32_t number = log->block_segments; number <= log->touched; number += step) {
        const struct segment *segment = &log->segments[number];
        if (segment->sequence == 0) {
            continue;
        }
        uint32_t age = now > segment->opened ? now - segment->opened : 0;
        uint64_t *classes = segment->queue == SEGMENT_SMALL ? ages->small : ages->main;
        classes[stats_age_class(ages, age)] += step;
    }
}

void store_stats_reset(struct store *store) {
    store->counters = (struct store_counters){0};
}
