/* incr and decr. */
#include "store/internal.h"
#include "store/number.h"

struct digits {
    char text[NUMBER_DIGITS_MAX];
    uint32_t length;
};

static struct digits digits_of(uint64_t number) {
    struct digits digits;
    digits.length = number_format(number, digits.text);
    return digits;
}

static uint64_t apply(const struct store_delta *delta, uint64_t number) {
    if (!delta->decrement)
        return number + delta->delta;
    return number > delta->delta ? number - delta->delta : 0;
}

/* Stores the digits in a new item, which becomes the one found. */
static enum store_status store_digits(struct store *store, const struct store_draft *draft,
                                      struct store_found *found, const struct digits *digits) {
    uint64_t location;
    if (store_is_too_large(store, draft->key->length, draft->value_length))
        return STORE_TOO_LARGE;
    struct item *item = store_allocate(store, draft, found, &location);
    if (item == NULL)
        return STORE_NO_MEMORY;
    memcpy(item_value(item), digits->text, digits->length);
    store_link(store, draft->key, found, item, location);
    found->item = item;
    return STORE_OK;
}

static enum store_status create(struct store *store, const struct store_key *key,
                                const struct store_delta *delta, struct store_found *found) {
    struct digits digits = digits_of(delta->initial);
    struct store_draft draft = {
        .key = key,
        .value_length = digits.length,
        .expires = delta->expires,
        .bits = store_shape(0, delta->expires),
    };
    return store_digits(store, &draft, found, &digits);
}

/* A result that is no longer than the old value is padded with spaces to its length. */
static enum store_status change(struct store *store, const struct store_key *key,
                                struct store_found *found, uint64_t number) {
    struct digits digits = digits_of(number);
    struct item *item = found->item;
    struct store_draft draft = {
        .key = key,
        .value_length = digits.length,
        .client_flags = item_client_flags(item),
        .expires = item_expires(item),
        .bits = item->bits & ITEM_SHAPE,
    };
    if (digits.length > item->value_length) {
        if (!store_fits_in_place(store, found, &draft))
            return store_digits(store, &draft, found, &digits);
        item->value_length = digits.length;
    }
    memcpy(item_value(item), digits.text, digits.length);
    memset(item_value(item) + digits.length, ' ', item->value_length - digits.length);
    return STORE_OK;
}

enum store_status store_delta(struct store *store, const struct store_key *key,
                              const struct store_delta *delta, uint32_t now, uint64_t *number,
                              uint64_t *cas) {
    struct store_found found;
    enum store_status status;
    store_begin(store, now);
    if (!store_room_for_index(store))
        return STORE_NO_MEMORY;
    store_find(store, key, &found);
    if (found.item == NULL) {
        if (!delta->create)
            return STORE_NOT_FOUND;
        *number = delta->initial;
        status = create(store, key, delta, &found);
    } else {
        if (delta->compare_cas && item_cas(found.item) != delta->cas)
            return STORE_EXISTS;
        uint64_t old;
        if (!number_parse(item_value(found.item), found.item->value_length, &old))
            return STORE_NON_NUMERIC;
        *number = apply(delta, old);
        status = change(store, key, &found, *number);
    }
    if (status != STORE_OK)
        return status;
    *cas = store_cas_next(store);
    item_set_cas(found.item, *cas);
    store->items_stored++;
    return STORE_OK;
}
