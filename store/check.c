
#include "store/check.h"

#include "store/evict.h"
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/lookup.h"
#include "store/memory.h"

void store_check_memory(const struct store *store) {
    assert(store_memory_bytes(store) <= store->ceiling_bytes);
    assert(store->ceiling_bytes >= store->bound_bytes);
    assert(store->bound_bytes <= store->config.memory_bytes_max);
    assert(store->log.warm_count <= store->log.warm_max);
    assert(store->ghost.resident_bytes <=
           store->config.memory_bytes_max / STORE_GHOSTS_PER_MEMORY + 2 * store->page_bytes);
    store_check_slice(store);
}

/* Sums over all segments. */
struct sums {
    uint64_t linked;
    uint64_t items[SEGMENT_QUEUES]; /* without the flushed ones */
    uint64_t item_bytes[SEGMENT_QUEUES];
    uint64_t extent_bytes; /* of linked extents and records of uploads */
    uint64_t listed_bytes; /* of extents in the lists of items */
    uint64_t used_bytes;   /* of the segments */
    uint32_t pinned;       /* segments */
};

/* Each extent is alive, belongs to this item and has the length that the list says. Two neighbours
 * are together at least as long as the longest extent, except for one pair. */
static void check_large_list(const struct store *store, const struct item *head, uint64_t hash,
                             struct sums *sums) {
    const struct item_list *list = item_list_read(head);
    uint32_t end = 0;
    uint32_t bytes = 0;
    uint32_t before = store_extent_length_max(store); /* the neighbour's length */
    uint32_t short_pairs = 0;
    assert(list->count > 0);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct item *extent = segment_item(&store->log, list->extents[i].location);
        assert(item_is_extent(extent) && extent->bits == ITEM_LINKED);
        assert(item_head_hash(extent) == (hash & ITEM_HEAD_HASH_MASK));
        short_pairs += before + extent->value_length < store_extent_length_max(store);
        before = extent->value_length;
        end += before;
        assert(end == list->extents[i].end);
        bytes += item_bytes(extent);
    }
    assert(short_pairs <= 1);
    assert(end == item_value_length(head));
    assert(bytes == list->bytes);
    sums->listed_bytes += bytes;
}

static void check_linked(const struct store *store, uint64_t location, struct sums *sums) {
    struct item *item = segment_item(&store->log, location);
    if (item_is_extent(item)) {
        sums->extent_bytes += item_bytes(item);
        return;
    }
    uint64_t hash = index_hash(&store->index, item);
    assert(index_find_location(&store->index, (uint32_t)hash, location).primary);
    bool flushed = store_is_below_flush(store, location);
    sums->linked++;
    sums->items[store_queue_of(store, location)] += !flushed;
    sums->item_bytes[store_queue_of(store, location)] += flushed ? 0 : item_bytes_whole(item);
    if (item_is_large(item)) {
        check_large_list(store, item, hash, sums);
    }
}

static void check_segment(const struct store *store, uint32_t number, struct sums *sums) {
    const struct segment_log *log = &store->log;
    const struct segment *segment = &log->segments[number];
    uint64_t at = segment_first(log, number);
    uint64_t end = at + segment->used_bytes / ITEM_ALIGN;
    uint64_t live_bytes = 0;
    while (at < end) {
        const struct item *item = segment_item(log, at);
        if (item->bits & ITEM_LINKED) {
            live_bytes += item_bytes(item);
            check_linked(store, at, sums);
        }
        at = segment_next(log, at, end);
    }
    assert(at == end);
    assert(live_bytes == segment->live_bytes);
    sums->used_bytes += segment->used_bytes;
    assert(segment->open || live_bytes != 0 || segment->pins != 0 || segment->held);
}

static void check_header(const struct store *store, uint32_t number) {
    const struct segment_log *log = &store->log;
    const struct segment *segment = &log->segments[number];
    uint32_t open = 0;
    for (int end = 0; end < SEGMENT_ENDS; end++) {
        open += log->open[end] == number;
    }
    assert(segment_in_use(segment));
    assert(segment->open == open);
    assert(segment->held == (number == store->emptying.segment));
    assert(segment->used_bytes <= log->segment_bytes);
    assert(!segment->open || !segment->sparse);
}

static void check_queue(const struct store *store, enum segment_queue_name name,
                        struct sums *sums) {
    const struct segment_log *log = &store->log;
    const struct segment_queue *queue = &log->queues[name];
    uint32_t count = 0;
    uint32_t sparse = 0;
    uint32_t older = 0;
    for (uint32_t number = queue->oldest; number != 0; number = log->segments[number].newer) {
        const struct segment *segment = &log->segments[number];
        check_header(store, number);
        assert(segment->queue == name);
        assert(segment->older == older);
        check_segment(store, number, sums);
        older = number;
        sparse += segment->sparse;
        sums->pinned += segment->pins != 0;
        count++;
    }
    assert(queue->newest == older);
    assert(queue->segments == count);
    assert(queue->sparse == sparse);
}

static struct sums check_segments(const struct store *store) {
    const struct segment_log *log = &store->log;
    struct sums sums = {0};
    check_queue(store, SEGMENT_SMALL, &sums);
    check_queue(store, SEGMENT_MAIN, &sums);
    assert(log->queues[SEGMENT_SMALL].segments + log->queues[SEGMENT_MAIN].segments ==
           log->segments_used);
    assert(sums.pinned == log->pinned);
    return sums;
}

static void check_free_segments(const struct store *store) {
    const struct segment_log *log = &store->log;
    uint32_t warm = 0;
    uint32_t cold = 0;
    for (uint32_t number = log->warm; number != 0; number = log->segments[number].newer) {
        warm += !segment_in_use(&log->segments[number]) && !log->segments[number].cold;
    }
    for (uint32_t number = log->cold; number != 0; number = log->segments[number].newer) {
        cold += !segment_in_use(&log->segments[number]) && log->segments[number].cold;
    }
    assert(warm == log->warm_count);
    assert(log->segments_used + warm + cold == log->touched + 1 - log->block_segments);
}

/* Checks the entries of one bucket, which must belong to its chain; returns their number. */
static uint32_t check_bucket(const struct store *store, const struct index_bucket *primary,
                             const struct index_bucket *bucket) {
    uint32_t filled = 0;
    while (filled < INDEX_SLOTS && bucket->slots[filled] != 0) {
        uint64_t slot = bucket->slots[filled++];
        struct item *item = segment_item(&store->log, index_location(slot));
        uint64_t hash = index_hash(&store->index, item);
        uint32_t number = segment_of(&store->log, index_location(slot));
        assert(segment_in_use(&store->log.segments[number]));
        assert(item->bits & ITEM_LINKED);
        assert(index_primary(&store->index, (uint32_t)hash) == primary);
        assert(index_tag(hash) == slot >> INDEX_TAG_SHIFT);
        assert(bucket == primary || (primary->filter & index_filter_bit(slot >> INDEX_TAG_SHIFT)));
    }
    for (uint32_t i = filled; i < INDEX_SLOTS; i++) {
        assert(bucket->slots[i] == 0);
    }
    return filled;
}

static uint64_t check_chain(const struct store *store, const struct index_bucket *primary,
                            uint32_t *overflows) {
    const struct index *index = &store->index;
    uint64_t entries = check_bucket(store, primary, primary);
    const struct index_bucket *first = index_next(index, primary);
    assert(!first || entries == INDEX_SLOTS);
    assert(first || primary->filter == 0);
    for (const struct index_bucket *b = first; b; b = index_next(index, b)) {
        uint32_t filled = check_bucket(store, primary, b);
        assert(filled == INDEX_SLOTS || (b == first && filled != 0));
        entries += filled;
        (*overflows)++;
    }
    return entries;
}

static void check_index(const struct store *store) {
    const struct index *index = &store->index;
    uint64_t entries = 0;
    uint32_t overflows = 0;
    for (uint32_t i = 0; i < index->primary.count; i++) {
        entries += check_chain(store, &index->primary.buckets[i], &overflows);
    }
    assert(entries == index->entries);
    assert(overflows == index->overflow.count);
    assert(index->primary.count - 1 <= index->mask);
    assert(index->primary.count - 1 > index->mask >> 1);
}

void store_check(const struct store *store) {
    store_check_memory(store);
    check_free_segments(store);
    struct sums sums = check_segments(store);
    assert(sums.linked == store->index.entries);
    for (int name = 0; name < SEGMENT_QUEUES; name++) {
        assert(sums.items[name] == store->items[name]);
        assert(sums.item_bytes[name] == store->item_bytes[name]);
    }
    assert(sums.used_bytes == store->log.used_bytes);
    assert(sums.extent_bytes == sums.listed_bytes + store->upload_bytes);
    assert(store->uploads != 0 || store->upload_bytes == 0);
    assert(store->uploads != 0 || store->upload_reserved_bytes == 0);
    assert(store->leases != 0 || store->leased_bytes == 0);
    assert(store->uploads != 0 || store->leases != 0 || store->log.pinned == 0);
    check_index(store);
}
