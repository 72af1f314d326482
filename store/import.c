#include "store/import.h"

#include "store/lifetime.h"
#include "store/limits.h"
#include "store/lookup.h"
#include "store/place.h"
#include "store/reclaim.h"
#include "store/upload.h"

/* The bytes of the value from `offset` on that lie in one piece; how many. */
static uint32_t import_piece(const struct store_moved *moved, uint32_t offset, const char **bytes) {
    const struct store_item *item = &moved->item;
    if (item->large != 0) {
        return store_lease_read(moved->from, item->large, offset, bytes);
    }
    *bytes = item->value + offset;
    return item->value_length - offset;
}

static void import_copy(const struct store_moved *moved, char *to) {
    for (uint32_t offset = 0; offset < moved->item.value_length;) {
        const char *bytes;
        uint32_t length = import_piece(moved, offset, &bytes);
        memcpy(to + offset, bytes, length);
        offset += length;
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
                          (item->state & ITEM_STATE)),
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

static bool import_fill_upload(struct store *store, uint64_t upload,
                               const struct store_moved *moved) {
    for (uint32_t offset = 0; offset < moved->item.value_length;) {
        const char *bytes;
        uint32_t length = import_piece(moved, offset, &bytes);
        if (store_upload_add(store, upload, bytes, length, store->now) != STORE_OK) {
            return false;
        }
        offset += length;
    }
    return true;
}

/* A value that is large here. It lies in the small queue, so one from the main queue has to pass
 * for one that was hit to get back there. */
static enum store_status import_long(struct store *store, const struct store_key *key,
                                     const struct store_moved *moved) {
    uint64_t upload = store_upload_open(store, key, moved->item.value_length, false);
    if (upload == 0) {
        return STORE_NO_MEMORY;
    }
    bool filled = import_fill_upload(store, upload, moved);
    if (filled) {
        store_reclaim(store, 0);
    }
    struct store_found found = {0};
    struct store_draft draft = import_draft(store, key, &moved->item);
    if (filled && store_upload_place(store, upload, &draft, &found, NULL)) {
        import_finish(store, key, &found, moved->item.access, moved->hit || moved->main);
        return STORE_OK;
    }
    store_upload_cancel(store, upload);
    return STORE_NO_MEMORY;
}

enum store_status store_import(struct store *store, const struct store_key *key,
                               const struct store_moved *moved, uint32_t now) {
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
    struct store_draft draft = import_draft(store, key, item);
    enum segment_end end = moved->main ? SEGMENT_NEW_MAIN : SEGMENT_NEW_SMALL;
    uint64_t location;
    struct item *to = store_allocate_at(store, &draft, &found, end, &location);
    if (!to) {
        return STORE_NO_MEMORY;
    }
    import_copy(moved, item_value(to));
    store_commit(store, &draft, &found, location);
    import_finish(store, key, &found, item->access, moved->hit);
    return STORE_OK;
}
