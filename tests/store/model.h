/* model: what the store should answer, in the plainest way: an array of keys with their values.
 * It never evicts; the test tells it what the store has evicted. */
#ifndef TESTS_STORE_MODEL_H
#define TESTS_STORE_MODEL_H

#include "store/store.h"

#define MODEL_KEYS_MAX 20000

struct model_item {
    bool present;
    char *value; /* allocated, at least one byte */
    uint32_t value_length;
    bool large; /* no number, therefore */
    uint32_t client_flags;
    uint32_t expires;
    uint64_t cas;
    uint32_t access;
    bool fetched;
    bool stale;
    bool token_sent;
    bool binary_key;
    uint32_t deaths; /* how often it has ceased to be present */
};

struct model {
    struct model_item items[MODEL_KEYS_MAX];
    uint32_t keys;
    uint32_t now;
    uint32_t flush_at;
};

struct model *model_create(uint32_t keys);
void model_destroy(struct model *model);

/* Time passes: what is due expires or is flushed. */
void model_begin(struct model *model, uint32_t now);
void model_flush(struct model *model, uint32_t at);
void model_forget(struct model_item *item);
/* Forgets an item that was stored with a time that is past. */
void model_settle(const struct model *model, struct model_item *item);

/* What the operation should answer. */
enum store_status model_expect_write(const struct model_item *item, const struct store_write *write,
                                     uint32_t value_length_max);
enum store_status model_expect_delta(const struct model_item *item, const struct store_delta *delta,
                                     uint64_t *number);
enum store_status model_expect_delete(const struct model_item *item,
                                      const struct store_removal *removal);
/* The part of *shown that says how the item was before the call. */
void model_show_state(const struct model *model, const struct model_item *item,
                      struct store_item *shown);

/* What it does when the answer is status, or STORE_OK; cas is the item's new one. */
void model_get(const struct model *model, struct model_item *item);
void model_write(const struct model *model, struct model_item *item,
                 const struct store_write *write, bool large, uint64_t cas,
                 enum store_status status);
void model_delta(const struct model *model, struct model_item *item,
                 const struct store_delta *delta, uint64_t number, uint64_t cas);
void model_delete(const struct model *model, struct model_item *item,
                  const struct store_removal *removal, uint64_t cas);
/* Says who should have won. */
bool model_read(const struct model *model, struct model_item *item, const struct store_read *read,
                uint64_t cas);

#endif
