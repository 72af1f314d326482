/* Arithmetic: incr and decr. */
#include "store/lifetime.h"
#include "store/limits.h"
#include "store/lookup.h"
#include "store/number.h"
#include "store/place.h"
#include "store/reclaim.h"
#include "store/transfer_view.h"

struct digits {
    char text[NUMBER_DIGITS_MAX];
    uint32_t length;
};

static struct digits delta_digits(uint64_t number) {
    struct digits digits;
    digits.length = number_format(number, digits.text);
    return digits;
}

static uint64_t delta_apply(const struct store_delta *delta, uint64_t number) {
    if (!delta->decrement) {
        return number + delta->delta;
    }
    return number > delta->delta ? number - delta->delta : 0;
}

/* Stores the digits in a new item, or in a new version of the one found. */
static enum store_status delta_store_digits(struct store *store, const struct store_draft *draft,
                                            struct store_found *found,
                                            const struct digits *digits) {
    uint64_t location;
    if (store_is_too_large(store, draft->key->length, draft->value_length)) {
        return STORE_TOO_LARGE;
    }
    struct item *item = store_place(store, draft, found, &location);
    if (!item) {
        return STORE_NO_MEMORY;
    }
    memcpy(item_value(item), digits->text, digits->length);
    store_commit(store, draft, found, location);
    store->counters.items_stored++;
    return STORE_OK;
}

static enum store_status delta_create(struct store *store, const struct store_key *key,
                                      const struct store_delta *delta, struct store_found *found,
                                      uint64_t cas) {
    struct digits digits = delta_digits(delta->initial);
    struct store_draft draft = {
        .key = key,
        .cas = cas,
        .value_length = digits.length,
        .expires = delta->expires,
        .bits = (uint8_t)(store_optional_bits(store, 0, delta->expires, cas) |
                          (delta->binary_key ? ITEM_BINARY_KEY : 0)),
    };
    return delta_store_digits(store, &draft, found, &digits);
}

/* A number that has got longer is stored as a new version of the item, fresh and not fetched. */
static enum store_status delta_grow(struct store *store, const struct store_key *key,
                                    const struct store_delta *delta, struct store_found *found,
                                    const struct digits *digits, uint64_t cas) {
    struct item *item = found->item;
    struct store_draft draft = {
        .key = key,
        .cas = cas,
        .value_length = digits->length,
        .client_flags = item_client_flags(item),
        .expires = delta->touch ? delta->touch_expires : item_expires(item),
        .bits = (uint8_t)((item->bits & (ITEM_SHAPE | ITEM_BINARY_KEY)) |
                          store_optional_bits(store, 0, 0, cas)),
    };
    return delta_store_digits(store, &draft, found, digits);
}

/* A number that is no longer than the old value is padded with spaces to its length; apart from
 * that only the CAS changes, and with touch the expiry time. */
static enum store_status delta_change(struct store *store, const struct store_key *key,
                                      const struct store_delta *delta, struct store_found *found,
                                      uint64_t number, uint64_t cas) {
    struct digits digits = delta_digits(number);
    if (digits.length > found->item->value_length) {
        return delta_grow(store, key, delta, found, &digits, cas);
    }
    if (!store_add_fields(store, key, found, store_optional_bits(store, 0, 0, cas))) {
        return STORE_NO_MEMORY;
    }
    struct item *item = found->item;
    uint8_t bits = item->bits;
    store_change_begin(item);
    memcpy(item_value(item), digits.text, digits.length);
    memset(item_value(item) + digits.length, ' ', item->value_length - digits.length);
    item_set_cas(item, cas);
    if (delta->touch) {
        store_write_expires(store, item, delta->touch_expires);
    }
    store_change_end(item, bits);
    return STORE_OK;
}

/* The field for a new expiry time is added before the number changes, so that a lack of memory
 * leaves the item as it was. */
static enum store_status delta_change_found(struct store *store, const struct store_key *key,
                                            const struct store_delta *delta,
                                            struct store_found *found, uint64_t *number) {
    uint64_t old;
    struct item *item = found->item;
    if (item->value_length == 0) {
        return STORE_NON_NUMERIC;
    }
    if (delta->compare_cas && item_cas(item) != delta->cas) {
        return STORE_EXISTS;
    }
    if (item_is_large(item) || !number_parse(item_value(item), item->value_length, &old)) {
        return STORE_NON_NUMERIC;
    }
    if (delta->touch && delta->touch_expires != 0 &&
        !store_add_fields(store, key, found, ITEM_EXPIRES)) {
        return STORE_NO_MEMORY;
    }
    index_hit(found->ref);
    *number = delta_apply(delta, old);
    return delta_change(store, key, delta, found, *number,
                        store_next_cas(store, delta->set_cas, delta->new_cas));
}

enum store_status store_delta(struct store *store, const struct store_key *key,
                              const struct store_delta *delta, uint32_t now, uint64_t *number,
                              struct store_item *shown) {
    struct store_found found;
    enum store_status status;
    store_begin_operation(store, now);
    if (store->transfer) {
        transfer_take_key(store, key, now);
    }
    store_reclaim(store, 0);
    store_find(store, key, &found);
    bool created = !found.item;
    if (created && !delta->create) {
        return STORE_NOT_FOUND;
    }
    if (created) {
        *number = delta->initial;
        status = delta_create(store, key, delta, &found,
                              store_next_cas(store, delta->set_cas, delta->new_cas));
    } else {
        store_show_state(found.item, shown);
        status = delta_change_found(store, key, delta, &found, number);
    }
    if (status != STORE_OK) {
        return status;
    }
    if (created) {
        store_show_state(found.item, shown);
        shown->expires_before = 0;
    }
    shown->created = created;
    store_show(store, found.item, shown);
    return STORE_OK;
}
