/* model: the answers that the store should give, from an array of keys with their values. It never
 * evicts: the test tells it which items the store has evicted. */
#ifndef TESTS_STORE_MODEL_H
#define TESTS_STORE_MODEL_H

#include "store/store.h"

#define MODEL_KEYS_MAX 20000

struct model_item {
    bool present;
    char *value; /* allocated, at least one byte */
    uint32_t value_length;
    bool large;  /* so it is no number */
    bool joined; /* large, and appended or prepended to */
    uint32_t client_flags;
    uint32_t expires;
    uint64_t cas;
    uint32_t access;
    bool fetched;
    bool stale;
    bool token_sent;
    bool binary_key;
    uint32_t deaths; /* how often it was removed, expired, flushed or evicted */
};

#define MODEL_PREFIXES_MAX STORE_PREFIXES_MAX

struct model_prefix {
    char bytes[250];
    uint32_t length;
    uint32_t at; /* 0: there is none */
};

/* Writes the key of a number, of up to 250 bytes, and returns its length. */
typedef uint32_t model_key(uint32_t number, char *bytes);

struct model {
    struct model_item items[MODEL_KEYS_MAX];
    uint32_t keys;
    uint32_t now;
    uint32_t flush_at;
    model_key *key;
    struct model_prefix prefixes[MODEL_PREFIXES_MAX]; /* to come */
};

struct model *model_create(uint32_t keys);
void model_destroy(struct model *model);

/* Sets the time: drops items that expire, and all when a flush is due. */
void model_begin(struct model *model, uint32_t now);
void model_flush(struct model *model, uint32_t at);
/* The same by a prefix; model->key is set, and at most MODEL_PREFIXES_MAX are to come. */
void model_flush_prefix(struct model *model, const char *prefix, uint32_t length, uint32_t at);
void model_forget(struct model_item *item);
/* Drops an item that was stored with an expiry time in the past. */
void model_settle(const struct model *model, struct model_item *item);

/* The status that the operation should return. */
enum store_status model_expect_write(const struct model_item *item, const struct store_write *write,
                                     uint32_t value_length_max);
enum store_status model_expect_delta(const struct model_item *item, const struct store_delta *delta,
                                     uint64_t *number);
enum store_status model_expect_delete(const struct model_item *item,
                                      const struct store_removal *removal);
/* Sets the fields of *shown for the state before the call. */
void model_show_state(const struct model *model, const struct model_item *item,
                      struct store_item *shown);

/* Does to the model what the operation does with this status, else with STORE_OK; cas is the item's
 * new one. */
void model_get(const struct model *model, struct model_item *item);
void model_write(const struct model *model, struct model_item *item,
                 const struct store_write *write, bool large, uint64_t cas,
                 enum store_status status);
void model_delta(const struct model *model, struct model_item *item,
                 const struct store_delta *delta, uint64_t number, uint64_t cas);
void model_delete(const struct model *model, struct model_item *item,
                  const struct store_removal *removal, uint64_t cas);
/* Returns whether the call should win the item. */
bool model_read(const struct model *model, struct model_item *item, const struct store_read *read,
                uint64_t cas);

#endif
