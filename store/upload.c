/* Uploads: large values that come in parts, before they become an item. upload_record.h has a
 * picture.
 *
 * The head of the item is created at the end, with a copy of the list: so a flush in between does
 * not concern the item.
 *
 * Where nothing may be evicted, an upload that will replace an item gets all of its extents at the
 * beginning. When they can't be had a set takes the old value's: that is gone then, as when
 * memcached refuses the new one, but the new one is stored. Others are received outside of the log
 * (stage.h), and written over the old value when they are complete and their conditions hold.
 */
#include "store/upload.h"

#include "store/large.h"
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/memory.h"
#include "store/reclaim.h"
#include "store/stage.h"
#include "store/take_over.h"
#include "store/upload_record.h"

/* An extent is not made shorter, to fill a segment up, than this part of the longest one. */
#define EXTENT_LEAST_PART 16

/* As many extents as one operation takes: more than a value of 1 MB has. */
#define EXTENTS_AT_ONCE 512

uint64_t store_upload_open(struct store *store, const struct store_key *key, uint32_t value_length,
                           bool joins) {
    uint32_t length = item_optional_bytes(ITEM_SHAPE) + key->length +
                      item_list_bytes(store_extents_max(store, value_length));
    store_reclaim(store, item_extent_bytes(length));
    uint64_t location = upload_record_create(store, key->hash, length);
    if (location == 0) {
        return 0;
    }
    *upload_at(store, location) = (struct upload){.value_length = value_length, .joins = joins};
    *upload_list(store, location) = (struct item_list){0};
    upload_count(store, location);
    return location;
}

/* When there is no other upload, one is always granted: so large values make progress, one after
 * the other. */
static bool upload_may_begin(const struct store *store, uint32_t value_length) {
    return store->uploads == 0 || (store->upload_reserved_bytes + value_length <=
                                       store->bound_bytes / STORE_UPLOADS_PART &&
                                   !store_pins_exhausted(store));
}

/* The length of the first extent of a value that fits in one: the whole value, or, where that does
 * not fit in the open segment, what fills the segment up. A value that may join another is not
 * split so: two such extents would be a pair of neighbours shorter than the longest extent, and an
 * item may have one such pair only. */
static uint32_t upload_short_length(const struct store *store, const struct upload *upload) {
    uint32_t length = upload->value_length;
    uint32_t least = store_extent_length_max(store) / EXTENT_LEAST_PART;
    uint32_t space = segment_space(&store->log, SEGMENT_EXTENTS);
    bool fits = space >= item_extent_bytes(length);
    if (upload->joins || fits || length < 2 * least || space < item_extent_bytes(least)) {
        return length;
    }
    uint32_t filling = space - item_extent_bytes(0);
    return filling < length - least ? filling : length - least;
}

/* The length of the next extent: what is missing of the value, at most the longest extent. To fill
 * the open segment up it may be shorter, if it and its neighbour are together still as long as the
 * longest. Where the longest fits, but the rest after it would not, the rest comes first, so that
 * part of the longest can fill the segment up. */
static uint32_t upload_next_length(const struct store *store, uint64_t location) {
    const struct item_list *list = upload_list(store, location);
    const struct upload *upload = upload_at(store, location);
    uint32_t missing = upload->value_length - upload_list_length(list);
    uint32_t max = store_extent_length_max(store);
    uint32_t least = list->count == 0 ? 0 : max - upload_extent_length(list, list->count - 1);
    uint32_t space = segment_space(&store->log, SEGMENT_EXTENTS);
    uint32_t length = max;
    if (missing < max) {
        return list->count == 0 ? upload_short_length(store, upload) : missing;
    }
    if (space < item_extent_bytes(max)) {
        length = space < item_extent_bytes(0) ? 0 : space - item_extent_bytes(0);
    } else if (list->count == 0 && missing < 2 * max &&
               space < item_extent_bytes(max) + item_extent_bytes(missing - max)) {
        length = missing - max;
    }
    return length >= least && length >= max / EXTENT_LEAST_PART ? length : max;
}

/* Adds the next extent of the value to the list, its bytes not written yet. */
static bool upload_add_extent(struct store *store, uint64_t location) {
    struct upload *upload = upload_at(store, location);
    struct item_list *list = upload_list(store, location);
    store_reclaim(store, item_extent_bytes(store_extent_length_max(store)));
    uint32_t length = upload_next_length(store, location);
    uint64_t extent = upload_record_create(store, upload_hash(store, location), length);
    if (extent == 0) {
        return false;
    }
    assert(list->count + upload->joins < store_extents_max(store, upload->value_length));
    list->extents[list->count] = (struct item_extent){extent, upload_list_length(list) + length};
    list->count++;
    list->bytes += item_extent_bytes(length);
    return true;
}

enum store_status store_upload_add(struct store *store, uint64_t location, const char *bytes,
                                   uint32_t length, uint32_t now) {
    store_begin_operation(store, now);
    if (location == STAGE_UPLOAD) {
        stage_add(store, bytes, length);
        return STORE_OK;
    }
    struct upload *upload = upload_at(store, location);
    const struct item_list *list = upload_list(store, location);
    assert(length <= upload->value_length - upload->received);
    while (length != 0) {
        if (upload->received == upload_list_length(list) && !upload_add_extent(store, location)) {
            return STORE_NO_MEMORY;
        }
        uint32_t i = store_list_find(list, upload->received);
        uint32_t space = list->extents[i].end - upload->received;
        uint32_t part = length < space ? length : space;
        struct item *extent = segment_item(&store->log, list->extents[i].location);
        memcpy(extent->body + upload_extent_length(list, i) - space, bytes, part);
        upload->received += part;
        bytes += part;
        length -= part;
    }
    return STORE_OK;
}

uint32_t store_upload_window(struct store *store, uint64_t location, uint32_t now, char **where) {
    store_begin_operation(store, now);
    if (location == STAGE_UPLOAD) {
        return stage_window(store, where);
    }
    struct upload *upload = upload_at(store, location);
    const struct item_list *list = upload_list(store, location);
    assert(upload->received < upload->value_length);
    if (upload->received == upload_list_length(list) && !upload_add_extent(store, location)) {
        return 0;
    }
    uint32_t i = store_list_find(list, upload->received);
    assert(upload->received == (i == 0 ? 0 : list->extents[i - 1].end));
    *where = segment_item(&store->log, list->extents[i].location)->body;
    upload->received = list->extents[i].end;
    return upload_extent_length(list, i);
}

/* Ends an upload: drops its record. */
static void upload_close(struct store *store, uint64_t location) {
    upload_uncount(store, location);
    upload_record_drop(store, location);
}

void store_upload_cancel(struct store *store, uint64_t location) {
    if (location == STAGE_UPLOAD) {
        stage_end(store);
        return;
    }
    const struct item_list *list = upload_list(store, location);
    for (uint32_t i = 0; i < list->count; i++) {
        upload_record_drop(store, list->extents[i].location);
    }
    upload_close(store, location);
}

/* Whether there is memory for what all uploads together have not got yet; not exactly: segments
 * are not filled to the last byte. */
static bool upload_has_plenty(const struct store *store) {
    uint64_t reserved = store->upload_reserved_bytes;
    uint64_t missing = reserved > store->upload_bytes ? reserved - store->upload_bytes : 0;
    uint64_t segments = missing / (store->log.segment_bytes / 2) + 2;
    return store_has_free_segments(store, (uint32_t)segments + store_reserved_segments(store));
}

/* Gets all extents of the value. */
static bool upload_add_extents(struct store *store, uint64_t location) {
    const struct upload *upload = upload_at(store, location);
    bool added = true;
    while (added && upload_list_length(upload_list(store, location)) < upload->value_length) {
        added = upload_add_extent(store, location);
    }
    return added;
}

/* Begins an upload that will replace an item, in a store that must not evict. Its memory is taken
 * now, so that it is refused now or not at all; that of a very long value only where there is not
 * plenty, since an operation is to be short. */
static enum store_status upload_begin_replacing(struct store *store, const struct store_key *key,
                                                uint32_t value_length, enum store_upload_end end,
                                                uint64_t *upload) {
    bool later =
        store_extents_max(store, value_length) > EXTENTS_AT_ONCE && upload_has_plenty(store);
    if (*upload != 0 && (later || upload_add_extents(store, *upload))) {
        return STORE_OK;
    }
    if (*upload != 0) {
        store_upload_cancel(store, *upload);
        *upload = 0;
    }
    enum store_status status = STORE_NO_MEMORY;
    if (end == STORE_UPLOAD_SETS) {
        status = store_upload_take_over(store, key, value_length, upload);
    }
    if (status != STORE_NO_MEMORY || !store_may_write_over(store, key, value_length)) {
        return status;
    }
    store->counters.out_of_memory--; /* was counted, but is not refused */
    status = stage_begin(store, value_length);
    *upload = status == STORE_OK ? STAGE_UPLOAD : 0;
    return status;
}

enum store_status store_upload_begin(struct store *store, const struct store_key *key,
                                     uint32_t value_length, enum store_upload_end end, uint32_t now,
                                     uint64_t *upload) {
    store_begin_operation(store, now);
    assert(value_length > 0);
    if (store_is_too_large(store, key->length, value_length)) {
        return STORE_TOO_LARGE;
    }
    if (!upload_may_begin(store, value_length)) {
        return STORE_BUSY;
    }
    *upload = store_upload_open(store, key, value_length, end == STORE_UPLOAD_JOINS);
    if (store->config.no_eviction && end != STORE_UPLOAD_JOINS) {
        return upload_begin_replacing(store, key, value_length, end, upload);
    }
    return *upload != 0 ? STORE_OK : STORE_NO_MEMORY;
}

void store_upload_check(const struct store *store, uint64_t location, const struct store_key *key,
                        const struct store_write *write) {
    const struct upload *upload = upload_at(store, location);
    assert(upload->received == upload->value_length);
    assert(write->value_length == upload->value_length);
    assert(upload->joins || (write->mode != STORE_APPEND && write->mode != STORE_PREPEND));
    assert(upload_hash(store, location) == (key->hash & ITEM_HEAD_HASH_MASK));
}

/* Where the old value and the uploaded one meet in a join. */
struct seam {
    bool append;
    /* The part of the old value that is next to it: all of an inline value, or one extent. */
    const char *bytes;
    uint32_t length;
    uint32_t at; /* index of the upload's extent next to it */
    /* Both fit in one extent and are merged, so that joins don't leave a row of small extents. */
    bool merges;
    uint64_t consumed; /* the old extent, if it is merged, else 0 */
};

static struct seam upload_seam(const struct store *store, const struct item_list *list,
                               struct item *old, bool append) {
    struct seam seam = {.append = append,
                        .bytes = item_value(old),
                        .length = item_value_length(old),
                        .at = append ? 0 : list->count - 1};
    uint64_t extent = 0;
    if (item_is_large(old)) {
        const struct item_list *olds = item_list(old);
        uint32_t i = append ? olds->count - 1 : 0;
        extent = olds->extents[i].location;
        seam.bytes = segment_item(&store->log, extent)->body;
        seam.length = upload_extent_length(olds, i);
    }
    seam.merges =
        seam.length + upload_extent_length(list, seam.at) <= store_extent_length_max(store);
    seam.consumed = seam.merges ? extent : 0;
    return seam;
}

/* Puts the old part into the upload's list, as an extent of its own or in place of the one it was
 * merged with. */
static void list_take(struct item_list *list, const struct seam *seam, uint64_t location) {
    uint32_t at = seam->at;
    if (!seam->merges) {
        at += !seam->append;
        for (uint32_t i = list->count++; i > at; i--) {
            list->extents[i] = list->extents[i - 1];
        }
        list->extents[at].end = at == 0 ? 0 : list->extents[at - 1].end;
    }
    list->extents[at].location = location;
    for (uint32_t i = at; i < list->count; i++) {
        list->extents[i].end += seam->length;
    }
}

/* Copies the old part next to the seam into the upload. Returns false when there is no memory;
 * nothing has changed then. */
static bool upload_take_neighbour(struct store *store, uint64_t location, const struct seam *seam) {
    struct item_list *list = upload_list(store, location);
    uint64_t own = list->extents[seam->at].location;
    uint32_t own_length = seam->merges ? upload_extent_length(list, seam->at) : 0;
    uint32_t length = seam->length + own_length;
    uint64_t copied = upload_record_create(store, upload_hash(store, location), length);
    if (copied == 0) {
        return false;
    }
    char *to = segment_item(&store->log, copied)->body;
    memcpy(to + (seam->append ? 0 : own_length), seam->bytes, seam->length);
    memcpy(to + (seam->append ? seam->length : 0), segment_item(&store->log, own)->body,
           own_length);
    list_take(list, seam, copied);
    list->bytes += item_extent_bytes(length);
    if (seam->merges) {
        list->bytes -= item_extent_bytes(own_length);
        upload_record_drop(store, own);
    }
    return true;
}

static void list_add(struct item_list *to, const struct item_list *from, uint32_t first,
                     uint32_t end, uint32_t shift) {
    for (uint32_t i = first; i < end; i++) {
        to->extents[to->count++] =
            (struct item_extent){from->extents[i].location, from->extents[i].end + shift};
    }
}

/* Joins the old list, without the extent that was merged, and the new one, in the order that the
 * mode says. */
static void list_join(struct item_list *to, const struct item_list *olds,
                      const struct item_list *news, const struct seam *seam) {
    bool merged = seam->consumed != 0;
    to->bytes = olds->bytes + news->bytes;
    if (merged) {
        to->bytes -= item_extent_bytes(seam->length);
    }
    if (seam->append) {
        list_add(to, olds, 0, olds->count - merged, 0);
        list_add(to, news, 0, news->count, upload_list_length(to));
    } else {
        list_add(to, news, 0, news->count, 0);
        list_add(to, olds, merged, olds->count,
                 upload_list_length(to) - (merged ? seam->length : 0));
    }
}

/* The extents belong to an item now, and are unpinned. */
static void upload_detach_extents(struct store *store, uint64_t location) {
    const struct item_list *list = upload_list(store, location);
    for (uint32_t i = 0; i < list->count; i++) {
        upload_record_detach(store, list->extents[i].location);
    }
}

/* Where there is no other memory, the item's head takes the place of the upload's record. Returns
 * false when it does not fit there, or the index has no space for it. After a flush that place is
 * an old one, and there is memory elsewhere: or will be, when the crawler has been there. */
static bool upload_place_back(struct store *store, uint64_t location, struct store_draft *draft,
                              struct store_found *found) {
    struct item *item = segment_item(&store->log, location);
    const struct item_list *list = upload_list(store, location);
    uint32_t bytes = item_bytes(item);
    draft->index_is_full = !store_index_may_grow(store);
    bool flushed = store_sequence_of(store, location) < store->flush_newest &&
                   store_flush_covers(store, store_sequence_of(store, location), draft->key->bytes,
                                      draft->key->length);
    if (store_draft_bytes(draft) > bytes || flushed ||
        !(found->item || !draft->index_is_full ||
          index_has_space(&store->index, draft->key->hash))) {
        return false;
    }
    upload_detach_extents(store, location);
    upload_uncount(store, location);
    upload_record_detach(store, location);
    store_rewrite_begin(store, location, bytes);
    item->key_length = (uint8_t)draft->key->length;
    item->bits = draft->bits;
    /* First of all: of a short key's record the list ends where what is cut off begins. */
    memmove(item_list(item), list, item_list_bytes(draft->extents));
    memcpy(item_key(item), draft->key->bytes, draft->key->length);
    segment_cut(&store->log, location, bytes, store_draft_bytes(draft));
    item->value_length = store_draft_payload(draft);
    store_rewrite_end(store);
    store_commit(store, draft, found, location);
    return true;
}

bool store_upload_place(struct store *store, uint64_t location, struct store_draft *draft,
                        struct store_found *found, const enum store_mode *join) {
    const struct item_list *list = upload_list(store, location);
    struct item_list none = {0};
    const struct item_list *olds =
        join && item_is_large(found->item) ? item_list(found->item) : &none;
    struct seam seam = {.append = true};
    if (join && list->count != 0) {
        seam = upload_seam(store, list, found->item, *join == STORE_APPEND);
    }
    bool takes = seam.length != 0 && (seam.merges || olds == &none);
    if (takes && !upload_take_neighbour(store, location, &seam)) {
        return false;
    }
    draft->inherits = join;
    draft->extents = olds->count - (seam.consumed != 0) + list->count;
    uint64_t head;
    struct item *item = store_allocate(store, draft, found, &head);
    if (!item) {
        bool placed = !join && upload_place_back(store, location, draft, found);
        store->counters.out_of_memory -= placed; /* was counted */
        return placed;
    }
    store_list_inherit(&none, olds);
    *item_list(item) = none;
    list_join(item_list(item), olds, list, &seam);
    assert(upload_list_length(item_list(item)) == draft->value_length);
    store_commit(store, draft, found, head);
    if (seam.consumed != 0) {
        store_release_record(store, seam.consumed);
    }
    upload_detach_extents(store, location);
    upload_close(store, location);
    return true;
}
