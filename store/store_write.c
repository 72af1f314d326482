/* Storing: set, add, replace, append, prepend, and touch. */
#include "store/internal.h"

static bool is_join(const struct store_write *write) {
    return write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
}

static enum store_status condition(const struct store_write *write,
                                   const struct store_found *found) {
    if (found->item == NULL) {
        if (write->compare_cas && !is_join(write))
            return STORE_NOT_FOUND;
        return write->mode == STORE_SET || write->mode == STORE_ADD ? STORE_OK : STORE_NOT_STORED;
    }
    if (write->mode == STORE_ADD)
        return STORE_NOT_STORED;
    if (write->compare_cas && item_cas(found->item) != write->cas)
        return STORE_EXISTS;
    return STORE_OK;
}

/* A set that can't be stored takes the old value with it, but one with a CAS may have been
 * overtaken: it leaves what is there. */
static enum store_status refuse(struct store *store, const struct store_key *key,
                                const struct store_write *write, enum store_status status) {
    struct store_found found;
    if (write->mode != STORE_SET || write->compare_cas)
        return status;
    store_find(store, key, &found);
    if (found.item != NULL)
        store_unlink(store, &found);
    return status;
}

/* A joined item keeps the client flags, the expiry time and the shape that it has. */
static struct store_draft draft_for(const struct store_key *key, const struct store_write *write,
                                    const struct store_found *found) {
    if (!is_join(write))
        return (struct store_draft){
            .key = key,
            .value_length = write->value_length,
            .client_flags = write->client_flags,
            .expires = write->expires,
            .bits = store_shape(write->client_flags, write->expires),
        };
    return (struct store_draft){
        .key = key,
        .value_length = found->item->value_length + write->value_length,
        .client_flags = item_client_flags(found->item),
        .expires = item_expires(found->item),
        .bits = found->item->bits & ITEM_SHAPE,
    };
}

/* Composes the value; `to` and the old value may be the same place. */
static void write_value(char *to, const struct store_write *write, const char *old,
                        uint32_t old_length) {
    switch (write->mode) {
    case STORE_SET:
    case STORE_ADD:
    case STORE_REPLACE:
        break;
    case STORE_APPEND:
        if (to != old)
            memcpy(to, old, old_length);
        to += old_length;
        break;
    case STORE_PREPEND:
        memmove(to + write->value_length, old, old_length);
        break;
    }
    if (write->value_length != 0)
        memcpy(to, write->value, write->value_length);
}

static void overwrite(struct store *store, struct item *item, const struct store_draft *draft,
                      const struct store_write *write) {
    uint32_t old_length = item->value_length;
    write_value(item_value(item), write, item_value(item), old_length);
    item->value_length = draft->value_length;
    item->access = store->now;
    item->bits &= (uint8_t)~ITEM_FETCHED;
    item_set_expires(item, draft->expires);
    item_set_client_flags(item, draft->client_flags);
}

/* The item with its new value, or NULL when there is no room. */
static struct item *place(struct store *store, const struct store_key *key,
                          const struct store_write *write, struct store_found *found) {
    struct store_draft draft = draft_for(key, write, found);
    if (store_fits_in_place(store, found, &draft)) {
        overwrite(store, found->item, &draft, write);
        return found->item;
    }
    uint64_t location;
    struct item *item = store_allocate(store, &draft, found, &location);
    if (item == NULL)
        return NULL;
    bool join = is_join(write);
    write_value(item_value(item), write, join ? item_value(found->item) : NULL,
                join ? found->item->value_length : 0);
    store_link(store, key, found, item, location);
    return item;
}

enum store_status store_write(struct store *store, const struct store_key *key,
                              const struct store_write *write, uint32_t now, uint64_t *cas) {
    struct store_found found;
    store_begin(store, now);
    if (store_is_too_large(store, key->length, write->value_length))
        return refuse(store, key, write, STORE_TOO_LARGE);
    if (!store_room_for_index(store))
        return refuse(store, key, write, STORE_NO_MEMORY);
    store_find(store, key, &found);
    enum store_status status = condition(write, &found);
    if (status != STORE_OK)
        return status;
    if (is_join(write) &&
        store_is_too_large(store, key->length,
                           (uint64_t)found.item->value_length + write->value_length))
        return STORE_TOO_LARGE;
    struct item *item = place(store, key, write, &found);
    if (item == NULL)
        return refuse(store, key, write, STORE_NO_MEMORY);
    *cas = store_cas_next(store);
    item_set_cas(item, *cas);
    store->items_stored++;
    return STORE_OK;
}

/* An item without the field for it is copied to a place that has one. */
static struct item *add_expires(struct store *store, const struct store_key *key,
                                struct store_found *found, uint32_t expires) {
    struct item *old = found->item;
    struct store_draft draft = {
        .key = key,
        .value_length = old->value_length,
        .client_flags = item_client_flags(old),
        .expires = expires,
        .bits = (old->bits & (uint8_t)~ITEM_LINKED) | ITEM_EXPIRES,
    };
    uint64_t location;
    struct item *item = store_allocate(store, &draft, found, &location);
    if (item == NULL)
        return NULL;
    memcpy(item_value(item), item_value(old), old->value_length);
    item_set_cas(item, item_cas(old));
    store_link(store, key, found, item, location);
    return item;
}

enum store_status store_touch(struct store *store, const struct store_key *key, uint32_t expires,
                              uint32_t now, struct store_item *shown) {
    struct store_found found;
    store_begin(store, now);
    store_find(store, key, &found);
    struct item *item = found.item;
    if (item == NULL)
        return STORE_NOT_FOUND;
    if (item->bits & ITEM_EXPIRES)
        item_set_expires(item, expires);
    else if (expires != 0)
        item = add_expires(store, key, &found, expires);
    if (item == NULL)
        return STORE_NO_MEMORY;
    store_mark_fetched(store, item);
    store_show(item, shown);
    return STORE_OK;
}
