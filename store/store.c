#include "store/internal.h"

#include "store/pages.h"

#include <errno.h>
#include <unistd.h>

static bool config_is_valid(const struct store_config *config) {
    return config->memory_bytes >= STORE_MEMORY_BYTES_MIN &&
           config->memory_bytes <= config->memory_bytes_max &&
           config->memory_bytes_max <= STORE_MEMORY_BYTES_MAX && config->item_bytes_max > 0 &&
           config->hash && config->shards > 0 && config->shards <= UINT16_MAX &&
           config->shard < config->shards;
}

int store_create(struct store **result, const struct store_config *config) {
    assert(result && config);
    if (!config_is_valid(config)) {
        return -EINVAL;
    }
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t struct_bytes = pages_round_up(sizeof(struct store), page_bytes);
    struct store *store = pages_reserve(struct_bytes);
    if (!store) {
        return -ENOMEM;
    }
    store->config = *config;
    store->expires_soonest = UINT32_MAX;
    store->page_bytes = page_bytes;
    store->struct_bytes = struct_bytes;
    store->bound_bytes = store->ceiling_bytes = config->memory_bytes;
    int error =
        segment_log_init(&store->log, config->memory_bytes, config->memory_bytes_max, page_bytes);
    if (error != 0) {
        goto error_log;
    }
    store->record_bytes_max = store_record_bytes_max(store);
    /* The largest item leaves without a system call, and the next one comes without page faults. */
    store->log.warm_max += (uint32_t)(store_item_bytes_max(store) / store->log.segment_bytes);
    if (config->no_eviction) {
        store->log.sparse_sixteenths = SEGMENT_SPARSE_SIXTEENTHS_MAX;
    }
    store->credit_bytes = config->memory_bytes;
    error = index_init(&store->index, config, store->log.base, page_bytes);
    if (error != 0) {
        goto error_index;
    }
    error =
        ghost_init(&store->ghost, config->memory_bytes_max / STORE_GHOSTS_PER_MEMORY, page_bytes);
    if (error != 0) {
        goto error_ghost;
    }
    *result = store;
    return 0;
error_ghost:
    index_finish(&store->index);
error_index:
    segment_log_finish(&store->log);
error_log:
    pages_free(store, struct_bytes);
    return error;
}

void store_destroy(struct store *store) {
    if (!store) {
        return;
    }
    ghost_finish(&store->ghost);
    index_finish(&store->index);
    segment_log_finish(&store->log);
    pages_free(store, store->struct_bytes);
}

/* The open segments are closed, so that the watermark divides what came before from what comes
 * after, even within a second. */
static void flush_now(struct store *store) {
    segment_seal_all(&store->log);
    store->flush_sequence = store->log.sequence_next;
    store->emptying.how = EMPTYING_FLUSHED; /* whatever is being emptied */
    store->flush_at = 0;
    store->flushed_at = store->now;
    store->expires_soonest = 0; /* what is dead now is worth a crawl */
    memset(store->items, 0, sizeof(store->items));
    memset(store->item_bytes, 0, sizeof(store->item_bytes));
}

void store_begin(struct store *store, uint32_t now) {
    assert(now > 0);
    store->now = now;
    if (store->flush_at != 0 && now >= store->flush_at) {
        flush_now(store);
    }
}

void store_flush(struct store *store, uint32_t at, uint32_t now) {
    store_begin(store, now);
    if (at <= now) {
        flush_now(store);
    } else {
        store->flush_at = at;
    }
}

void store_count(struct store *store, uint64_t location) {
    enum segment_queue_name name = store_queue_of(store, location);
    store->items[name]++;
    store->item_bytes[name] += item_bytes_whole(segment_item(&store->log, location));
}

void store_discount(struct store *store, uint64_t location) {
    enum segment_queue_name name = store_queue_of(store, location);
    store->items[name]--;
    store->item_bytes[name] -= item_bytes_whole(segment_item(&store->log, location));
}

void store_unlink(struct store *store, const struct store_found *found) {
    index_remove(&store->index, found->ref);
    if (!store_is_flushed(store, found->location)) {
        store_discount(store, found->location);
    }
    store_release(store, found->location);
}

/* Finds an item, dead or alive. */
static void find_linked(const struct store *store, const struct store_key *key,
                        struct store_found *found) {
    const struct index *index = &store->index;
    uint64_t tag = index_tag(key->hash);
    struct index_bucket *primary = index_primary(index, (uint32_t)key->hash);
    struct index_bucket *bucket = primary;
    do {
        for (uint32_t match = index_match(bucket, tag); match != 0; match &= match - 1) {
            uint32_t slot = (uint32_t)__builtin_ctz(match);
            found->location = index_location(bucket->slots[slot]);
            found->item = segment_item(&store->log, found->location);
            found->ref = (struct index_ref){primary, bucket, slot};
            if (item_has_key(found->item, key->bytes, key->length)) {
                return;
            }
        }
        if (bucket == primary && !(primary->filter & index_filter_bit(tag))) {
            break;
        }
        bucket = index_next(index, bucket);
    } while (bucket);
    found->item = NULL;
}

static bool is_dead(const struct store *store, const struct store_found *found) {
    return store_is_flushed(store, found->location) || store_is_expired(store, found->item);
}

/* Drops a dead item and counts it. */
static void drop(struct store *store, const struct store_found *found) {
    if (store_is_flushed(store, found->location)) {
        store->counters.flushed++;
    } else {
        store->counters.expired++;
        store->counters.expired_unfetched += !(found->item->bits & ITEM_FETCHED);
    }
    store_unlink(store, found);
}

bool store_drop_dead(struct store *store, const struct store_found *found) {
    if (!is_dead(store, found)) {
        return false;
    }
    drop(store, found);
    return true;
}

void store_find(struct store *store, const struct store_key *key, struct store_found *found) {
    assert(key->length >= 1 && key->length <= ITEM_KEY_LENGTH_MAX);
    find_linked(store, key, found);
    if (!found->item || !is_dead(store, found)) {
        return;
    }
    bool flushed = store_is_flushed(store, found->location);
    store->counters.met_flushed += flushed;
    store->counters.met_expired += !flushed;
    drop(store, found);
    found->item = NULL;
}

/* Field by field: clearing the rest as well would cost the hot paths. */
void store_show(const struct store *store, struct item *item, struct store_item *shown) {
    char *value = item_value(item);
    bool large = item_is_large(item);
    shown->value = large ? NULL : value;
    shown->large = large ? (uint64_t)(value - store->log.base) : 0;
    shown->value_length = item_value_length(item);
    shown->client_flags = item_client_flags(item);
    shown->expires = item_expires(item);
    shown->cas = item_cas(item);
}

void store_show_all(const struct store *store, struct item *item, struct store_item *shown) {
    store_show_state(item, shown);
    store_show(store, item, shown);
    shown->bytes = item_bytes_whole(item) + (uint32_t)sizeof(uint64_t);
}

/* Writes only what changes: a get of a hot item leaves its cache line clean. */
void store_mark_fetched(struct store *store, struct item *item) {
    if (!(item->bits & ITEM_FETCHED)) {
        item->bits |= ITEM_FETCHED;
    }
    if (item->access != store->now) {
        item->access = store->now;
    }
}

void store_hit(struct store *store, const struct store_found *found) {
    store_mark_fetched(store, found->item);
    index_hit(found->ref);
    store->counters.queues[store_queue_of(store, found->location)].hits++;
}

/* Counts up to what the 6 bytes of an item hold, then from the start again: the token has to
 * differ between two versions of a key, and 2^48 writes lie between equal ones. */
uint64_t store_cas(struct store *store, bool set_cas, uint64_t new_cas) {
    const struct store_config *config = &store->config;
    uint64_t cas_end = (uint64_t)1 << ITEM_CAS_BITS;
    if (config->no_cas) {
        return 0;
    }
    if (set_cas) {
        return new_cas;
    }
    store->cas_counter++;
    if (store->cas_counter >= cas_end / config->shards) {
        store->cas_counter = 1;
    }
    return store->cas_counter * config->shards + config->shard;
}

enum store_status store_get(struct store *store, const struct store_key *key, uint32_t now,
                            struct store_item *item) {
    struct store_found found;
    store_begin(store, now);
    store_find(store, key, &found);
    if (!found.item) {
        return STORE_NOT_FOUND;
    }
    store_hit(store, &found);
    store_show(store, found.item, item);
    return STORE_OK;
}

void store_prefetch_bucket(const struct store *store, uint64_t hash) {
    __builtin_prefetch(index_primary(&store->index, (uint32_t)hash));
}

void store_prefetch_item(const struct store *store, uint64_t hash) {
    const struct index_bucket *bucket = index_primary(&store->index, (uint32_t)hash);
    uint32_t match = index_match(bucket, index_tag(hash));
    if (match == 0) {
        return;
    }
    uint64_t location = index_location(bucket->slots[__builtin_ctz(match)]);
    const char *item = (const char *)segment_item(&store->log, location);
    __builtin_prefetch(item);
    __builtin_prefetch(item + sizeof(struct index_bucket));
}
