/* Eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023)
 * over segments instead of items.
 *
 * New items go to the small queue. When memory is short the oldest segment of the small queue is
 * emptied while that queue holds more than its share (EVICT_SMALL_SHARE), else the oldest of the
 * main queue. Items of the small queue that were hit since they were stored move to the newest end
 * of the main queue; items of the main queue move there again, once for each hit, at most twice.
 * All others are dropped. A key dropped from the small queue leaves a ghost (ghost.h), unless its
 * item is much larger than others (EVICT_LARGE_TIMES): if it is stored again while the ghost lasts,
 * it goes to the main queue at once.
 *
 * Where segments are sparse, cleaning comes first: the live items of sparse segments are gathered
 * in one segment, at the same place of the same queue.
 *
 * The work is done in slices, a bounded number of items per operation that writes, and in
 * store_maintain(), so that a few segments are always free. When they are used up all the same, an
 * operation drops a whole segment without moving anything (EMPTYING_DROP).
 */
#include "store/evict.h"

#include "store/large.h"
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/memory.h"
#include "store/order.h"

/* Records that are hashed, and whose buckets are prefetched, before they are visited, the current
 * one included. */
#define AHEAD_RECORDS 8

/* The hashes of the next records of a segment: of record n of the slice at n % AHEAD_RECORDS. */
struct ahead {
    uint64_t hashes[AHEAD_RECORDS];
    uint64_t next[AHEAD_RECORDS]; /* locations of the records behind them */
    uint32_t hashed;              /* records hashed so far */
    uint64_t at;                  /* location of the next record to be hashed */
};

static bool evict_is_flushed(const struct store *store, uint32_t number) {
    return store->log.segments[number].sequence < store->flush_sequence;
}

static bool evict_oldest_is_flushed(const struct store *store, enum segment_queue_name name) {
    uint32_t oldest = store->log.queues[name].oldest;
    return oldest != 0 && evict_is_flushed(store, oldest);
}

static bool evict_has_flushed(const struct store *store) {
    return evict_oldest_is_flushed(store, SEGMENT_SMALL) ||
           evict_oldest_is_flushed(store, SEGMENT_MAIN);
}

bool store_has_room(const struct store *store) {
    size_t room =
        store->bound_bytes / EVICT_ROOM_PART + EVICT_WANTED_MAX * (size_t)store->log.segment_bytes;
    size_t warm = store->log.warm_count * (size_t)store->log.segment_bytes;
    return evict_has_flushed(store) || warm >= room || store_memory_fits(store, room - warm);
}

static void evict_begin_segment(struct store *store, uint32_t number, enum emptying how) {
    segment_hold(&store->log, number);
    store->emptying = (struct store_emptying){
        .segment = number, .how = how, .at = segment_first(&store->log, number)};
}

/* The next flushed segment of a queue. */
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

/* Gathering may take a segment before it frees one, and the operation that goes on meanwhile takes
 * another; it needs none where all live bytes fit into the gathering segment. */
static bool evict_choose_sparse(struct store *store, enum segment_queue_name name) {
    struct segment_log *log = &store->log;
    if (log->queues[name].sparse == 0) {
        return false;
    }
    bool fits = !store_has_free_segments(store, store->config.no_eviction ? 1 : 2);
    uint32_t number = segment_find_sparse(log, name, fits, &store->sparse_cursor[name]);
    if (number == 0) {
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

/* Flushed segments are emptied before anything else, even before memory that was never used is
 * taken: but not before a segment will soon be needed, so that an operation on a flushed item can
 * tell that it was flushed. */
static bool evict_needs_flushed(const struct store *store) {
    return !evict_is_enough(store) || store->log.warm_count < store_ends_nearly_full(store);
}

static bool evict_choose(struct store *store) {
    if (evict_needs_flushed(store) &&
        (evict_choose_flushed(store, SEGMENT_SMALL) || evict_choose_flushed(store, SEGMENT_MAIN))) {
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

/* Whether an item of the small queue, which is dropped unread, is turned away: what it takes is
 * worth more to several others. */
static bool evict_turns_away(struct store *store, const struct item *item) {
    uint64_t bytes = item_bytes_whole(item);
    uint64_t all = store->item_bytes[SEGMENT_SMALL] + store->item_bytes[SEGMENT_MAIN];
    uint64_t items = store->items[SEGMENT_SMALL] + store->items[SEGMENT_MAIN];
    if (store->config.hits_of_bytes || bytes <= EVICT_LARGE_TIMES * all / items ||
        bytes <= store->item_bytes[SEGMENT_SMALL] / store->items[SEGMENT_SMALL]) {
        return false;
    }
    store->large_dropped++;
    return store->large_dropped % EVICT_TURNED_BACK != 0;
}

/* Adds a ghost. There are as many ghosts as items, within their part of the memory. */
static void evict_remember(struct store *store, uint64_t hash) {
    struct ghost *ghost = &store->ghost;
    uint64_t max = store->bound_bytes / STORE_GHOSTS_PER_MEMORY / sizeof(uint16_t);
    uint64_t items = store->index.entries;
    if (store_memory_fits(store, 0)) {
        ghost_step(ghost, items < max ? items : max);
    }
    ghost_add(ghost, (uint32_t)hash, (uint16_t)index_tag(hash));
}

__attribute__((noinline, cold)) static void evict_tell(const struct store *store,
                                                       struct item *item) {
    struct store_entry entry = {.key = item_key(item), .key_length = item->key_length};
    store_show_all(store, item, &entry.item);
    store->evicted(store->evicted_context, &entry);
}

static void evict_drop(struct store *store, const struct store_found *found, uint64_t hash) {
    enum segment_queue_name name = store_queue_of(store, found->location);
    if (store->evicted) {
        evict_tell(store, found->item);
    }
    store_note_drop(store, hash);
    evict_count(store, found->item, name);
    if (name == SEGMENT_SMALL) {
        if (evict_turns_away(store, found->item)) {
            store->counters.turned_away++;
        } else {
            evict_remember(store, hash);
        }
    }
    store_unlink(store, found);
}

/* Moves the current record, which is the item found or an extent of it, to the open segment at
 * `end`, which has space for it. */
static void evict_move_record(struct store *store, const struct store_found *found,
                              enum segment_end end, uint32_t bytes) {
    uint64_t from = store->emptying.at;
    uint64_t to = segment_tail(&store->log, end);
    memcpy(segment_item(&store->log, to), segment_item(&store->log, from), bytes);
    segment_append(&store->log, end, bytes);
    store_order();
    if (from == found->location) {
        store_uncount_item(store, from);
        index_move(found->ref, to);
        store_count_item(store, to);
    } else {
        store_list_replace(found->item, from, to);
    }
    store_order();
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

/* Moves an extent out of a flushed segment: it came before the flush, but its upload ended after
 * it. */
static bool evict_rescue(struct store *store, const struct store_found *found, uint32_t bytes) {
    if (!store_space_to_rescue(store, bytes)) {
        return false;
    }
    evict_move_record(store, found, SEGMENT_EXTENTS, bytes);
    return true;
}

/* Whether the head was promoted already, so that its extents have to follow: it is in the main
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

/* Moves an item that was hit to the newest end of the main queue. Its frequency starts from 0 when
 * it comes from the small queue, and is one less when it was there already. An extent follows its
 * head, before or after it. Returns false when the record is not to be moved, or can't be. */
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

/* Moves the current record, of the item found, if it is to be kept; else returns false. */
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

/* Moves one live record, or drops its item, a large one as a whole. Returns false when neither is
 * possible: there is no space for it elsewhere, and nothing may be evicted. */
static bool evict_visit(struct store *store, struct item *record, uint32_t bytes, uint64_t hash) {
    struct store_found found = {.item = record, .location = store->emptying.at};
    if (item_is_extent(record)) {
        store_find_head(store, found.location, &found);
    } else {
        found.ref = index_find_location(&store->index, (uint32_t)hash, found.location);
    }
    assert(found.ref.primary);
    if (store_drop_dead(store, &found, hash) || evict_move(store, &found, bytes)) {
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

/* Prefetches the buckets of the next records, in index and ghosts, while the current one is
 * visited. */
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
        ahead->at = segment_next(&store->log, ahead->at, end);
        ahead->hashes[ahead->hashed % AHEAD_RECORDS] = hash;
        ahead->next[ahead->hashed % AHEAD_RECORDS] = ahead->at;
        ahead->hashed++;
    }
}

/* Whether the slice may visit one more record, of this many bytes. The first one may be moved
 * whatever its size. */
static bool evict_slice_allows(const struct store *store, uint32_t bytes) {
    const struct store_slice *slice = &store->slice;
    return slice->items < slice->items_max &&
           (slice->moved_bytes == 0 || store->emptying.how == EMPTYING_DROP ||
            slice->moved_bytes + bytes <= slice->moved_bytes_max);
}

/* Whether emptying the segment ends: nothing lives there any more, or it was pinned meanwhile and
 * stays in its queue until that ends. */
static bool evict_is_over(const struct store *store) {
    const struct segment *segment = &store->log.segments[store->emptying.segment];
    return segment->live_bytes == 0 || segment->pins != 0;
}

/* Visits the current record, dead or alive, and goes on to the one at `next`, unless it is blocked.
 * hash is that of a live record. */
static void evict_step(struct store *store, struct item *record, uint32_t bytes, uint64_t next,
                       uint64_t hash) {
    struct store_emptying *emptying = &store->emptying;
    uint32_t moved_bytes = store->slice.moved_bytes;
    if ((record->bits & ITEM_LINKED) && !evict_visit(store, record, bytes, hash)) {
        store->slice.blocked = true;
        return;
    }
    if (store->slice.moved_bytes == moved_bytes && emptying->how != EMPTYING_CLEAN) {
        evict_earn_credit(store, (next - emptying->at) * ITEM_ALIGN);
    }
    emptying->at = next;
    store->slice.items++;
}

/* Goes on emptying the segment until enough segments are free; returns false when the slice is used
 * up before. Checks that after each record: the head of a large item may free several segments, and
 * nothing is dropped without need. */
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
        uint32_t i = store->slice.items % AHEAD_RECORDS;
        evict_step(store, record, bytes, ahead.next[i], ahead.hashes[i]);
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

/* While enough segments are free, one that is partly emptied is left as it is, unless nothing lives
 * in it. */
static bool evict_has_work(const struct store *store) {
    if (!evict_is_enough(store)) {
        return true;
    }
    if (store->emptying.segment != 0) {
        return evict_is_over(store) || store->emptying.how == EMPTYING_FLUSHED;
    }
    return evict_has_flushed(store) && evict_needs_flushed(store);
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

/* Drops the items of the segment that is being emptied; where nothing may be evicted it cleans. */
bool store_evict_at_once(struct store *store, uint32_t free_wanted) {
    struct store_slice *slice = &store->slice;
    slice->free_wanted = free_wanted;
    if (evict_is_enough(store) || slice->blocked ||
        (store->emptying.segment == 0 && !evict_choose(store))) {
        return false;
    }
    enum emptying how = store->emptying.how;
    slice->items_max += (uint32_t)(store->log.segment_bytes / ITEM_RECORD_BYTES_MIN);
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
