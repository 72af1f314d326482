/* Moving items to a store of another configuration. */
#include "store/image.h"
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/lookup.h"
#include "store/place.h"
#include "store/reclaim.h"
#include "store/stage.h"
#include "store/upload.h"

/* The bits of an item that move with it. */
#define EXPORT_BITS (ITEM_BINARY_KEY | ITEM_STALE | ITEM_TOKEN_SENT | ITEM_FETCHED)

/* The segment behind this one, from the oldest of the small queue to the newest of the main queue;
 * 0: none. */
static uint32_t export_next_segment(const struct store *store, uint32_t number) {
    const struct segment_log *log = &store->log;
    uint32_t first = log->queues[SEGMENT_SMALL].oldest;
    bool small = true;
    if (number != 0) {
        first = log->segments[number].newer;
        small = log->segments[number].queue == SEGMENT_SMALL;
    }
    return first == 0 && small ? log->queues[SEGMENT_MAIN].oldest : first;
}

/* Goes on to the next segment that is not being emptied. The one that was read is freed if nothing
 * lives there any more. Returns false behind the last one. */
static bool export_advance(struct store *store) {
    struct segment_log *log = &store->log;
    uint32_t before = store->export_segment;
    uint32_t number = export_next_segment(store, before);
    while (number != 0 && log->segments[number].held) {
        number = export_next_segment(store, number);
    }
    store->export_segment = number;
    if (number != 0) {
        segment_hold(log, number);
        store->export_at = segment_first(log, number);
    }
    if (before != 0) {
        segment_unhold(log, before);
    }
    return number != 0;
}

static void export_show(const struct store *store, const struct store_found *found,
                        struct store_export *shown) {
    shown->key = item_key(found->item);
    shown->key_length = found->item->key_length;
    store_show_all(store, found->item, &shown->item);
    shown->main = store_queue_of(store, found->location) == SEGMENT_MAIN;
    shown->hit = index_frequency(found->ref) != 0;
}

/* The record at hand, if it is an item that is alive. A dead one is dropped. */
static bool export_visit(struct store *store, uint64_t location, struct store_found *found) {
    struct item *item = segment_item(&store->log, location);
    if (!(item->bits & ITEM_LINKED) || item_is_extent(item)) {
        return false;
    }
    uint32_t hash = (uint32_t)index_hash(&store->index, item);
    *found = (struct store_found){.item = item,
                                  .location = location,
                                  .ref = index_find_location(&store->index, hash, location)};
    assert(found->ref.primary);
    return !store_drop_dead(store, found);
}

bool store_export_next(struct store *store, uint32_t now, struct store_export *shown) {
    struct segment_log *log = &store->log;
    store_begin_operation(store, now);
    if (store->export_segment == 0 && !export_advance(store)) {
        return false;
    }
    do {
        uint32_t number = store->export_segment;
        uint64_t until = segment_first(log, number) + log->segments[number].used_bytes / ITEM_ALIGN;
        while (store->export_at < until) {
            struct store_found found;
            uint64_t at = store->export_at;
            store->export_at = segment_next(log, at, until);
            if (export_visit(store, at, &found)) {
                export_show(store, &found, shown);
                return true;
            }
        }
    } while (export_advance(store));
    return false;
}

enum store_status store_export_key(struct store *store, const struct store_key *key, uint32_t now,
                                   struct store_export *shown) {
    struct store_found found;
    store_begin_operation(store, now);
    store_find(store, key, &found);
    if (!found.item) {
        return STORE_NOT_FOUND;
    }
    export_show(store, &found, shown);
    return STORE_OK;
}

/* All shards of one server have the same, so that those of several find room in the new store. */
void store_export_prefixes(const struct store *store, struct store *to, uint32_t now) {
    const struct store_prefixes *prefixes = &store->prefixes;
    for (uint32_t i = 0; i < prefixes->end; i++) {
        const struct prefix_rule *rule = &prefixes->rules[i];
        if (rule->at > now && rule->sequence == 0) {
            store_flush_prefix(to, prefixes->texts[i], rule->length, rule->at, now);
        }
    }
}

static struct store_draft import_draft(const struct store *store, const struct store_key *key,
                                       const struct store_item *item) {
    uint64_t cas = store->config.no_cas ? 0 : item->cas;
    return (struct store_draft){
        .key = key,
        .cas = cas,
        .value_length = item->value_length,
        .client_flags = item->client_flags,
        .expires = item->expires,
        .bits = (uint8_t)(store_optional_bits(store, item->client_flags, item->expires, cas) |
                          (item->state & EXPORT_BITS)),
    };
}

/* What the item's new place does not show by itself. */
static void import_finish(struct store *store, const struct store_key *key,
                          const struct store_found *found, uint32_t access, bool hit) {
    found->item->access = access;
    if (hit) {
        index_hit(index_find_location(&store->index, (uint32_t)key->hash, found->location));
    }
}

/* A large item lies in the small queue, so one from the main queue has to pass for one that was hit
 * to get back there. */
enum store_status store_import_end(struct store *store, uint64_t upload,
                                   const struct store_key *key, const struct store_export *moved,
                                   uint32_t now) {
    struct store_found found;
    store_begin_operation(store, now);
    store_reclaim(store, 0);
    store_find(store, key, &found);
    struct store_draft draft = import_draft(store, key, &moved->item);
    enum store_status status = STORE_NO_MEMORY;
    if (found.item) {
        status = STORE_NOT_STORED;
    } else if (upload != STAGE_UPLOAD && store_upload_place(store, upload, &draft, &found, NULL)) {
        import_finish(store, key, &found, moved->item.access, moved->hit || moved->main);
        return STORE_OK;
    }
    store_upload_cancel(store, upload);
    return status;
}

/* A value in one piece that is large here. */
static enum store_status import_long(struct store *store, const struct store_key *key,
                                     const struct store_export *moved) {
    const struct store_item *item = &moved->item;
    uint64_t upload = store_upload_open(store, key, item->value_length, false);
    if (upload == 0) {
        return STORE_NO_MEMORY;
    }
    enum store_status status =
        store_upload_add(store, upload, item->value, item->value_length, store->now);
    if (status == STORE_OK) {
        return store_import_end(store, upload, key, moved, store->now);
    }
    store_upload_cancel(store, upload);
    return status;
}

enum store_status store_import(struct store *store, const struct store_key *key,
                               const struct store_export *moved, uint32_t now) {
    const struct store_item *item = &moved->item;
    struct store_found found;
    store_begin_operation(store, now);
    if (store_is_too_large(store, key->length, item->value_length)) {
        return STORE_TOO_LARGE;
    }
    store_find(store, key, &found);
    if (found.item) {
        return STORE_NOT_STORED;
    }
    if (item->value_length > store_inline_max(store, key->length)) {
        return import_long(store, key, moved);
    }
    store_reclaim(store, 0);
    found.item = NULL;
    struct store_draft draft = import_draft(store, key, item);
    enum segment_end end = moved->main ? SEGMENT_NEW_MAIN : SEGMENT_NEW_SMALL;
    uint64_t location;
    struct item *to = store_allocate_at(store, &draft, &found, end, &location);
    if (!to) {
        return STORE_NO_MEMORY;
    }
    if (item->value_length != 0) {
        memcpy(item_value(to), item->value, item->value_length);
    }
    store_commit(store, &draft, &found, location);
    import_finish(store, key, &found, item->access, moved->hit);
    return STORE_OK;
}
