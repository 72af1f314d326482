#include "core/shard/shard.h"

#include <assert.h>

#include "core/base/clock.h"
#include "core/shard/watch_lines.h"
#include "store/image.h"

/* Compiled in: the hash of a short key is cheaper than the call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t shard_key_hash(const char *key, uint32_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(key, length, seed);
}

/* Takes the store of a file, or makes one. */
static int shard_init_store(struct shard *shard, const struct shard_config *config) {
    if (config->store) {
        shard->keys.store = config->store;
        shard->keeps_items = true;
        return 0;
    }
    struct store_config store_config = {
        .hash = shard_key_hash,
        .seed = config->seed,
        .memory_bytes = config->memory_bytes,
        .memory_bytes_max = config->memory_bytes_max,
        .item_bytes_max = config->item_bytes_max,
        .no_eviction = config->facts->config->no_eviction,
        .hits_of_bytes = config->facts->config->hits_of_bytes,
        .shard = config->id,
        .shards = config->count,
        .no_cas = config->facts->config->no_cas,
    };
    return store_create(&shard->keys.store, &store_config);
}

static void shard_finish_store(struct shard *shard) {
    if (shard->keeps_items) {
        store_image_close(shard->keys.store);
    } else {
        store_destroy(shard->keys.store);
    }
    shard->keys.store = NULL;
}

/* What is left for the store where a shard may have so many bytes. */
static uint64_t shard_store_bytes(const struct shard *shard, uint64_t memory_bytes) {
    uint64_t copies = shard->copies.memory_bytes;
    return memory_bytes >= copies + STORE_MEMORY_BYTES_MIN ? memory_bytes - copies
                                                           : STORE_MEMORY_BYTES_MIN;
}

/* The space of copies is the store's no longer; its segments keep the size that they have with all
 * of it. */
static int shard_init_copies(struct shard *shard, const struct shard_config *config) {
    uint64_t seed = config->seed + config->id;
    int error = copies_init(&shard->copies, config->copies_bytes, config->count, seed);
    if (error || config->copies_bytes == 0) {
        return error;
    }
    error = versions_init(&shard->keys.versions, copies_versions_slots(config->copies_bytes));
    if (error) {
        copies_finish(&shard->copies);
        return error;
    }
    store_resize(shard->keys.store, shard_store_bytes(shard, config->memory_bytes));
    return 0;
}

int shard_resize(struct shard *shard, uint64_t memory_bytes) {
    int error = store_resize(shard->keys.store, memory_bytes);
    if (error) {
        return error;
    }
    copies_resize(&shard->copies, memory_bytes / COPIES_PART);
    return store_resize(shard->keys.store, shard_store_bytes(shard, memory_bytes));
}

int shard_init(struct shard *shard, const struct shard_config *config) {
    assert(config->id < config->count);
    *shard = (struct shard){
        .id = config->id,
        .count = config->count,
        .seed = config->seed,
        .all = config->all,
        .held = config->id,
        .port = mesh_port(config->mesh, config->id),
        .facts = config->facts,
        .keys = {.id = config->id, .clock = config->clock},
        .settings = config->settings,
        .logins = config->logins,
        .panic = {.version = config->facts->version,
                  .reactor = config->id,
                  .turns = &shard->counters.reactor_turns},
    };
    prefix_table_init(&shard->keys.prefixes, config->facts->config->prefix_delimiter,
                      PREFIX_SHARD_MAX);
    shard->keys.prefixes.enabled = config->settings.detail_enabled;
    hotkeys_init(&shard->keys.hotkeys, config->seed + config->id, config->facts->start_ns,
                 clock_monotonic_ns(config->clock));
    int error = shard_init_store(shard, config);
    if (error) {
        return error;
    }
    error = message_pool_init(&shard->messages, SHARD_MESSAGES_MAX + config->pipelines_max);
    if (error) {
        goto error_messages;
    }
    error = shard_init_copies(shard, config);
    if (error) {
        goto error_copies;
    }
    buffer_pool_init(&shard->buffers);
    shard->keys.flush_rules = store_prefixes(shard->keys.store);
    atomic_init(&shard->keys.flush_slots, shard->keys.flush_rules);
    return 0;
error_copies:
    message_pool_finish(&shard->messages);
error_messages:
    shard_finish_store(shard);
    return error;
}

void shard_finish(struct shard *shard) {
    buffer_pool_finish(&shard->buffers);
    copies_finish(&shard->copies);
    versions_finish(&shard->keys.versions);
    message_pool_finish(&shard->messages);
    shard_finish_store(shard);
    watch_close(shard);
    prefix_table_finish(&shard->keys.prefixes);
    log_finish(&shard->log);
    logins_free(shard->logins);
    logins_free(atomic_load(&shard->logins_mailbox));
    nodes_free(shard->nodes);
    nodes_free(atomic_load(&shard->nodes_mailbox));
}

/* Gauges that are read where they are known. */
static void shard_set_gauges(const struct shard *shard, struct counters *counters) {
    counters->buffer_bytes = shard->buffers.bytes;
    counters->message_bytes = message_pool_touched(&shard->messages);
    counters->hot_copies = shard->copies.count;
    counters->hot_bytes = shard->copies.bytes;
}

bool shard_take(struct shard *shard) {
    if (!lending_take_or_want(mesh_lending(shard->port))) {
        return false;
    }
    shard->held = shard->id;
    watch_serve(&shard->keys, shard->watching);
    keyspace_pass_time(&shard->keys, shard->now_ns, shard->tick);
    return true;
}

void shard_leave(struct shard *shard) {
    if (shard->count > 1 && shard_holds(shard, shard->id)) {
        if (shard->facts->config->metrics.count > 0) {
            shard->keys.left_counters = shard->counters;
            shard_set_gauges(shard, &shard->keys.left_counters);
        }
        shard->held = SHARD_NONE;
        crawler_plan(&shard->keys, &shard->settings);
        lending_free(mesh_lending(shard->port));
    }
}

const struct logins *shard_logins(struct shard *shard) {
    struct logins *newer =
        atomic_exchange_explicit(&shard->logins_mailbox, NULL, memory_order_acq_rel);
    if (newer) {
        logins_free(shard->logins);
        shard->logins = newer;
    }
    return shard->logins;
}

void shard_renew_logins(struct shard *shard, struct logins *logins) {
    /* One that was never taken out is still the sender's. */
    logins_free(atomic_exchange_explicit(&shard->logins_mailbox, logins, memory_order_acq_rel));
}

const struct nodes *shard_nodes(struct shard *shard) {
    struct nodes *newer =
        atomic_exchange_explicit(&shard->nodes_mailbox, NULL, memory_order_acq_rel);
    if (newer) {
        nodes_free(shard->nodes);
        shard->nodes = newer;
    }
    return shard->nodes;
}

void shard_renew_nodes(struct shard *shard, struct nodes *nodes) {
    nodes_free(atomic_exchange_explicit(&shard->nodes_mailbox, nodes, memory_order_acq_rel));
}

void shard_give_message(struct shard *shard, struct message *message) {
    message_give(&shard->messages, message);
}

uint64_t shard_hash(const struct shard *shard, const char *key, uint32_t length) {
    return shard_key_hash(key, length, shard->seed);
}

void shard_keep_copy(struct shard *shard, uint32_t owner, struct copy_source *source) {
    source->at = versions_of(&shard->all[owner]->keys.versions, source->hash);
    source->tick = shard->tick;
    copies_add(&shard->copies, source);
}

void shard_stats_read(const struct shard *shard, struct shard_stats *stats) {
    stats->counters = shard->counters;
    counters_add(&stats->counters, &shard->keys.counters);
    shard_set_gauges(shard, &stats->counters);
    store_stats(shard->keys.store, &stats->store);
}

void shard_check(const struct shard *shard) {
    message_pool_check(&shard->messages);
    copies_check(&shard->copies);
    assert(shard->messages.out <= SHARD_MESSAGES_MAX);
    assert(mesh_outstanding(shard->port) <= shard->messages.out + shard->messages.parked);
    assert(shard->keys.id == shard->id);
    assert(shard->held == shard->id || shard->held == SHARD_NONE);
}
