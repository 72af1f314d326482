/* A store's beginning and end. */
#include "store/create.h"
#include "store/limits.h"
#include "store/memory.h"
#include "store/pages.h"
#include "store/place.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

bool store_config_is_valid(const struct store_config *config) {
    return config->memory_bytes >= STORE_MEMORY_BYTES_MIN &&
           config->memory_bytes <= config->memory_bytes_max &&
           config->memory_bytes_max <= STORE_MEMORY_BYTES_MAX && config->item_bytes_max > 0 &&
           config->hash && config->shards > 0 && config->shards <= UINT16_MAX &&
           config->shard < config->shards;
}

/* The log, in pages of its own or in the image. */
static int store_init_log(struct store *store, const struct store_image *file,
                          struct image_header *image) {
    const struct store_config *config = &store->config;
    struct segment_log *log = &store->log;
    if (!image) {
        return segment_log_init(log, config->memory_bytes, config->memory_bytes_max,
                                store->page_bytes);
    }
    segment_log_lay_out(log, config->memory_bytes, config->memory_bytes_max, store->page_bytes);
    log->segments = (void *)((char *)image + store->page_bytes);
    log->base = (char *)image + image->layout.log_offset;
    log->file = (struct segment_file){.used = true,
                                      .fd = file->fd,
                                      .headers_offset = file->offset + store->page_bytes,
                                      .base_offset = file->offset + image->layout.log_offset,
                                      .touched = &image->state.touched};
    return 0;
}

int store_build(struct store **result, const struct store_config *config,
                const struct store_image *file, struct image_header *image) {
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t struct_bytes = pages_round_up(sizeof(struct store), page_bytes);
    if (image) {
        /* The header's and those of rules; here they are not touched. */
        struct_bytes += page_bytes + pages_round_up(IMAGE_PREFIXES_BYTES, page_bytes);
    }
    struct store *store = pages_reserve(struct_bytes);
    if (!store) {
        return -ENOMEM;
    }
    store->config = *config;
    store->expires_soonest = UINT32_MAX;
    store->page_bytes = page_bytes;
    store->struct_bytes = struct_bytes;
    store->wanted_bytes = store->bound_bytes = store->ceiling_bytes = config->memory_bytes;
    int error = store_init_log(store, file, image);
    if (error != 0) {
        goto error_log;
    }
    store->record_bytes_max = store_record_bytes_max(store);
    /* The largest item leaves without a system call, and the next one comes without page faults. */
    store->log.warm_max += (uint32_t)(store_item_bytes_max(store) / store->log.segment_bytes);
    if (config->no_eviction) {
        store->log.sparse_sixteenths = SEGMENT_SPARSE_SIXTEENTHS_MAX;
        store->item_fields = ITEM_EXPIRES | ITEM_CLIENT_FLAGS;
    }
    store->credit_bytes = config->memory_bytes;
    store_cas_reserve(store);
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

int store_create(struct store **result, const struct store_config *config) {
    assert(result && config);
    return store_config_is_valid(config) ? store_build(result, config, NULL, NULL) : -EINVAL;
}

void store_tell_evictions(struct store *store, store_evicted *evicted, void *context) {
    store->evicted = evicted;
    store->evicted_context = context;
}

void store_tell_drops(struct store *store, store_dropped *dropped, void *context) {
    store->dropped = dropped;
    store->dropped_context = context;
}

void store_destroy(struct store *store) {
    if (!store) {
        return;
    }
    free(store->stage.bytes);
    ghost_finish(&store->ghost);
    index_finish(&store->index);
    segment_log_finish(&store->log);
    if (store->image) {
        pages_free(store->image, store->image->layout.image_bytes);
    }
    pages_free(store, store->struct_bytes);
}
