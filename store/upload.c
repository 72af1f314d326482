/* Uploads: large values that come in parts, before there is an item.
 *
 * A record in the log, like an extent, holds the list of what has come; its location is the handle:
 *
 *   | header | value length 4 | received 4 | joins 4 |
 *                              count 4 | bytes 4 | leases 4 | location 8, end 4 | ...
 *
 * It and the extents are pinned until the upload is ended or cancelled. Only at its end is the head
 * made, with a copy of the list, so that an item is as new as its end, whatever was flushed before.
 */
#include "store/upload.h"

#include "store/large.h"
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/memory.h"
#include "store/reclaim.h"

/* An extent is not split for less than this part of the longest. */
#define EXTENT_LEAST_PART 16

/* The list lies behind it. */
struct upload {
    uint32_t value_length;
    uint32_t received;
    uint32_t joins; /* it may end as append or prepend */
};

static struct upload *upload_at(const struct store *store, uint64_t location) {
    struct item *item = segment_item(&store->log, location);
    assert(item_is_extent(item) && item->bits == ITEM_LINKED);
    return (void *)item->body;
}

static struct item_list *upload_list(const struct store *store, uint64_t location) {
    return (void *)(upload_at(store, location) + 1);
}

/* What its records keep of the hash of the key. */
static uint64_t upload_hash(const struct store *store, uint64_t location) {
    return item_head_hash(segment_item(&store->log, location));
}

/* A pinned record; 0 when there is no room. */
static uint64_t upload_record_create(struct store *store, uint64_t hash, uint32_t length) {
    uint32_t bytes = item_extent_bytes(length);
    if (!store_space_at(store, SEGMENT_EXTENTS, bytes)) {
        store->counters.out_of_memory++;
        return 0;
    }
    store->written_bytes += bytes;
    uint64_t location = segment_append(&store->log, SEGMENT_EXTENTS, bytes);
    struct item *item = segment_item(&store->log, location);
    *item = (struct item){.value_length = length, .access = store->now, .bits = ITEM_LINKED};
    item_set_cas(item, hash);
    segment_pin(&store->log, segment_of(&store->log, location));
    store->upload_bytes += bytes;
    return location;
}

/* It is no longer the upload's. */
static void upload_record_detach(struct store *store, uint64_t location) {
    store->upload_bytes -= item_bytes(segment_item(&store->log, location));
    segment_unpin(&store->log, segment_of(&store->log, location));
}

static void upload_record_drop(struct store *store, uint64_t location) {
    store_release_record(store, location);
    upload_record_detach(store, location);
}

static uint32_t extent_length(const struct item_list *list, uint32_t i) {
    return list->extents[i].end - (i == 0 ? 0 : list->extents[i - 1].end);
}

static uint32_t list_length(const struct item_list *list) {
    return list->count == 0 ? 0 : list->extents[list->count - 1].end;
}

uint64_t store_upload_open(struct store *store, const struct store_key *key, uint32_t value_length,
                           bool joins) {
    uint32_t length =
        (uint32_t)sizeof(struct upload) + item_list_bytes(store_extents_max(store, value_length));
    store_reclaim(store, item_extent_bytes(length));
    uint64_t location = upload_record_create(store, key->hash, length);
    if (location == 0) {
        return 0;
    }
    *upload_at(store, location) = (struct upload){.value_length = value_length, .joins = joins};
    *upload_list(store, location) = (struct item_list){0};
    store->uploads++;
    store->upload_reserved_bytes += value_length;
    return location;
}

/* One upload may always begin: values of whatever size get on, if only in turn. */
static bool upload_may_begin(const struct store *store, uint32_t value_length) {
    return store->uploads == 0 || (store->upload_reserved_bytes + value_length <=
                                       store->bound_bytes / STORE_UPLOADS_PART &&
                                   !store_pins_exhausted(store));
}

enum store_status store_upload_begin(struct store *store, const struct store_key *key,
                                     uint32_t value_length, bool joins, uint32_t now,
                                     uint64_t *upload) {
    store_begin_operation(store, now);
    assert(value_length > 0);
    if (store_is_too_large(store, key->length, value_length)) {
        return STORE_TOO_LARGE;
    }
    if (!upload_may_begin(store, value_length)) {
        return STORE_BUSY;
    }
    *upload = store_upload_open(store, key, value_length, joins);
    return *upload != 0 ? STORE_OK : STORE_NO_MEMORY;
}

/* Of a value that an extent could hold: all of it, or what fills the segment up. Not of one that
 * joins others: two such extents are a pair that is shorter than the longest, of which there may be
 * one in an item. */
static uint32_t upload_short_length(const struct store *store, const struct upload *upload) {
    uint32_t length = upload->value_length;
    uint32_t least = store_extent_length_max(store) / EXTENT_LEAST_PART;
    uint32_t room = segment_space(&store->log, SEGMENT_EXTENTS);
    bool fits = room >= item_extent_bytes(length);
    if (upload->joins || fits || length < 2 * least || room < item_extent_bytes(least)) {
        return length;
    }
    uint32_t filling = room - item_extent_bytes(0);
    return filling < length - least ? filling : length - least;
}

/* What is missing, as far as an extent holds it. One that fills a segment up may be shorter, so
 * long as it is together with either neighbour as long as one may be. Where the longest would fit,
 * but not what is left after it, that comes first, and part of the longest fills up. */
static uint32_t upload_next_length(const struct store *store, uint64_t location) {
    const struct item_list *list = upload_list(store, location);
    const struct upload *upload = upload_at(store, location);
    uint32_t missing = upload->value_length - list_length(list);
    uint32_t max = store_extent_length_max(store);
    uint32_t least = list->count == 0 ? 0 : max - extent_length(list, list->count - 1);
    uint32_t room = segment_space(&store->log, SEGMENT_EXTENTS);
    uint32_t length = max;
    if (missing < max) {
        return list->count == 0 ? upload_short_length(store, upload) : missing;
    }
    if (room < item_extent_bytes(max)) {
        length = room < item_extent_bytes(0) ? 0 : room - item_extent_bytes(0);
    } else if (list->count == 0 && missing < 2 * max &&
               room < item_extent_bytes(max) + item_extent_bytes(missing - max)) {
        length = missing - max;
    }
    return length >= least && length >= max / EXTENT_LEAST_PART ? length : max;
}

/* The next extent of the value, empty. */
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
    list->extents[list->count++] = (struct item_extent){extent, upload->received + length};
    list->bytes += item_extent_bytes(length);
    return true;
}

enum store_status store_upload_add(struct store *store, uint64_t location, const char *bytes,
                                   uint32_t length, uint32_t now) {
    struct upload *upload = upload_at(store, location);
    const struct item_list *list = upload_list(store, location);
    store_begin_operation(store, now);
    assert(length <= upload->value_length - upload->received);
    while (length != 0) {
        if (upload->received == list_length(list) && !upload_add_extent(store, location)) {
            return STORE_NO_MEMORY;
        }
        uint32_t last = list->count - 1;
        uint32_t room = list_length(list) - upload->received;
        uint32_t part = length < room ? length : room;
        struct item *extent = segment_item(&store->log, list->extents[last].location);
        memcpy(extent->body + extent_length(list, last) - room, bytes, part);
        upload->received += part;
        bytes += part;
        length -= part;
    }
    return STORE_OK;
}

uint32_t store_upload_window(struct store *store, uint64_t location, uint32_t now, char **where) {
    struct upload *upload = upload_at(store, location);
    const struct item_list *list = upload_list(store, location);
    store_begin_operation(store, now);
    assert(upload->received == list_length(list) && upload->received < upload->value_length);
    if (!upload_add_extent(store, location)) {
        return 0;
    }
    uint32_t last = list->count - 1;
    *where = segment_item(&store->log, list->extents[last].location)->body;
    upload->received = list_length(list);
    return extent_length(list, last);
}

/* Its record goes, and the upload with it. */
static void upload_close(struct store *store, uint64_t location) {
    store->uploads--;
    store->upload_reserved_bytes -= upload_at(store, location)->value_length;
    upload_record_drop(store, location);
}

void store_upload_cancel(struct store *store, uint64_t location) {
    const struct item_list *list = upload_list(store, location);
    for (uint32_t i = 0; i < list->count; i++) {
        upload_record_drop(store, list->extents[i].location);
    }
    upload_close(store, location);
}

void store_upload_check(const struct store *store, uint64_t location, const struct store_key *key,
                        const struct store_write *write) {
    const struct upload *upload = upload_at(store, location);
    assert(upload->received == upload->value_length);
    assert(write->value_length == upload->value_length);
    assert(upload->joins || (write->mode != STORE_APPEND && write->mode != STORE_PREPEND));
    assert(upload_hash(store, location) == (key->hash & ITEM_HEAD_HASH_MASK));
}

/* Where the value that is there already and the one that has come meet. */
struct seam {
    bool append;
    const char *bytes; /* the neighbour: the inline value, or an extent of the old value */
    uint32_t length;
    uint32_t at;       /* the upload's neighbour in its list */
    bool merges;       /* the two become one extent, so that joins leave no row of small ones */
    uint64_t consumed; /* the old extent that is merged, or 0 */
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
        seam.length = extent_length(olds, i);
    }
    seam.merges = seam.length + extent_length(list, seam.at) <= store_extent_length_max(store);
    seam.consumed = seam.merges ? extent : 0;
    return seam;
}

/* The old neighbour comes into the upload's list, at its end or merged with the extent there. */
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

/* false when no room can be made; then nothing has changed. */
static bool upload_take_neighbour(struct store *store, uint64_t location, const struct seam *seam) {
    struct item_list *list = upload_list(store, location);
    uint64_t own = list->extents[seam->at].location;
    uint32_t own_length = seam->merges ? extent_length(list, seam->at) : 0;
    uint32_t length = seam->length + own_length;
    uint64_t made = upload_record_create(store, upload_hash(store, location), length);
    if (made == 0) {
        return false;
    }
    char *to = segment_item(&store->log, made)->body;
    memcpy(to + (seam->append ? 0 : own_length), seam->bytes, seam->length);
    memcpy(to + (seam->append ? seam->length : 0), segment_item(&store->log, own)->body,
           own_length);
    list_take(list, seam, made);
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

/* The old list, without what was merged, and the new one, in the order of the join. */
static void list_join(struct item_list *to, const struct item_list *olds,
                      const struct item_list *news, const struct seam *seam) {
    bool merged = seam->consumed != 0;
    to->bytes = olds->bytes + news->bytes;
    if (merged) {
        to->bytes -= item_extent_bytes(seam->length);
    }
    if (seam->append) {
        list_add(to, olds, 0, olds->count - merged, 0);
        list_add(to, news, 0, news->count, list_length(to));
    } else {
        list_add(to, news, 0, news->count, 0);
        list_add(to, olds, merged, olds->count, list_length(to) - (merged ? seam->length : 0));
    }
}

/* Pins and record of an upload go; its extents are the item's. */
static void upload_hand_over(struct store *store, uint64_t location) {
    const struct item_list *list = upload_list(store, location);
    for (uint32_t i = 0; i < list->count; i++) {
        upload_record_detach(store, list->extents[i].location);
    }
    upload_close(store, location);
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
        return false;
    }
    *item_list(item) = none;
    list_join(item_list(item), olds, list, &seam);
    assert(list_length(item_list(item)) == draft->value_length);
    store_commit(store, draft, found, head);
    if (seam.consumed != 0) {
        store_release_record(store, seam.consumed);
    }
    upload_hand_over(store, location);
    return true;
}
