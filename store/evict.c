/* Who gives memory up: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction",
 * SOSP 2023) over segments.
 *
 * New items go to the small queue. When memory is short its oldest segment is emptied, while the
 * queue holds more than its share, or else the main queue's oldest. What was hit since it came to
 * the small queue moves to the newest end of the main one; the main queue's own moves there once
 * more for each hit, up to two. The rest is dropped; a key dropped from the small queue leaves a
 * ghost (ghost.h), and should it come back while that lasts, it goes to the main queue at once.
 *
 * Where many bytes are dead, cleaning comes first: what lives in sparse segments is gathered in
 * another, in the same place of the same queue.
 *
 * All this is done in slices, so many items an operation, by whoever writes and in idle turns, to
 * keep a few segments free. Should these be used up all the same, an operation empties a segment at
 * once without moving anything.
 */
#include "store/evict.h"

#include "store/large.h"
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/memory.h"

/* So many records are hashed ahead, the one at hand included. */
#define AHEAD_RECORDS 8

/* No item is smaller. */
#define ITEM_BYTES_MIN 20

/* The hashes of the next records of a segment, by their numbers in the slice. */
struct ahead {
    uint64_t hashes[AHEAD_RECORDS];
    uint32_t hashed; /* up to this number */
    uint64_t at;     /* the location of that one */
};

static bool evict_is_flushed(const struct store *store, uint32_t number) {
    return store->log.segments[number].sequence < store->flush_sequence;
}

static bool evict_oldest_is_flushed(const struct store *store, enum segment_queue_name name) {
    uint32_t oldest = store->log.queues[name].oldest;
    return oldest != 0 && evict_is_flushed(store, oldest);
}

static void evict_begin_segment(struct store *store, uint32_t number, enum emptying how) {
    segment_hold(&store->log, number);
    store->emptying = (struct store_emptying){
        .segment = number, .how = how, .at = segment_first(&store->log, number)};
}

/* What a flush has left comes before everything, memory that was never used included. */
static bool evict_choose_flushed(struct store *store, enum segment_queue_name name) {
    if (!evict_oldest_is_flushed(store, name)) {
        return false;
    }
    uint32_t number = segment_victim(&store->log, name);
    if (number == 0 || !evict_is_flushed(store, number)) {
        return false;
    }
    evict_begin_segment(store, number, EMPTYING_FLUSHED);
    return true;
}

/* What is gathered may take a segment before one becomes free, and whoever writes another one;
 * where all of it has room already it needs none. */
static bool evict_may_gather(const struct store *store, uint32_t number) {
    const struct segment *segment = &store->log.segments[number];
    return store_has_free_segments(store, store->config.no_eviction ? 1 : 2) ||
           segment_has_space(&store->log, segment_gather_end(segment), segment->live_bytes);
}

static bool evict_choose_sparse(struct store *store, enum segment_queue_name name) {
    struct segment_log *log = &store->log;
    if (log->queues[name].sparse == 0) {
        return false;
    }
    uint32_t number = segment_find_sparse(log, name, &store->sparse_cursor[name]);
    if (number == 0 || !evict_may_gather(store, number)) {
        return false;
    }
    segment_gather_from(log, number);
    evict_begin_segment(store, number, EMPTYING_CLEAN);
    return true;
}

static bool evict_choose_oldest(struct store *store) {
    struct segment_log *log = &store->log;
    uint64_t small = log->queues[SEGMENT_SMALL].segments;
    bool from_small = small * 1000 > (uint64_t)log->segments_used * EVICT_SMALL_SHARE;
    uint32_t number = segment_victim(log, from_small ? SEGMENT_SMALL : SEGMENT_MAIN);
    if (number == 0) {
        number = segment_victim(log, from_small ? SEGMENT_MAIN : SEGMENT_SMALL);
    }
    if (number != 0) {
        evict_begin_segment(store, number, EMPTYING_EVICT);
    }
    return number != 0;
}

static bool evict_is_enough(const struct store *store) {
    return store_has_free_segments(store, store->slice.free_wanted);
}

static bool evict_choose(struct store *store) {
    if (evict_choose_flushed(store, SEGMENT_SMALL) || evict_choose_flushed(store, SEGMENT_MAIN)) {
        return true;
    }
    if (evict_is_enough(store)) {
        return false;
    }
    return evict_choose_sparse(store, SEGMENT_SMALL) || evict_choose_sparse(store, SEGMENT_MAIN) ||
           (!store->config.no_eviction && evict_choose_oldest(store));
}

static void evict_count(struct store *store, const struct item *item,
                        enum segment_queue_name name) {
    struct store_counters *counters = &store->counters;
    counters->queues[name].evictions++;
    counters->queues[name].evicted_unfetched += !(item->bits & ITEM_FETCHED);
    counters->evicted_expiring += item_expires(item) != 0;
    counters->evicted_idle = store->now - item->access;
}

/* As many ghosts as there are items, so far as their part of the memory goes. */
static void evict_remember(struct store *store, uint64_t hash) {
    struct ghost *ghost = &store->ghost;
    uint64_t max = store->bound_bytes / STORE_GHOSTS_PER_MEMORY / sizeof(uint16_t);
    uint64_t items = store->index.entries;
    if (store_memory_fits(store, 0)) {
        ghost_step(ghost, items < max ? items : max);
    }
    ghost_add(ghost, (uint32_t)hash, (uint16_t)index_tag(hash));
}

static void evict_drop(struct store *store, const struct store_found *found, uint64_t hash) {
    enum segment_queue_name name = store_queue_of(store, found->location);
    evict_count(store, found->item, name);
    if (name == SEGMENT_SMALL) {
        evict_remember(store, hash);
    }
    store_unlink(store, found);
}

/* A record of the item found, its head or an extent, goes to the open segment at `end`, which has
 * room for it. */
static void evict_move_record(struct store *store, const struct store_found *found,
                              enum segment_end end, uint32_t bytes) {
    uint64_t from = store->emptying.at;
    uint64_t to = segment_append(&store->log, end, bytes);
    memcpy(segment_item(&store->log, to), segment_item(&store->log, from), bytes);
    if (from == found->location) {
        store_uncount_item(store, from);
        index_move(found->ref, to);
        store_count_item(store, to);
    } else {
        store_list_replace(found->item, from, to);
    }
    store_release_record(store, from);
    store->slice.moved_bytes += bytes;
}

static bool evict_gather(struct store *store, const struct store_found *found, uint32_t bytes) {
    uint32_t source = store->emptying.segment;
    if (!store_space_to_gather(store, source, bytes)) {
        return false;
    }
    evict_move_record(store, found, segment_gather_end(&store->log.segments[source]), bytes);
    store->counters.cleaned_items++;
    store->counters.cleaned_bytes += bytes;
    return true;
}

/* An extent that has outlived a flush, since its item was complete only later. */
static bool evict_rescue(struct store *store, const struct store_found *found, uint32_t bytes) {
    if (!store_space_to_rescue(store, bytes)) {
        return false;
    }
    evict_move_record(store, found, SEGMENT_EXTENTS, bytes);
    return true;
}

/* Has the head moved on already, so that its extents are to follow? It has when it is in the main
 * queue, and there nearer to the newest end than to the extent. */
static bool evict_head_is_ahead(const struct store *store, const struct store_found *found) {
    const struct segment_log *log = &store->log;
    const struct segment *head = &log->segments[segment_of(log, found->location)];
    const struct segment *extent = &log->segments[store->emptying.segment];
    if (head->queue != SEGMENT_MAIN || extent->queue != SEGMENT_MAIN) {
        return head->queue == SEGMENT_MAIN;
    }
    return head->sequence > extent->sequence &&
           head->sequence - extent->sequence > log->sequence_next - head->sequence;
}

/* The head of an item that was hit since moves on; its frequency counts on from 0 in the main
 * queue, and down there. An extent goes where its head went, or will go. */
static bool evict_promote(struct store *store, const struct store_found *found, uint32_t bytes) {
    bool head = found->location == store->emptying.at;
    enum segment_queue_name from = store_queue_of(store, store->emptying.at);
    uint32_t frequency = index_frequency(found->ref);
    enum segment_end end = head ? SEGMENT_NEW_MAIN : SEGMENT_EXTENTS_MAIN;
    if ((frequency == 0 && (head || !evict_head_is_ahead(store, found))) ||
        store->credit_bytes < bytes || !store_space_at(store, end, bytes)) {
        return false;
    }
    if (head) {
        index_set_frequency(found->ref, from == SEGMENT_SMALL ? 0 : frequency - 1);
    }
    evict_move_record(store, found, end, bytes);
    store->credit_bytes -= bytes;
    store->counters.queues[from].moved_items += head;
    store->counters.moved_bytes += bytes;
    return true;
}

/* Moves a record of the item found, if that is its due; else false. */
static bool evict_move(struct store *store, const struct store_found *found, uint32_t bytes) {
    switch (store->emptying.how) {
    case EMPTYING_CLEAN:
        return evict_gather(store, found, bytes);
    case EMPTYING_FLUSHED:
        return evict_rescue(store, found, bytes);
    case EMPTYING_EVICT:
        return evict_promote(store, found, bytes);
    case EMPTYING_DROP:
        break;
    }
    return false;
}

/* What becomes of one record, and of its item: a large one goes as a whole. False: nothing, as
 * there is no room for it elsewhere, and it may not be dropped. */
static bool evict_visit(struct store *store, struct item *record, uint32_t bytes, uint64_t hash) {
    struct store_found found = {.item = record, .location = store->emptying.at};
    if (item_is_extent(record)) {
        store_find_head(store, found.location, &found);
    } else {
        found.ref = index_find_location(&store->index, (uint32_t)hash, found.location);
    }
    assert(found.ref.primary);
    if (store_drop_dead(store, &found) || evict_move(store, &found, bytes)) {
        return true;
    }
    if (store->config.no_eviction) {
        return false;
    }
    evict_drop(store, &found, hash);
    store_maintain_index(store);
    return true;
}

static void evict_earn_credit(struct store *store, uint64_t freed_bytes) {
    store->credit_bytes += freed_bytes * EVICT_MOVED_PER_BYTE;
    if (store->credit_bytes > store->bound_bytes) {
        store->credit_bytes = store->bound_bytes;
    }
}

/* The buckets of the records that follow, in index and ghosts, are on their way while the one at
 * hand is looked at. */
static void evict_look_ahead(const struct store *store, struct ahead *ahead, uint64_t end) {
    const struct store_slice *slice = &store->slice;
    while (ahead->at < end && ahead->hashed < slice->items_max &&
           ahead->hashed - slice->items < AHEAD_RECORDS) {
        struct item *record = segment_item(&store->log, ahead->at);
        uint64_t hash = 0;
        if (record->bits & ITEM_LINKED) {
            hash = index_hash(&store->index, record);
        }
        __builtin_prefetch(index_primary(&store->index, (uint32_t)hash));
        __builtin_prefetch(ghost_bucket(&store->ghost, (uint32_t)hash));
        ahead->hashes[ahead->hashed++ % AHEAD_RECORDS] = hash;
        ahead->at += item_bytes(record) / ITEM_ALIGN;
    }
}

/* May the slice go on with an item of so many bytes? Whatever its size, the first one is moved. */
static bool evict_slice_allows(const struct store *store, uint32_t bytes) {
    const struct store_slice *slice = &store->slice;
    return slice->items < slice->items_max &&
           (slice->moved_bytes == 0 || store->emptying.how == EMPTYING_DROP ||
            slice->moved_bytes + bytes <= slice->moved_bytes_max);
}

/* The segment at hand is empty; or somebody has pinned it: then it waits until that is over. */
static bool evict_is_over(const struct store *store) {
    const struct segment *segment = &store->log.segments[store->emptying.segment];
    return segment->live_bytes == 0 || segment->pins != 0;
}

/* Goes past one record of the segment at hand, dead or alive, unless it can't; hash is for what
 * lives. */
static void evict_step(struct store *store, struct item *record, uint32_t bytes, uint64_t hash) {
    struct store_emptying *emptying = &store->emptying;
    uint32_t moved_bytes = store->slice.moved_bytes;
    if ((record->bits & ITEM_LINKED) && !evict_visit(store, record, bytes, hash)) {
        store->slice.blocked = true;
        return;
    }
    if (store->slice.moved_bytes == moved_bytes && emptying->how != EMPTYING_CLEAN) {
        evict_earn_credit(store, bytes);
    }
    emptying->at += bytes / ITEM_ALIGN;
    store->slice.items++;
}

/* Goes on with the segment at hand while that is needed; false when the slice is used up first. A
 * few heads may free a whole lot of extents: so each record is one too many that need not go. */
static bool evict_empty(struct store *store) {
    struct segment_log *log = &store->log;
    uint32_t number = store->emptying.segment;
    uint64_t until = segment_first(log, number) + log->segments[number].used_bytes / ITEM_ALIGN;
    struct ahead ahead = {.hashed = store->slice.items, .at = store->emptying.at};
    while (!evict_is_over(store) && !store->slice.blocked &&
           (store->emptying.how == EMPTYING_FLUSHED || !evict_is_enough(store))) {
        assert(store->emptying.at < until);
        struct item *record = segment_item(log, store->emptying.at);
        uint32_t bytes = item_bytes(record);
        if (!evict_slice_allows(store, bytes)) {
            return false;
        }
        evict_look_ahead(store, &ahead, until);
        evict_step(store, record, bytes, ahead.hashes[store->slice.items % AHEAD_RECORDS]);
    }
    return true;
}

static void evict_finish_segment(struct store *store) {
    uint32_t number = store->emptying.segment;
    if (store->log.segments[number].live_bytes == 0) {
        store->counters.segments_cleaned += store->emptying.how == EMPTYING_CLEAN;
        store->counters.segments_evicted += store->emptying.how != EMPTYING_CLEAN;
        store->counters.segments_dropped += store->emptying.how == EMPTYING_DROP;
    }
    store->emptying = (struct store_emptying){0};
    segment_unhold(&store->log, number);
}

void store_check_slice(const struct store *store) {
    const struct store_slice *slice = &store->slice;
    assert(slice->items <= slice->items_max);
    assert(slice->moved_bytes <= slice->moved_bytes_max ||
           slice->moved_bytes <= store->record_bytes_max);
}

static void evict_begin_slice(struct store *store, uint32_t free_wanted, uint32_t bytes) {
    uint64_t moved = (uint64_t)bytes * EVICT_MOVED_PER_BYTE;
    store->slice = (struct store_slice){
        .free_wanted = free_wanted,
        .items_max = EVICT_ITEMS_PER_OPERATION + bytes / EVICT_BYTES_PER_ITEM,
        .moved_bytes_max = moved > EVICT_MOVED_BYTES_MIN ? (uint32_t)moved : EVICT_MOVED_BYTES_MIN};
}

/* The segment at hand waits where it is while enough are free, unless nothing in it lives. */
static bool evict_has_work(const struct store *store) {
    if (!evict_is_enough(store)) {
        return true;
    }
    if (store->emptying.segment != 0) {
        return evict_is_over(store) || store->emptying.how == EMPTYING_FLUSHED;
    }
    return evict_oldest_is_flushed(store, SEGMENT_SMALL) ||
           evict_oldest_is_flushed(store, SEGMENT_MAIN);
}

bool store_evict(struct store *store, uint32_t free_wanted, uint32_t bytes) {
    evict_begin_slice(store, free_wanted, bytes);
    while (evict_has_work(store) && !store->slice.blocked) {
        if (store->emptying.segment == 0 && !evict_choose(store)) {
            return false;
        }
        bool in_time = evict_empty(store);
        store_check_slice(store);
        if (evict_is_over(store)) {
            evict_finish_segment(store);
        }
        if (!in_time) {
            return true;
        }
    }
    return false;
}

/* Where nothing may be evicted it cleans; else the segment at hand is dropped. */
bool store_evict_at_once(struct store *store, uint32_t free_wanted) {
    struct store_slice *slice = &store->slice;
    slice->free_wanted = free_wanted;
    if (evict_is_enough(store) || slice->blocked ||
        (store->emptying.segment == 0 && !evict_choose(store))) {
        return false;
    }
    enum emptying how = store->emptying.how;
    slice->items_max += (uint32_t)(store->log.segment_bytes / ITEM_BYTES_MIN);
    if (store->config.no_eviction) {
        slice->moved_bytes_max += (uint32_t)store->log.segment_bytes;
    } else {
        store->emptying.how = EMPTYING_DROP;
    }
    bool in_time = evict_empty(store);
    assert(in_time);
    store_check_slice(store);
    if (evict_is_over(store)) {
        evict_finish_segment(store);
    } else {
        store->emptying.how = how;
    }
    return true;
}
