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
    for (uint32_t i = 0; i < model->keys; i++)
        model_forget(&model->items[i]);
    free(model);
}

void model_forget(struct model_item *item) {
    free(item->value);
    *item = (struct model_item){0};
}

static void flush_all(struct model *model) {
    for (uint32_t i = 0; i < model->keys; i++)
        model_forget(&model->items[i]);
    model->flush_at = 0;
}

void model_begin(struct model *model, uint32_t now) {
    if (model->flush_at != 0 && now >= model->flush_at)
        flush_all(model);
    if (now == model->now)
        return;
    model->now = now;
    for (uint32_t i = 0; i < model->keys; i++)
        if (model->items[i].expires != 0 && model->items[i].expires <= now)
            model_forget(&model->items[i]);
}

void model_flush(struct model *model, uint32_t at) {
    if (at <= model->now)
        flush_all(model);
    else
        model->flush_at = at;
}

enum store_status model_expect_write(const struct model_item *item, const struct store_write *write,
                                     uint32_t value_length_max) {
    bool join = write->mode == STORE_APPEND || write->mode == STORE_PREPEND;
    if (write->value_length > value_length_max)
        return STORE_TOO_LARGE;
    if (write->compare_cas && !item->present)
        return join ? STORE_NOT_STORED : STORE_NOT_FOUND;
    if (write->mode == STORE_ADD && item->present)
        return STORE_NOT_STORED;
    if (write->compare_cas && item->cas != write->cas)
        return STORE_EXISTS;
    if ((join || write->mode == STORE_REPLACE) && !item->present)
        return STORE_NOT_STORED;
    if (join && item->value_length + write->value_length > value_length_max)
        return STORE_TOO_LARGE;
    return STORE_OK;
}

void model_write(struct model_item *item, const struct store_write *write, uint64_t cas,
                 enum store_status status) {
    if (status == STORE_TOO_LARGE && write->mode == STORE_SET && !write->compare_cas)
        model_forget(item);
    if (status != STORE_OK)
        return;
    bool append = write->mode == STORE_APPEND;
    bool join = append || write->mode == STORE_PREPEND;
    uint32_t old_length = join ? item->value_length : 0;
    char *value = malloc(old_length + write->value_length + 1);
    if (write->value_length != 0)
        memcpy(value + (append ? old_length : 0), write->value, write->value_length);
    if (old_length != 0)
        memcpy(value + (append ? 0 : write->value_length), item->value, old_length);
    struct model_item made = {
        .present = true,
        .value = value,
        .value_length = old_length + write->value_length,
        .client_flags = join ? item->client_flags : write->client_flags,
        .expires = join ? item->expires : write->expires,
        .cas = cas,
    };
    free(item->value);
    *item = made;
}

/* memcached's safe_strtoull on a value without its line end, but for its slips: it takes a minus
 * sign behind the number for one before it, and -18446744073709551615 for 1. */
static bool parse(const struct model_item *item, uint64_t *number) {
    char *text = calloc(1, item->value_length + 1);
    if (item->value_length != 0)
        memcpy(text, item->value, item->value_length);
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
    if (!item->present)
        return delta->create ? STORE_OK : STORE_NOT_FOUND;
    if (delta->compare_cas && item->cas != delta->cas)
        return STORE_EXISTS;
    if (!parse(item, number))
        return STORE_NON_NUMERIC;
    if (!delta->decrement)
        *number += delta->delta;
    else
        *number = *number > delta->delta ? *number - delta->delta : 0;
    return STORE_OK;
}

void model_delta(struct model_item *item, const struct store_delta *delta, uint64_t number,
                 uint64_t cas) {
    char text[32];
    uint32_t digits = (uint32_t)sprintf(text, "%llu", (unsigned long long)number);
    uint32_t length = item->value_length > digits ? item->value_length : digits;
    char *value = malloc(length);
    memset(value, ' ', length);
    memcpy(value, text, digits);
    if (!item->present)
        item->expires = delta->expires;
    free(item->value);
    item->value = value;
    item->value_length = length;
    item->cas = cas;
    item->present = true;
}
