#include "store/transfer_record.h"

#include "store/import.h"
#include "store/large.h"
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/memory.h"

/* A slice visits so many records, and moves so many bytes. */
#define SLICE_RECORDS 256u
#define SLICE_BYTES ((uint64_t)64 << 10)

/* For each byte that is moved out of turn so many are moved in turn, which give memory back; a
 * slice makes up for at most DEBT_SLICE_BYTES of them. */
#define DEBT_PART 4
#define DEBT_SLICE_BYTES ((uint64_t)512 << 10)

/* What is left of a slice. */
struct view_slice {
    uint32_t records;
    uint64_t bytes;
};

/* What a search in an index looks for: returns true when it is this linked record. */
typedef bool view_match(const struct transfer_view *view, const struct view_found *found,
                        uint8_t bits, const void *wanted);

static bool view_is_key(const struct transfer_view *view, const struct view_found *found,
                        uint8_t bits, const void *wanted) {
    const struct store_key *key = wanted;
    (void)view;
    return found->item->key_length == key->length &&
           memcmp(view_key(found->item, bits), key->bytes, key->length) == 0;
}

/* Others' heads are left alone. */
static bool view_is_head(const struct transfer_view *view, const struct view_found *found,
                         uint8_t bits, const void *wanted) {
    const uint64_t *extent = wanted;
    return !item_is_extent(found->item) && item_is_large(found->item) &&
           view_owns(view, view_hash(found->source, found->item, bits)) &&
           store_head_names(found->item, *extent);
}

static bool view_search(const struct transfer_view *view, struct view_found *found, uint64_t hash,
                        view_match *match, const void *wanted) {
    const struct index *index = &found->source->store->index;
    uint64_t tag = index_tag(hash);
    const struct index_bucket *primary = index_primary(index, (uint32_t)hash);
    const struct index_bucket *bucket = primary;
    while (bucket) {
        for (uint32_t slots = index_match(bucket, tag); slots != 0; slots &= slots - 1) {
            found->location = index_location(bucket->slots[__builtin_ctz(slots)]);
            if (!view_reads(view, found->source, found->location)) {
                continue;
            }
            found->item = segment_item(&found->source->store->log, found->location);
            uint8_t bits = view_bits(found->item);
            if ((bits & ITEM_LINKED) && match(view, found, bits, wanted)) {
                return true;
            }
        }
        bool more = bucket != primary || (primary->filter & index_filter_bit(tag));
        bucket = more ? index_next(index, bucket) : NULL;
    }
    return false;
}

static bool view_find(const struct transfer_view *view, const struct store_key *key,
                      struct view_found *found) {
    const struct store_transfer *transfer = view->transfer;
    found->source = &transfer->sources[transfer->owner(key->hash, transfer->count)];
    return view_search(view, found, key->hash, view_is_key, key);
}

/* One item. */

static bool view_is_dead(const struct transfer_view *view, const struct view_found *found,
                         uint32_t now) {
    uint32_t expires = item_expires(found->item);
    return view->is_void || store_is_flushed(found->source->store, found->location) ||
           (expires != 0 && expires <= now);
}

static struct store_moved view_show(const struct view_found *found, uint64_t hash) {
    const struct store *from = found->source->store;
    struct index_ref ref = index_find_location(&from->index, (uint32_t)hash, found->location);
    struct store_moved moved = {.from = from,
                                .main = store_queue_of(from, found->location) == SEGMENT_MAIN,
                                .hit = ref.primary && index_frequency(ref) != 0};
    store_show_all(from, found->item, &moved.item);
    return moved;
}

/* Moves one of its own items, or drops it, if it is dead or there is no room. Returns the bytes
 * that were moved; to find that there is no room takes its time, and counts for a slice. */
static uint32_t view_move(struct store *store, const struct view_found *found, uint64_t hash,
                          uint32_t now) {
    struct transfer_view *view = store->transfer;
    uint32_t bytes = 0;
    if (!view_is_dead(view, found, now)) {
        struct store_moved moved = view_show(found, hash);
        const struct store_key key = {item_key(found->item), found->item->key_length, hash};
        enum store_status status = store_import(store, &key, &moved, now);
        if (status == STORE_NO_MEMORY && store_retry_bound(store)) {
            status = store_import(store, &key, &moved, now);
        }
        bool moves = status == STORE_OK || status == STORE_NOT_STORED;
        bytes = moves ? item_bytes_whole(found->item) : (uint32_t)SLICE_BYTES;
        atomic_fetch_add_explicit(moves ? &view->transfer->moved : &view->transfer->lost, 1,
                                  memory_order_relaxed);
        store_order();
    }
    view_drop(view, found);
    return bytes;
}

__attribute__((noinline, cold)) void transfer_take_key(struct store *store,
                                                       const struct store_key *key, uint32_t now) {
    struct view_found found;
    if (view_find(store->transfer, key, &found)) {
        store->transfer->debt_bytes +=
            (uint64_t)DEBT_PART * view_move(store, &found, key->hash, now);
    }
}

__attribute__((noinline, cold)) bool transfer_drop_key(struct store *store,
                                                       const struct store_key *key, uint32_t now) {
    struct view_found found;
    if (!view_find(store->transfer, key, &found)) {
        return false;
    }
    bool alive = !view_is_dead(store->transfer, &found, now);
    view_drop(store->transfer, &found);
    store_order();
    return alive;
}

/* Slices. */

/* An extent keeps its segment: its item is moved before that is passed. */
static uint32_t view_visit_extent(struct store *store, const struct transfer_source *source,
                                  uint64_t location, uint32_t now) {
    struct view_found found = {.source = source};
    uint64_t hash = item_head_hash(segment_item(&source->store->log, location));
    if (!view_search(store->transfer, &found, hash, view_is_head, &location)) {
        return 0;
    }
    return view_move(store, &found, view_hash(source, found.item, view_bits(found.item)), now);
}

static uint32_t view_visit(struct store *store, const struct transfer_source *source,
                           uint64_t location, uint8_t bits, uint32_t now) {
    struct view_found found = {source, segment_item(&source->store->log, location), location};
    if (!(bits & ITEM_LINKED)) {
        return 0;
    }
    if (item_is_extent(found.item)) {
        return view_visit_extent(store, source, location, now);
    }
    uint64_t hash = view_hash(source, found.item, bits);
    if (!view_owns(store->transfer, hash)) {
        return 0;
    }
    struct transfer_place *place = view_place(store->transfer, source);
    if (item_is_large(found.item) && !place->again) {
        place->defers = true;
        return 0;
    }
    return view_move(store, &found, hash, now);
}

/* The last view has passed the segment: it is free, and its pages the file system's. */
static void view_free_segment(const struct transfer_view *view,
                              const struct transfer_source *source, uint32_t rank) {
    struct segment_log *log = &source->store->log;
    uint32_t number = source->order[rank];
    log->segments[number].sequence = 0;
    store_order();
    segment_release_pages(log, number, 1);
    atomic_fetch_sub_explicit(&view->transfer->old_bytes, log->segment_bytes, memory_order_relaxed);
}

/* Behind the last record of the segment at hand. */
static void view_pass(const struct transfer_view *view, const struct transfer_source *source,
                      struct transfer_place *place) {
    uint32_t rank = place->next;
    if (!place->again) {
        atomic_fetch_sub_explicit(&source->unwalked[rank], 1, memory_order_acq_rel);
    }
    if (!place->defers) {
        place->passed[rank] = true;
        if (atomic_fetch_sub_explicit(&source->waiting[rank], 1, memory_order_acq_rel) == 1) {
            view_free_segment(view, source, rank);
        }
    }
    place->defers = false;
    place->at = 0;
}

/* Goes on to the next segment that was not passed: once more from the first one, then to none. */
static void view_advance(const struct transfer_source *source, struct transfer_place *place) {
    do {
        place->next++;
        if (place->next == source->count && !place->again) {
            place->again = true;
            place->next = 0;
        }
    } while (place->next < source->count && place->passed[place->next]);
}

/* Goes on in the segment at hand, until it is passed or the slice is over. */
static void view_walk(struct store *store, const struct transfer_source *source,
                      struct view_slice *slice, uint32_t now) {
    const struct segment_log *log = &source->store->log;
    struct transfer_place *place = view_place(store->transfer, source);
    uint32_t number = source->order[place->next];
    uint64_t until = segment_first(log, number) + log->segments[number].used_bytes / ITEM_ALIGN;
    if (place->at == 0) {
        place->at = segment_first(log, number);
    }
    while (place->at < until && slice->records > 0 && slice->bytes > 0) {
        struct item *item = segment_item(log, place->at);
        uint64_t at = place->at;
        if (item->value_length == ITEM_PAD) {
            place->at++;
            continue;
        }
        uint8_t bits = view_bits(item);
        uint32_t bytes = view_record_bytes(item, bits);
        __builtin_prefetch((const char *)item + 4 * (size_t)bytes);
        uint64_t moved = view_visit(store, source, at, bits, now);
        slice->records--;
        slice->bytes -= moved < slice->bytes ? moved : slice->bytes;
        place->at = at + bytes / ITEM_ALIGN;
    }
    if (place->at >= until) {
        view_pass(store->transfer, source, place);
        view_advance(source, place);
    }
}

/* Whether others have not come near enough: memory of both stores is bounded. */
static bool view_is_ahead(const struct transfer_source *source,
                          const struct transfer_place *place) {
    return !place->again && place->next >= source->window &&
           atomic_load_explicit(&source->unwalked[place->next - source->window],
                                memory_order_acquire) != 0;
}

/* The source of which least has been passed and where something can be done; NULL: none. *more:
 * there is one where something is left to be done. */
static const struct transfer_source *view_choose(const struct transfer_view *view, bool *more) {
    const struct store_transfer *transfer = view->transfer;
    const struct transfer_source *least = NULL;
    *more = false;
    for (uint32_t i = 0; i < transfer->count; i++) {
        const struct transfer_source *source = &transfer->sources[i];
        uint64_t next = view->places[i].next;
        if (next == source->count) {
            continue;
        }
        *more = true;
        bool later =
            least && next * least->count >= (uint64_t)view_place(view, least)->next * source->count;
        if (!later && !view_is_ahead(source, &view->places[i])) {
            least = source;
        }
    }
    return least;
}

/* All that is this store's is here. */
static void view_end(struct store *store) {
    struct store_transfer *transfer = store->transfer->transfer;
    if (store->image) {
        store->image->transfer_void = 0;
    }
    store->transfer->waits = false;
    store->transfer = NULL;
    store_renew_bound(store);
    atomic_fetch_sub_explicit(&transfer->working, 1, memory_order_release);
}

bool transfer_step(struct store *store, uint32_t now) {
    struct transfer_view *view = store->transfer;
    uint64_t debt = view->debt_bytes < DEBT_SLICE_BYTES ? view->debt_bytes : DEBT_SLICE_BYTES;
    struct view_slice slice = {SLICE_RECORDS + (uint32_t)(debt / ITEM_RECORD_BYTES_MIN),
                               SLICE_BYTES + debt};
    const struct transfer_source *source;
    bool more = true;
    store_raise_bound(store);
    view->debt_bytes -= debt;
    while (slice.records > 0 && slice.bytes > 0 && (source = view_choose(view, &more))) {
        view_walk(store, source, &slice, now);
    }
    if (!more) {
        view_end(store);
        return false;
    }
    view->waits = !view_choose(view, &more);
    return !view->waits;
}

bool store_transfer_waits(const struct store *store) {
    return store->transfer && store->transfer->waits;
}
