/* Storing: set, add, replace, append, prepend, and touch. */
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/lookup.h"
#include "store/place.h"
#include "store/reclaim.h"
#include "store/stage.h"
#include "store/take_over.h"
#include "store/transfer_view.h"
#include "store/upload.h"

static bool write_is_join(const struct store_write *write) {
    return write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
}

/* Whether this value is older than the stored one, but is to be stored as a stale one
 * (stale_if_older). */
static bool write_is_stale(const struct store_write *write, struct item *item) {
    return write->stale_if_older && write->compare_cas && !write_is_join(write) &&
           write->cas != 0 && write->cas < item_cas(item);
}

static enum store_status write_condition_missing(const struct store_write *write) {
    switch (write->mode) {
    case STORE_SET:
        return write->compare_cas ? STORE_NOT_FOUND : STORE_OK;
    case STORE_ADD:
        return STORE_OK;
    case STORE_REPLACE:
        return write->compare_cas ? STORE_NOT_FOUND : STORE_NOT_STORED;
    case STORE_APPEND:
    case STORE_PREPEND:
        break;
    }
    return write->create ? STORE_OK : STORE_NOT_STORED;
}

static enum store_status write_condition(const struct store *store, const struct store_key *key,
                                         const struct store_write *write, struct item *item) {
    if (!item) {
        return write_condition_missing(write);
    }
    if (write->mode == STORE_ADD) {
        return STORE_NOT_STORED;
    }
    if (write->compare_cas && item_cas(item) != write->cas && !write_is_stale(write, item)) {
        return STORE_EXISTS;
    }
    uint64_t length = (uint64_t)item_value_length(item) + write->value_length;
    if (write_is_join(write) && store_is_too_large(store, key->length, length)) {
        return STORE_NOT_STORED;
    }
    return STORE_OK;
}

/* A set that can't be stored removes the old value, which is out of date. A set with a CAS leaves
 * it: a newer value may have been stored meanwhile. */
static enum store_status write_refuse(struct store *store, const struct store_key *key,
                                      const struct store_write *write, enum store_status status) {
    struct store_found found;
    if (write->mode != STORE_SET || write->compare_cas) {
        return status;
    }
    store_find(store, key, &found);
    if (found.item) {
        store_unlink(store, &found);
    }
    return status;
}

/* An item that is appended or prepended to keeps its client flags, expiry time and optional fields,
 * but becomes fresh. */
static struct store_draft write_draft_join(const struct store *store, const struct store_key *key,
                                           const struct store_write *write, struct item *item,
                                           uint64_t cas) {
    return (struct store_draft){
        .key = key,
        .cas = cas,
        .value_length = item_value_length(item) + write->value_length,
        .client_flags = item_client_flags(item),
        .expires = item_expires(item),
        .bits = (uint8_t)((item->bits & (ITEM_SHAPE | ITEM_BINARY_KEY)) |
                          store_optional_bits(store, 0, 0, cas)),
    };
}

static struct store_draft write_draft(const struct store *store, const struct store_key *key,
                                      const struct store_write *write, struct item *item,
                                      uint64_t cas) {
    bool stale = item && write_is_stale(write, item);
    uint32_t expires = write_is_join(write) ? write->create_expires : write->expires;
    if (stale) {
        expires = item_expires(item);
    }
    uint8_t bits = store_optional_bits(store, write->client_flags, expires, cas);
    if (write->binary_key) {
        bits |= ITEM_BINARY_KEY;
    }
    if (stale) {
        bits |= (uint8_t)(ITEM_STALE | (item->bits & ITEM_TOKEN_SENT));
    }
    return (struct store_draft){
        .key = key,
        .cas = cas,
        .value_length = write->value_length,
        .client_flags = write->client_flags,
        .expires = expires,
        .bits = bits,
    };
}

/* Writes the value to its place, where the old value may already be. */
static void write_compose(char *to, const struct store_write *write, const char *old,
                          uint32_t old_length) {
    switch (write->mode) {
    case STORE_SET:
    case STORE_ADD:
    case STORE_REPLACE:
        break;
    case STORE_APPEND:
        if (to != old && old_length != 0) {
            memcpy(to, old, old_length);
        }
        to += old_length;
        break;
    case STORE_PREPEND:
        if (old_length != 0) {
            memmove(to + write->value_length, old, old_length);
        }
        break;
    }
    if (write->value_length != 0) {
        memcpy(to, write->value, write->value_length);
    }
}

/* In the place of an upload: there is no memory for the value, long or short, beside the old one.
 */
#define WRITE_OVER UINT64_MAX

/* A large value that is replaced gives its memory to the new one, whatever the length of that. A
 * longer CAS might not fit there. Returns false when it can't be had, and nothing has changed. */
__attribute__((noinline, cold)) static bool write_over(struct store *store,
                                                       const struct store_write *write,
                                                       struct store_draft *draft,
                                                       struct store_found *found) {
    uint64_t upload;
    bool new_fields = found->item && (draft->bits & ITEM_SHAPE & ~found->item->bits);
    if (write->value_length == 0 || write_is_join(write) || new_fields ||
        store_upload_take_over(store, draft->key, write->value_length, &upload) != STORE_OK) {
        return false;
    }
    enum store_status status =
        store_upload_add(store, upload, write->value, write->value_length, store->now);
    assert(status == STORE_OK);
    found->item = NULL;
    bool placed = store_upload_place(store, upload, draft, found, NULL);
    assert(placed);
    return true;
}

/* Stores the item; returns false when there is no memory. */
static bool write_place(struct store *store, const struct store_key *key,
                        const struct store_write *write, uint64_t upload, struct store_found *found,
                        uint64_t cas) {
    struct item *old = found->item;
    bool join = old && write_is_join(write);
    struct store_draft draft = join ? write_draft_join(store, key, write, old, cas)
                                    : write_draft(store, key, write, old, cas);
    if (upload == WRITE_OVER) {
        return write_over(store, write, &draft, found);
    }
    if (upload != 0) {
        return store_upload_place(store, upload, &draft, found, join ? &write->mode : NULL);
    }
    uint64_t location;
    struct item *item = store_place(store, &draft, found, &location);
    if (!item) {
        return write_over(store, write, &draft, found);
    }
    if (old) {
        index_hit(found->ref);
    }
    write_compose(item_value(item), write, join ? item_value(old) : NULL,
                  join ? old->value_length : 0);
    store_commit(store, &draft, found, location);
    return true;
}

/* Whether a value that is short by itself becomes part of a large one. */
static bool write_joins_large(const struct store *store, const struct store_key *key,
                              const struct store_write *write, const struct item *item) {
    return item && write_is_join(write) &&
           (item_is_large(item) ||
            item_value_length(item) + write->value_length > store_inline_max(store, key->length));
}

/* Stores the value, whose conditions hold. */
static enum store_status write_store(struct store *store, const struct store_key *key,
                                     const struct store_write *write, uint64_t upload,
                                     struct store_found *found, uint64_t *cas) {
    uint64_t new_cas = store_next_cas(store, write->set_cas, write->new_cas);
    if (!write_place(store, key, write, upload, found, new_cas)) {
        return write_refuse(store, key, write, STORE_NO_MEMORY);
    }
    store->counters.items_stored++;
    *cas = new_cas;
    return STORE_OK;
}

/* Ends a complete upload. A join needs memory for one more extent: of the value that is there. */
static enum store_status write_end_upload(struct store *store, uint64_t upload,
                                          const struct store_key *key,
                                          const struct store_write *write, uint64_t *cas) {
    struct store_found found;
    store_upload_check(store, upload, key, write);
    store_reclaim(store,
                  write_is_join(write) ? item_extent_bytes(store_extent_length_max(store)) : 0);
    store_find(store, key, &found);
    enum store_status status = write_condition(store, key, write, found.item);
    if (status == STORE_OK) {
        status = write_store(store, key, write, upload, &found, cas);
    }
    if (status != STORE_OK) {
        store_upload_cancel(store, upload);
    }
    return status;
}

/* A long value in the caller's memory is stored like one that comes in parts. With STORE_NO_MEMORY
 * the old value is still there. */
static enum store_status write_large(struct store *store, const struct store_key *key,
                                     const struct store_write *write, uint64_t *cas) {
    uint64_t upload = store_upload_open(store, key, write->value_length, write_is_join(write));
    if (upload == 0) {
        return STORE_NO_MEMORY;
    }
    enum store_status status =
        store_upload_add(store, upload, write->value, write->value_length, store->now);
    if (status == STORE_OK) {
        return write_end_upload(store, upload, key, write, cas);
    }
    store_upload_cancel(store, upload);
    return status;
}

/* The item may be in an old store: it comes here, unless it is replaced whatever it is. */
static void write_take_key(struct store *store, const struct store_key *key,
                           const struct store_write *write) {
    if (write->mode == STORE_SET && !write->compare_cas) {
        transfer_drop_key(store, key, store->now);
    } else {
        transfer_take_key(store, key, store->now);
    }
}

enum store_status store_write(struct store *store, const struct store_key *key,
                              const struct store_write *write, uint32_t now, uint64_t *cas) {
    struct store_found found;
    enum store_status status;
    uint64_t upload = 0;
    store_begin_operation(store, now);
    if (store->transfer) {
        write_take_key(store, key, write);
    }
    if (store_is_too_large(store, key->length, write->value_length)) {
        return write_refuse(store, key, write, STORE_TOO_LARGE);
    }
    if (write->value_length > store_inline_max(store, key->length)) {
        status = write_large(store, key, write, cas);
        if (status != STORE_NO_MEMORY) {
            return status;
        }
        upload = WRITE_OVER;
    }
    store_reclaim(store, 0);
    store_find(store, key, &found);
    status = write_condition(store, key, write, found.item);
    if (status != STORE_OK) {
        return status;
    }
    if (write_joins_large(store, key, write, found.item)) {
        return write_large(store, key, write, cas);
    }
    return write_store(store, key, write, upload, &found, cas);
}

/* The value is complete, and is stored as if it had come with the call. */
static enum store_status write_end_stage(struct store *store, const struct store_key *key,
                                         const struct store_write *write, uint64_t *cas) {
    struct store_write whole = *write;
    whole.value = store->stage.bytes;
    assert(store->stage.received == write->value_length);
    enum store_status status = store_write(store, key, &whole, store->now, cas);
    stage_end(store);
    return status;
}

enum store_status store_upload_end(struct store *store, uint64_t upload,
                                   const struct store_key *key, const struct store_write *write,
                                   uint32_t now, uint64_t *cas) {
    store_begin_operation(store, now);
    if (store->transfer) {
        write_take_key(store, key, write);
    }
    return upload == STAGE_UPLOAD ? write_end_stage(store, key, write, cas)
                                  : write_end_upload(store, upload, key, write, cas);
}

enum store_status store_touch(struct store *store, const struct store_key *key, uint32_t expires,
                              uint32_t now, struct store_item *shown) {
    struct store_found found;
    store_begin_operation(store, now);
    if (store->transfer) {
        transfer_take_key(store, key, now);
    }
    store_reclaim(store, 0);
    store_find(store, key, &found);
    if (!found.item) {
        return STORE_NOT_FOUND;
    }
    if (!store_set_expires(store, key, &found, expires)) {
        return STORE_NO_MEMORY;
    }
    store_hit(store, &found);
    store_show(store, found.item, shown);
    return STORE_OK;
}
