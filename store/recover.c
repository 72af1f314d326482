#include "store/recover.h"

#include "store/file_pages.h"
#include "store/large.h"
#include "store/lifetime.h"
#include "store/lookup.h"
#include "store/memory.h"
#include "store/pages.h"

#include <errno.h>
#include <stdlib.h>

/* Items whose buckets are prefetched before they are added to the index. */
#define AHEAD 16

/* Bytes in front of the record at hand that are prefetched: neighbours are mostly of one size. */
#define AHEAD_RECORDS 8

/* What a segment holds, in the field `pins` while the image is read. */
#define HAS_HEADS 1u
#define HAS_EXTENTS 2u

/* In an extent: a list names it. */
#define EXTENT_NAMED ITEM_FETCHED

struct recover_item {
    uint64_t hash;
    uint64_t location;
};

struct recover_segment {
    uint64_t sequence;
    uint32_t number;
};

struct recover {
    struct store *store;
    struct store_recovery *found;
    struct recover_segment *segments; /* in use, by sequence; allocated */
    uint32_t count;
    /* Items whose buckets are on their way to the cache. */
    struct recover_item ahead[AHEAD];
    uint32_t taken;
    uint32_t added;
};

static bool recover_is_damaged(struct recover *recover, uint32_t segment, const char *damage) {
    recover->found->damage = damage;
    recover->found->segment = segment;
    return false;
}

/* The bytes of a record, of which `space` are there; 0 when that can't be. */
static uint32_t recover_bytes(const struct item *item, uint64_t space) {
    uint64_t before = item_bytes_of(item->bits, item->key_length, 0);
    if (space < ITEM_RECORD_BYTES_MIN || item->key_length > ITEM_KEY_LENGTH_MAX || before > space) {
        return 0;
    }
    if (item_is_large(item)) {
        if (before + sizeof(struct item_list) > space ||
            item_list_read(item)->count > space / sizeof(struct item_extent)) {
            return 0;
        }
    }
    uint64_t bytes = item_bytes_of(item->bits, item->key_length, item_payload_bytes(item));
    return bytes <= space && bytes >= ITEM_RECORD_BYTES_MIN ? (uint32_t)bytes : 0;
}

/* The extent that a list names, or NULL when there is none of this length and hash. */
static struct item *recover_extent(const struct store *store, uint64_t location, uint64_t hash,
                                   uint32_t length) {
    const struct segment_log *log = &store->log;
    uint64_t number = location >> log->unit_shift;
    if (number < log->block_segments || number > log->touched ||
        !segment_in_use(&log->segments[number])) {
        return NULL;
    }
    uint64_t until =
        segment_first(log, (uint32_t)number) + log->segments[number].used_bytes / ITEM_ALIGN;
    struct item *extent = segment_item(log, location);
    if (location >= until || (until - location) * ITEM_ALIGN < item_extent_bytes(length)) {
        return NULL;
    }
    bool is_right =
        item_is_extent(extent) && (extent->bits & (uint8_t)~EXTENT_NAMED) == ITEM_LINKED &&
        extent->value_length == length && item_head_hash(extent) == (hash & ITEM_HEAD_HASH_MASK);
    return is_right ? extent : NULL;
}

/* Whether all extents of a large item are there. With `name` none of them may be in another list,
 * and they are marked if so. */
static bool recover_is_whole(const struct store *store, struct item *head, uint64_t hash,
                             bool name) {
    const struct item_list *list = item_list_read(head);
    uint64_t bytes = 0;
    uint32_t end = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t length = list->extents[i].end - end;
        const struct item *extent = recover_extent(store, list->extents[i].location, hash, length);
        if (list->extents[i].end <= end || !extent || (name && (extent->bits & EXTENT_NAMED))) {
            return false;
        }
        end = list->extents[i].end;
        bytes += item_extent_bytes(length);
    }
    if (list->count == 0 || end != item_value_length(head) || bytes != list->bytes) {
        return false;
    }
    for (uint32_t i = 0; name && i < list->count; i++) {
        segment_item(&store->log, list->extents[i].location)->bits |= EXTENT_NAMED;
    }
    return true;
}

/* A record that was read as a live one is none. */
static void recover_unlink(struct store *store, uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    item->bits &= (uint8_t)~ITEM_LINKED;
    store->log.segments[segment_of(&store->log, location)].live_bytes -= item_bytes(item);
}

static bool recover_find(const struct store *store, uint64_t hash, struct item *item,
                         struct store_found *found) {
    struct index_ref *ref = &found->ref;
    ref->primary = index_primary(&store->index, (uint32_t)hash);
    for (ref->bucket = ref->primary; ref->bucket;
         ref->bucket = index_next(&store->index, ref->bucket)) {
        uint32_t match = index_match(ref->bucket, index_tag(hash));
        for (; match != 0; match &= match - 1) {
            ref->slot = (uint32_t)__builtin_ctz(match);
            found->location = index_location(ref->bucket->slots[ref->slot]);
            found->item = segment_item(&store->log, found->location);
            if (item_has_key(found->item, item_key(item), item->key_length)) {
                return true;
            }
        }
    }
    return false;
}

/* A large item is counted when it turns out to have its extents. */
static void recover_count_inline(struct store *store, uint64_t location) {
    if (!item_is_large(segment_item(&store->log, location))) {
        store_count_item(store, location);
    }
}

/* A second item of a key: of an operation that was never acknowledged, or a copy. One that has all
 * of its extents is kept. */
static void recover_choose(struct recover *recover, const struct store_found *old, uint64_t hash,
                           uint64_t location) {
    struct store *store = recover->store;
    recover->found->copies++;
    if (!item_is_large(old->item) || recover_is_whole(store, old->item, hash, false)) {
        recover_unlink(store, location);
        return;
    }
    recover_unlink(store, old->location);
    index_move(old->ref, location);
    recover_count_inline(store, location);
}

/* Whether the item was read since it came to its place, as far as times tell. */
static bool recover_was_hit(const struct store *store, uint64_t location) {
    const struct item *item = segment_item(&store->log, location);
    const struct segment *segment = &store->log.segments[segment_of(&store->log, location)];
    return (item->bits & ITEM_FETCHED) &&
           (segment->queue == SEGMENT_SMALL || item->access > segment->opened);
}

static void recover_add(struct recover *recover, uint64_t hash, uint64_t location) {
    struct store *store = recover->store;
    struct item *item = segment_item(&store->log, location);
    struct store_found found;
    if (recover_find(store, hash, item, &found)) {
        recover_choose(recover, &found, hash, location);
        return;
    }
    if (index_is_dense(&store->index)) {
        store_maintain_index(store);
    }
    index_insert(&store->index, hash, location);
    recover_count_inline(store, location);
    store_note_expires(store, item_expires(item));
    if (recover_was_hit(store, location)) {
        index_hit(index_find_location(&store->index, (uint32_t)hash, location));
    }
}

static void recover_add_first(struct recover *recover) {
    struct recover_item *item = &recover->ahead[recover->added++ % AHEAD];
    recover_add(recover, item->hash, item->location);
}

static void recover_take(struct recover *recover, uint64_t location) {
    struct index *index = &recover->store->index;
    uint64_t hash = index_hash(index, segment_item(&recover->store->log, location));
    if (recover->taken - recover->added == AHEAD) {
        recover_add_first(recover);
    }
    recover->ahead[recover->taken++ % AHEAD] = (struct recover_item){hash, location};
    __builtin_prefetch(index_primary(index, (uint32_t)hash), 1);
}

/* The leases of a process that has ended. */
static void recover_end_leases(struct item *head) {
    struct item_list *list = item_list(head);
    if (list->leases != 0 || list->shared) {
        list->leases = 0;
        list->shared = 0;
    }
}

/* Reads a live record: returns false when it can't be one. */
static bool recover_linked(struct recover *recover, struct segment *segment, uint64_t location,
                           uint32_t bytes) {
    struct store *store = recover->store;
    struct item *item = segment_item(&store->log, location);
    segment->live_bytes += bytes;
    if (item_is_extent(item)) {
        segment->pins |= HAS_EXTENTS;
        item->bits &= (uint8_t)~EXTENT_NAMED;
        return item->bits == ITEM_LINKED && !item_is_large(item);
    }
    if ((item->bits & store->item_fields) != store->item_fields ||
        bytes > store->record_bytes_max) {
        return false;
    }
    if (store_is_flushed(store, location)) {
        recover->found->flushed++;
        recover_unlink(store, location);
        return true;
    }
    if (item_is_large(item)) {
        segment->pins |= HAS_HEADS;
        recover_end_leases(item);
    }
    recover_take(recover, location);
    return true;
}

/* Goes over the records of a segment that were found to fill it. */
typedef void recover_visit(struct recover *recover, uint64_t location);

static void recover_walk(struct recover *recover, uint32_t number, recover_visit *visit) {
    const struct segment_log *log = &recover->store->log;
    uint64_t at = segment_first(log, number);
    uint64_t until = at + log->segments[number].used_bytes / ITEM_ALIGN;
    while (at < until) {
        uint64_t next = segment_next(log, at, until);
        if (segment_item(log, at)->bits & ITEM_LINKED) {
            visit(recover, at);
        }
        at = next;
    }
}

/* The first pass over a segment. Returns false when its records do not fill it. */
static bool recover_read(struct recover *recover, uint32_t number) {
    const struct segment_log *log = &recover->store->log;
    struct segment *segment = &log->segments[number];
    uint64_t at = segment_first(log, number);
    uint64_t until = at + segment->used_bytes / ITEM_ALIGN;
    while (at < until) {
        const struct item *item = segment_item(log, at);
        uint32_t bytes = recover_bytes(item, (until - at) * ITEM_ALIGN);
        if (bytes == 0) {
            return recover_is_damaged(recover, number, "its records do not fill it");
        }
        __builtin_prefetch((const char *)item + AHEAD_RECORDS * (size_t)bytes);
        if ((item->bits & ITEM_LINKED) && !recover_linked(recover, segment, at, bytes)) {
            return recover_is_damaged(recover, number, "a record is none that could be there");
        }
        at = segment_next(log, at, until);
    }
    return true;
}

/* The second pass: the extents of a large item. */
static void recover_visit_head(struct recover *recover, uint64_t location) {
    struct store *store = recover->store;
    struct item *item = segment_item(&store->log, location);
    if (item_is_extent(item)) {
        return;
    }
    if (item_is_large(item)) {
        uint64_t hash = index_hash(&store->index, item);
        if (!recover_is_whole(store, item, hash, true)) {
            index_remove(&store->index,
                         index_find_location(&store->index, (uint32_t)hash, location));
            recover_unlink(store, location);
            recover->found->torn++;
            return;
        }
        store_count_item(store, location);
    }
}

/* The third pass: extents of no item. */
static void recover_visit_extent(struct recover *recover, uint64_t location) {
    struct item *item = segment_item(&recover->store->log, location);
    if (!item_is_extent(item)) {
        return;
    }
    if (item->bits & EXTENT_NAMED) {
        item->bits &= (uint8_t)~EXTENT_NAMED;
    } else {
        recover->found->extents++;
        recover_unlink(recover->store, location);
    }
}

static void recover_visit_segments(struct recover *recover, uint32_t what, recover_visit *visit) {
    for (uint32_t i = 0; i < recover->count; i++) {
        uint32_t number = recover->segments[i].number;
        if (recover->store->log.segments[number].pins & what) {
            recover_walk(recover, number, visit);
        }
    }
}

static bool recover_segment_is_valid(const struct segment_log *log, const struct segment *segment) {
    return segment->used_bytes <= log->segment_bytes && segment->used_bytes % ITEM_ALIGN == 0 &&
           segment->sequence < SEGMENT_SEQUENCE_END;
}

static int recover_by_sequence(const void *a, const void *b) {
    const struct recover_segment *x = a;
    const struct recover_segment *y = b;
    return x->sequence < y->sequence   ? -1
           : x->sequence > y->sequence ? 1
                                       : (x->number > y->number) - (x->number < y->number);
}

/* Finds the segments in use. */
static int recover_segments(struct recover *recover) {
    struct segment_log *log = &recover->store->log;
    recover->segments = calloc(log->touched + 1u, sizeof(*recover->segments));
    if (!recover->segments) {
        return -ENOMEM;
    }
    for (uint32_t number = log->block_segments; number <= log->touched; number++) {
        const struct segment *segment = &log->segments[number];
        if (!segment_in_use(segment)) {
            continue;
        }
        if (!recover_segment_is_valid(log, segment)) {
            recover_is_damaged(recover, number, "its header is none that could be there");
            return -EBADMSG;
        }
        recover->segments[recover->count++] = (struct recover_segment){segment->sequence, number};
    }
    qsort(recover->segments, recover->count, sizeof(*recover->segments), recover_by_sequence);
    return 0;
}

/* The first number behind a row of segments that are all in use, or all not. */
static uint32_t recover_row_end(const struct segment_log *log, uint32_t number) {
    bool in_use = segment_in_use(&log->segments[number]);
    while (number <= log->touched && segment_in_use(&log->segments[number]) == in_use) {
        number++;
    }
    return number;
}

/* Pages are there for all segments in use, and for no others. Nothing is lost where a file was
 * copied without its holes, or has holes where it should not. */
static int recover_pages(struct segment_log *log) {
    uint32_t number = log->block_segments;
    while (number <= log->touched) {
        uint32_t end = recover_row_end(log, number);
        if (segment_in_use(&log->segments[number])) {
            int error = segment_reserve_used(log, number, end - number);
            if (error != 0) {
                return error;
            }
        } else {
            segment_release_pages(log, number, end - number);
        }
        number = end;
    }
    return 0;
}

/* The record that the killed process was changing is a dead one of its old length. */
static void recover_rewritten(struct store *store, struct image_header *image) {
    const struct segment_log *log = &store->log;
    uint64_t location = image->state.rewrite;
    uint64_t bytes = image->state.rewrite_bytes;
    uint64_t number = location >> log->unit_shift;
    if (location != 0 && number >= log->block_segments && number <= log->touched &&
        bytes >= ITEM_RECORD_BYTES_MIN && bytes % ITEM_ALIGN == 0) {
        uint64_t until =
            segment_first(log, (uint32_t)number) + log->segments[number].used_bytes / ITEM_ALIGN;
        if (location < until && (until - location) * ITEM_ALIGN >= bytes) {
            *segment_item(log, location) = (struct item){
                .value_length = (uint32_t)bytes - (uint32_t)offsetof(struct item, body)};
        }
    }
    store_order();
    image->state.rewrite = 0;
}

/* Puts the segments in their queues, and reads what is in them. */
static int recover_items(struct recover *recover, const struct image_header *image) {
    struct store *store = recover->store;
    for (uint32_t i = 0; i < recover->count; i++) {
        segment_adopt(&store->log, recover->segments[i].number);
    }
    uint64_t most = store->log.used_bytes / ITEM_RECORD_BYTES_MIN;
    index_presize(&store->index, image->state.items < most ? image->state.items : most);
    for (uint32_t i = 0; i < recover->count; i++) {
        if (!recover_read(recover, recover->segments[i].number)) {
            return -EBADMSG;
        }
    }
    while (recover->added != recover->taken) {
        recover_add_first(recover);
    }
    recover_visit_segments(recover, HAS_HEADS, recover_visit_head);
    recover_visit_segments(recover, HAS_EXTENTS, recover_visit_extent);
    return 0;
}

/* What is dead is free; the newest segment of each end is open again, unless it was flushed. */
static void recover_finish(struct recover *recover) {
    struct store *store = recover->store;
    struct segment_log *log = &store->log;
    for (uint32_t number = log->touched; number >= log->block_segments; number--) {
        if (!segment_in_use(&log->segments[number])) {
            segment_cold_add(log, number);
        }
    }
    for (uint32_t i = recover->count; i > 0; i--) {
        struct segment *segment = &log->segments[recover->segments[i - 1].number];
        segment->pins = 0;
        segment_adopt_end(log, recover->segments[i - 1].number,
                          segment->sequence >= store->flush_sequence);
    }
    recover->found->items = store_items(store);
    recover->found->item_bytes = store->item_bytes[SEGMENT_SMALL] + store->item_bytes[SEGMENT_MAIN];
    size_t used = store_memory_bytes(store) + store_memory_slack(store);
    store->ceiling_bytes = used > store->bound_bytes ? used : store->bound_bytes;
}

int store_recover(struct store *store, struct image_header *image, struct store_recovery *found) {
    struct recover recover = {.store = store, .found = found};
    struct segment_log *log = &store->log;
    log->touched = image->state.touched;
    log->headers_bytes = segment_headers_bytes(log, log->touched);
    image->clean = 0;
    store_order();
    int error = recover_segments(&recover);
    if (error == 0) {
        error = recover_pages(log);
    }
    if (error == 0) {
        recover_rewritten(store, image);
        error = recover_items(&recover, image);
    }
    if (error == 0) {
        recover_finish(&recover);
    }
    free(recover.segments);
    return error;
}
