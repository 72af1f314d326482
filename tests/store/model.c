#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model *model_create(uint32_t keys) {
    struct model *model = calloc(1, sizeof(*model));
    model->keys = keys;
    return model;
}

void model_destroy(struct model *model) {
    for (uint32_t i = 0; i < model->keys; i++) {
        model_forget(&model->items[i]);
    }
    free(model);
}

void model_forget(struct model_item *item) {
    free(item->value);
    *item = (struct model_item){.deaths = item->deaths + item->present};
}

static void flush_all(struct model *model) {
    for (uint32_t i = 0; i < model->keys; i++) {
        model_forget(&model->items[i]);
    }
    model->flush_at = 0;
}

static void flush_by(struct model *model, const char *prefix, uint32_t length) {
    for (uint32_t i = 0; i < model->keys; i++) {
        char key[250];
        if (model->key(i, key) >= length && memcmp(key, prefix, length) == 0) {
            model_forget(&model->items[i]);
        }
    }
}

static void flush_due(struct model *model, uint32_t now) {
    if (model->flush_at != 0 && now >= model->flush_at) {
        flush_all(model);
    }
    for (uint32_t i = 0; i < MODEL_PREFIXES_MAX; i++) {
        struct model_prefix *prefix = &model->prefixes[i];
        if (prefix->at != 0 && now >= prefix->at) {
            flush_by(model, prefix->bytes, prefix->length);
            prefix->at = 0;
        }
    }
}

void model_begin(struct model *model, uint32_t now) {
    flush_due(model, now);
    if (now == model->now) {
        return;
    }
    model->now = now;
    for (uint32_t i = 0; i < model->keys; i++) {
        model_settle(model, &model->items[i]);
    }
}

void model_flush(struct model *model, uint32_t at) {
    if (at <= model->now) {
        flush_all(model);
    } else {
        model->flush_at = at;
    }
}

/* One that comes replaces one to come with the same prefix. */
void model_flush_prefix(struct model *model, const char *prefix, uint32_t length, uint32_t at) {
    struct model_prefix *place = NULL;
    for (uint32_t i = 0; i < MODEL_PREFIXES_MAX; i++) {
        struct model_prefix *other = &model->prefixes[i];
        if (other->at != 0 && other->length == length &&
            memcmp(other->bytes, prefix, length) == 0) {
            other->at = 0;
        }
        place = other->at == 0 ? other : place;
    }
    if (at <= model->now) {
        flush_by(model, prefix, length);
        return;
    }
    memcpy(place->bytes, prefix, length);
    place->length = length;
    place->at = at;
}

void model_settle(const struct model *model, struct model_item *item) {
    if (item->present && item->expires != 0 && item->expires <= model->now) {
        model_forget(item);
    }
}

/* Starts a new version of the item: fresh, not fetched, without a value. */
static void model_renew(const struct model *model, struct model_item *item, uint64_t cas) {
    free(item->value);
    *item = (struct model_item){
        .present = true,
        .value = malloc(1),
        .cas = cas,
        .access = model->now,
        .binary_key = item->binary_key,
        .deaths = item->deaths,
    };
}

static void set_value(struct model_item *item, const char *bytes, uint32_t length) {
    char *value = malloc((size_t)length + 1);
    if (length != 0) {
        memcpy(value, bytes, length);
    }
    free(item->value);
    item->value = value;
    item->value_length = length;
}

static bool is_join(const struct store_write *write) {
    return write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
}

static bool is_stale(const struct model_item *item, const struct store_write *write) {
    return item->present && write->compare_cas && write->stale_if_older && !is_join(write) &&
           write->cas != 0 && write->cas < item->cas;
}

enum store_status model_expect_write(const struct model_item *item, const struct store_write *write,
                                     uint32_t value_length_max) {
    if (write->value_length > value_length_max) {
        return STORE_TOO_LARGE;
    }
    if (write->mode == STORE_ADD) {
        return item->present ? STORE_NOT_STORED : STORE_OK;
    }
    if (is_join(write) && !item->present) {
        return write->create ? STORE_OK : STORE_NOT_STORED;
    }
    if (write->compare_cas && !item->present) {
        return STORE_NOT_FOUND;
    }
    if (write->mode == STORE_REPLACE && !item->present) {
        return STORE_NOT_STORED;
    }
    if (write->compare_cas && item->cas != write->cas && !is_stale(item, write)) {
        return STORE_EXISTS;
    }
    if (is_join(write) && item->value_length + write->value_length > value_length_max) {
        return STORE_NOT_STORED;
    }
    return STORE_OK;
}

static void model_join(const struct model *model, struct model_item *item,
                       const struct store_write *write, uint64_t cas) {
    uint32_t length = item->value_length + write->value_length;
    char *value = malloc((size_t)length + 1);
    bool append = write->mode == STORE_APPEND;
    if (write->value_length != 0) {
        memcpy(value + (append ? item->value_length : 0), write->value, write->value_length);
    }
    if (item->value_length != 0) {
        memcpy(value + (append ? 0 : write->value_length), item->value, item->value_length);
    }
    uint32_t client_flags = item->client_flags;
    uint32_t expires = item->expires;
    model_renew(model, item, cas);
    set_value(item, value, length);
    item->client_flags = client_flags;
    item->expires = expires;
    free(value);
}

void model_write(const struct model *model, struct model_item *item,
                 const struct store_write *write, bool large, uint64_t cas,
                 enum store_status status) {
    bool dropped = status == STORE_TOO_LARGE || status == STORE_NO_MEMORY;
    if (dropped && write->mode == STORE_SET && !write->compare_cas) {
        model_forget(item);
    }
    if (status != STORE_OK) {
        return;
    }
    if (is_join(write) && item->present) {
        model_join(model, item, write, cas);
        item->large = large;
        item->joined = large;
        return;
    }
    bool stale = is_stale(item, write);
    bool token_sent = stale && item->token_sent;
    uint32_t expires = stale            ? item->expires
                       : is_join(write) ? write->create_expires
                                        : write->expires;
    model_renew(model, item, cas);
    set_value(item, write->value, write->value_length);
    item->client_flags = write->client_flags;
    item->expires = expires;
    item->large = large;
    item->stale = stale;
    item->token_sent = token_sent;
    item->binary_key = write->binary_key;
}

/* memcached's safe_strtoull() on a value without its line end, without two bugs of it: it takes a
 * minus sign behind the number for one before it, and -18446744073709551615 for 1. */
static bool model_parse(const struct model_item *item, uint64_t *number) {
    char *text = calloc(1, item->value_length + 1);
    if (item->value_length != 0) {
        memcpy(text, item->value, item->value_length);
    }
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    bool good = errno == 0 && end != text && (*end == '\0' || isspace((unsigned char)*end)) &&
                !(text[strspn(text, " \t\n\v\f\r")] == '-' && *number != 0);
    free(text);
    return good;
}

enum store_status model_expect_delta(const struct model_item *item, const struct store_delta *delta,
                                     uint64_t *number) {
    *number = delta->initial;
    if (!item->present) {
        return delta->create ? STORE_OK : STORE_NOT_FOUND;
    }
    if (item->value_length == 0) {
        return STORE_NON_NUMERIC;
    }
    if (delta->compare_cas && item->cas != delta->cas) {
        return STORE_EXISTS;
    }
    if (item->large || !model_parse(item, number)) {
        return STORE_NON_NUMERIC;
    }
    if (!delta->decrement) {
        *number += delta->delta;
    } else {
        *number = *number > delta->delta ? *number - delta->delta : 0;
    }
    return STORE_OK;
}

void model_delta(const struct model *model, struct model_item *item,
                 const struct store_delta *delta, uint64_t number, uint64_t cas) {
    char text[32];
    uint32_t digits = (uint32_t)sprintf(text, "%-20llu", (unsigned long long)number);
    digits = (uint32_t)strcspn(text, " ");
    uint32_t client_flags = item->client_flags;
    uint32_t expires = !item->present ? delta->expires
                       : delta->touch ? delta->touch_expires
                                      : item->expires;
    if (!item->present) {
        item->binary_key = delta->binary_key;
    }
    if (!item->present || digits > item->value_length) {
        model_renew(model, item, cas);
        set_value(item, text, digits);
    } else {
        memset(item->value, ' ', item->value_length);
        memcpy(item->value, text, digits);
    }
    item->client_flags = client_flags;
    item->expires = expires;
    item->cas = cas;
}

enum store_status model_expect_delete(const struct model_item *item,
                                      const struct store_removal *removal) {
    if (!item->present) {
        return STORE_NOT_FOUND;
    }
    return removal->compare_cas && removal->cas != item->cas ? STORE_EXISTS : STORE_OK;
}

void model_delete(const struct model *model, struct model_item *item,
                  const struct store_removal *removal, uint64_t cas) {
    if (!removal->empty && !removal->mark_stale) {
        model_forget(item);
        return;
    }
    uint32_t expires = item->expires;
    if (removal->empty) {
        model_renew(model, item, cas);
        item->client_flags = removal->client_flags;
        expires = 0;
    }
    item->expires = removal->touch ? removal->expires : expires;
    item->cas = cas;
    if (removal->mark_stale) {
        item->stale = true;
        item->token_sent = false;
    }
}

void model_show_state(const struct model *model, const struct model_item *item,
                      struct store_item *shown) {
    *shown = (struct store_item){
        .expires_before = item->expires,
        .access = item->present ? item->access : model->now,
        .state = (uint8_t)((item->fetched ? STORE_FETCHED : 0) | (item->stale ? STORE_STALE : 0) |
                           (item->token_sent ? STORE_TOKEN_SENT : 0) |
                           (item->binary_key ? STORE_BINARY_KEY : 0)),
    };
}

void model_get(const struct model *model, struct model_item *item) {
    item->access = model->now;
    item->fetched = true;
}

bool model_read(const struct model *model, struct model_item *item, const struct store_read *read,
                uint64_t cas) {
    bool made = !item->present;
    uint32_t judged = item->expires;
    if (made) {
        model_renew(model, item, cas);
        item->binary_key = read->binary_key;
        item->expires = read->vivify_expires;
    } else if (read->touch) {
        item->expires = read->expires;
        judged = read->recache_after_touch ? read->expires : judged;
    }
    bool soon = read->recache && judged != 0 && judged < read->recache_expires;
    bool won = made || (!item->token_sent && (item->stale || soon));
    item->token_sent |= won;
    if (!read->no_bump) {
        model_get(model, item);
    }
    return won;
}
