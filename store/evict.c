/* Who gives memory up: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP
 * 2023) over segments.
 *
 * New items go to the small queue. When memory is short its oldest segment is emptied, while the
 * queue holds more than its share, or else the main queue's oldest. What was hit since it came to
 * the small queue moves to the newest end of the main one; the main queue's own moves there once
 * more for each hit, up to three. The rest is dropped; a key dropped from the small queue leaves a
 * ghost (ghost.h), and should it come back while that lasts, it goes to the main queue at once.
 *
 * Where many bytes are dead, cleaning comes first: what lives in sparse segments is gathered in
 * another, in the same place of the same queue.
 *
 * All this is done in slices, so many items an operation, by whoever writes and in idle turns, to
 * keep a few segments free. Should these be used up all the same, an operation empties a segment at
 * once without moving anything.
 */
#include "store/internal.h"

/* So many items ahead of the one at hand, buckets are prefetched. */
#define PREFETCH_AHEAD 8

/* No item is smaller. */
#define ITEM_BYTES_MIN 24

static bool segment_is_flushed(const struct store *store, uint32_t number) {
    return store->log.segments[number].sequence < store->flush_sequence;
}

static bool oldest_is_flushed(const struct store *store, enum segment_queue_name name) {
    uint32_t oldest = store->log.queues[name].oldest;
    return oldest != 0 && segment_is_flushed(store, oldest);
}

static void begin(struct store *store, uint32_t number, enum emptying how) {
    segment_pin(&store->log, number);
    store->emptying = (struct store_emptying){
        .segment = number, .how = how, .at = segment_first(&store->log, number)};
}

/* Others have pinned it, or it is empty. */
static void end(struct store *store) {
    segment_unpin(&store->log, store->emptying.segment);
    store->emptying = (struct store_emptying){0};
}

/* What a flush has left comes before everything, memory that was never used included. */
static bool choose_flushed(struct store *store, enum segment_queue_name name) {
    if (!oldest_is_flushed(store, name))
        return false;
    uint32_t number = segment_victim(&store->log, name);
    if (number == 0 || !segment_is_flushed(store, number))
        return false;
    begin(store, number, EMPTYING_EVICT);
    return true;
}

/* What is gathered may need another segment before one becomes free. */
static bool choose_sparse(struct store *store, enum segment_queue_name name) {
    struct segment_log *log = &store->log;
    if (log->queues[name].sparse == 0 || !store_has_free(store, 1))
        return false;
    uint32_t number = segment_find_sparse(log, name, &store->sparse_cursor[name]);
    if (number == 0)
        return false;
    segment_gather_from(log, number);
    begin(store, number, EMPTYING_CLEAN);
    return true;
}

static bool choose_oldest(struct store *store) {
    struct segment_log *log = &store->log;
    uint64_t small = log->queues[SEGMENT_SMALL].segments;
    bool from_small = small * 1000 > (uint64_t)log->segments_used * store->small_share;
    uint32_t number = segment_victim(log, from_small ? SEGMENT_SMALL : SEGMENT_MAIN);
    if (number == 0)
        number = segment_victim(log, from_small ? SEGMENT_MAIN : SEGMENT_SMALL);
    if (number != 0)
        begin(store, number, EMPTYING_EVICT);
    return number != 0;
}

static bool choose(struct store *store, bool in_need) {
    if (choose_flushed(store, SEGMENT_SMALL) || choose_flushed(store, SEGMENT_MAIN))
        return true;
    return in_need && (choose_sparse(store, SEGMENT_SMALL) || choose_sparse(store, SEGMENT_MAIN) ||
                       (!store->config.no_eviction && choose_oldest(store)));
}

static void count_eviction(struct store *store, const struct item *item, bool small) {
    struct store_counters *counters = &store->counters;
    counters->evictions++;
    counters->evicted_small += small;
    counters->evicted_unfetched += !(item->bits & ITEM_FETCHED);
    counters->evicted_expiring += item_expires(item) != 0;
    counters->evicted_idle = store->now - item->access;
}

/* As many ghosts as the main queue has items, so far as their part of the memory goes. */
static void remember(struct store *store, const struct store_found *found) {
    struct ghost *ghost = &store->ghost;
    uint64_t max = store->bound_bytes / STORE_GHOSTS_PER_MEMORY / sizeof(uint16_t);
    uint64_t items = store->log.queues[SEGMENT_MAIN].items;
    if (store_memory_has_room(store, 0))
        ghost_step(ghost, items < max ? items : max);
    ghost_add(ghost, found->item->hash, index_ref_tag(found->ref));
}

static void drop(struct store *store, const struct store_found *found, bool small) {
    count_eviction(store, found->item, small);
    if (small)
        remember(store, found);
    store_unlink(store, found);
}

/* The item at found goes to the open segment at `end`, which has room for it. */
static void move(struct store *store, const struct store_found *found, enum segment_end end,
                 uint32_t bytes) {
    uint64_t to = segment_append(&store->log, end, bytes);
    memcpy(segment_item(&store->log, to), found->item, bytes);
    index_move(found->ref, to);
    found->item->bits &= (uint8_t)~ITEM_LINKED;
    segment_release(&store->log, found->location, bytes);
    store->slice.moved_bytes += bytes;
}

static bool gather(struct store *store, const struct store_found *found, uint32_t bytes) {
    uint32_t source = store->emptying.segment;
    if (!store_room_to_gather(store, source, bytes))
        return false;
    move(store, found, segment_gather_end(&store->log.segments[source]), bytes);
    store->counters.cleaned_items++;
    store->counters.cleaned_bytes += bytes;
    return true;
}

/* Of an item that was hit since; its frequency counts on from 0 in the main queue, and down there. */
static bool promote(struct store *store, const struct store_found *found, uint32_t bytes,
                    bool small) {
    uint32_t frequency = index_frequency(found->ref);
    if (frequency == 0 || store->credit_bytes < bytes ||
        !store_room_at(store, SEGMENT_NEW_MAIN, bytes))
        return false;
    index_set_frequency(found->ref, small ? 0 : frequency - 1);
    move(store, found, SEGMENT_NEW_MAIN, bytes);
    store->credit_bytes -= bytes;
    store->counters.promoted_items += small;
    store->counters.reinserted_items += !small;
    store->counters.moved_bytes += bytes;
    return true;
}

/* Moves an item, if that is its due; else false. */
static bool move_on(struct store *store, const struct store_found *found, uint32_t bytes,
                    bool small) {
    switch (store->emptying.how) {
    case EMPTYING_CLEAN:
        return gather(store, found, bytes);
    case EMPTYING_EVICT:
        return promote(store, found, bytes, small);
    case EMPTYING_DROP:
        break;
    }
    return false;
}

/* What becomes of one item. */
static void visit(struct store *store, struct item *item, uint32_t bytes) {
    struct store_found found = {.item = item, .location = store->emptying.at};
    bool small = store->log.segments[store->emptying.segment].queue == SEGMENT_SMALL;
    found.ref = index_find_location(&store->index, item->hash, found.location);
    assert(found.ref.primary != NULL);
    if (store_drop_dead(store, &found) || move_on(store, &found, bytes, small))
        return;
    assert(!store->config.no_eviction);
    drop(store, &found, small);
    store_tend_index(store);
}

static void earn_credit(struct store *store, uint64_t freed_bytes) {
    store->credit_bytes += freed_bytes * EVICT_MOVED_PER_BYTE;
    if (store->credit_bytes > store->bound_bytes)
        store->credit_bytes = store->bound_bytes;
}

/* The buckets of the items that follow are on their way while this one is looked at. */
static void prefetch(const struct store *store, uint64_t *ahead, uint32_t bytes, uint64_t end) {
    uint64_t until = store->emptying.at + (uint64_t)PREFETCH_AHEAD * bytes / ITEM_ALIGN;
    while (*ahead < end && *ahead <= until) {
        const struct item *item = segment_item(&store->log, *ahead);
        __builtin_prefetch(index_primary(&store->index, item->hash));
        *ahead += item_bytes(item) / ITEM_ALIGN;
    }
}

/* May the slice go on with an item of so many bytes? Whatever its size, the first one is moved. */
static bool slice_has_room(const struct store *store, uint32_t bytes) {
    const struct store_slice *slice = &store->slice;
    return slice->items < slice->items_max &&
           (slice->moved_bytes == 0 || store->emptying.how == EMPTYING_DROP ||
            slice->moved_bytes + bytes <= slice->moved_bytes_max);
}

/* Goes on with the segment at hand; false when the slice is used up first. */
static bool empty(struct store *store) {
    struct store_emptying *emptying = &store->emptying;
    struct segment_log *log = &store->log;
    const struct segment *segment = &log->segments[emptying->segment];
    uint64_t until = segment_first(log, emptying->segment) + segment->used_bytes / ITEM_ALIGN;
    uint64_t ahead = emptying->at;
    while (segment->live_bytes != 0 && segment->pins == 1) {
        assert(emptying->at < until);
        struct item *item = segment_item(log, emptying->at);
        uint32_t bytes = item_bytes(item);
        if (!slice_has_room(store, bytes))
            return false;
        prefetch(store, &ahead, bytes, until);
        uint32_t moved_bytes = store->slice.moved_bytes;
        if (item->bits & ITEM_LINKED)
            visit(store, item, bytes);
        if (moved_bytes == store->slice.moved_bytes && emptying->how != EMPTYING_CLEAN)
            earn_credit(store, bytes);
        emptying->at += bytes / ITEM_ALIGN;
        store->slice.items++;
    }
    return true;
}

/* It is empty, unless somebody has pinned it: then it waits until that is over. */
static void finish(struct store *store) {
    struct segment *segment = &store->log.segments[store->emptying.segment];
    if (segment->live_bytes == 0 && store->emptying.how == EMPTYING_CLEAN)
        store->counters.segments_cleaned++;
    else if (segment->live_bytes == 0)
        store->counters.segments_evicted++;
    end(store);
}

void store_check_slice(const struct store *store) {
    const struct store_slice *slice = &store->slice;
    assert(slice->items <= slice->items_max);
    assert(slice->moved_bytes <= slice->moved_bytes_max ||
           slice->moved_bytes <= store->log.segment_bytes);
}

static void begin_slice(struct store *store, uint32_t bytes) {
    uint64_t moved = (uint64_t)bytes * EVICT_MOVED_PER_BYTE;
    store->slice = (struct store_slice){
        .items_max = EVICT_ITEMS_PER_OPERATION + bytes / EVICT_BYTES_PER_ITEM,
        .moved_bytes_max = moved > EVICT_MOVED_BYTES_MIN ? (uint32_t)moved : EVICT_MOVED_BYTES_MIN};
}

/* The segment at hand waits where it is while enough are free, unless nothing in it lives. */
static bool has_work(const struct store *store, uint32_t free_wanted) {
    uint32_t at_hand = store->emptying.segment;
    return (at_hand != 0 && store->log.segments[at_hand].live_bytes == 0) ||
           oldest_is_flushed(store, SEGMENT_SMALL) || oldest_is_flushed(store, SEGMENT_MAIN) ||
           !store_has_free(store, free_wanted);
}

bool store_evict(struct store *store, uint32_t free_wanted, uint32_t bytes) {
    begin_slice(store, bytes);
    while (has_work(store, free_wanted)) {
        bool in_need = !store_has_free(store, free_wanted);
        if (store->emptying.segment == 0 && !choose(store, in_need))
            return false;
        bool done = empty(store);
        store_check_slice(store);
        if (!done)
            return true;
        finish(store);
    }
    return false;
}

bool store_evict_at_once(struct store *store) {
    if (store->config.no_eviction || (store->emptying.segment == 0 && !choose(store, true)))
        return false;
    store->emptying.how = EMPTYING_DROP;
    store->slice.items_max += (uint32_t)(store->log.segment_bytes / ITEM_BYTES_MIN);
    bool done = empty(store);
    assert(done);
    finish(store);
    store_check_slice(store);
    return true;
}
