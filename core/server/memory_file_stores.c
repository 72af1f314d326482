#include "core/server/memory_file_stores.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/config.h"
#include "core/base/log.h"
#include "core/shard/shard.h"

bool memory_file_fail(const struct memory_file *file, const char *doing, int error) {
    log_line("-e %s: can't %s: %s", file->path, doing, strerror(error));
    return false;
}

uint32_t memory_file_now(const struct memory_file *file) {
    return clock_tick((int64_t)(clock_boot_ns(file->clock) - file->header.time.begin_boot_ns));
}

uint64_t memory_file_bytes(const struct memory_file_layout *layout) {
    return STORE_IMAGE_ALIGN + layout->cores * layout->image_bytes;
}

static struct store_image stores_image(const struct memory_file *file, uint32_t shard) {
    uint64_t bytes = file->header.layout.image_bytes;
    return (struct store_image){
        .fd = file->fd, .offset = STORE_IMAGE_ALIGN + shard * bytes, .bytes = bytes};
}

struct store_config memory_file_store_config(const struct memory_file *file,
                                             const struct memory_file_layout *layout) {
    return (struct store_config){
        .hash = shard_key_hash,
        .seed = layout->seed,
        .memory_bytes = layout->memory_bytes / layout->cores,
        .memory_bytes_max = layout->memory_bytes_max / layout->cores,
        .item_bytes_max = layout->item_bytes_max,
        .no_eviction = layout->no_eviction,
        .hits_of_bytes = file->config->hits_of_bytes,
        .shards = layout->cores,
        .no_cas = file->config->no_cas,
    };
}

const char *memory_file_check_images(const struct memory_file *file, bool *whole) {
    const struct memory_file_layout *layout = &file->header.layout;
    struct stat about;
    *whole = true;
    if (layout->image_bytes % STORE_IMAGE_ALIGN != 0 || layout->cores > CONFIG_CORES_MAX ||
        fstat(file->fd, &about) != 0 || (uint64_t)about.st_size < memory_file_bytes(layout)) {
        return "it is damaged: it is shorter than it was";
    }
    for (uint32_t i = 0; i < layout->cores; i++) {
        struct store_image image = stores_image(file, i);
        struct store_image_info info = {0};
        switch (store_image_read(&image, &info)) {
        case STORE_IMAGE_FOREIGN: /* nothing was stored there yet */
            if (file->header.time.end_boot_ns != 0) {
                return "it is damaged: a part of it is missing";
            }
            *whole = false;
            break;
        case STORE_IMAGE_GOOD:
            *whole &= info.clean;
            break;
        case STORE_IMAGE_OTHER:
            return "it is of another version, or another kind of machine";
        case STORE_IMAGE_DAMAGED:
            return "it is damaged";
        }
    }
    return NULL;
}

/* The bound on a store's memory: -m's share where the file has as many shards, else what the file
 * was made with. */
static uint64_t stores_bound(const struct memory_file *file) {
    const struct memory_file_layout *layout = &file->header.layout;
    uint64_t wanted = file->config->memory_bytes;
    bool same = layout->cores == file->config->cores && wanted <= layout->memory_bytes_max;
    return (same ? wanted : layout->memory_bytes) / layout->cores;
}

static void *stores_open_one(void *argument) {
    struct memory_file_part *part = argument;
    struct memory_file *file = part->file;
    struct store_image image = stores_image(file, part->shard);
    struct store_config config = memory_file_store_config(file, &file->header.layout);
    config.shard = part->shard;
    bool found = store_image_read(&image, &part->info) == STORE_IMAGE_GOOD;
    if (found) {
        part->error = store_image_open(&part->store, &config, &image, &part->recovery);
    } else {
        part->error = store_image_create(&part->store, &config, &image);
    }
    if (part->error == 0) {
        int error = store_resize(part->store, stores_bound(file));
        assert(error == 0);
    }
    return NULL;
}

/* On as many threads as there are stores; where one can't be started on this one. */
static void stores_open_all(struct memory_file *file) {
    uint32_t count = file->header.layout.cores;
    for (uint32_t i = 0; i < count; i++) {
        struct memory_file_part *part = &file->parts[i];
        *part = (struct memory_file_part){.file = file, .shard = i};
        part->started = pthread_create(&part->thread, NULL, stores_open_one, part) == 0;
        if (!part->started) {
            stores_open_one(part);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (file->parts[i].started) {
            pthread_join(file->parts[i].thread, NULL);
        }
    }
}

static const struct memory_file_part *stores_failed(const struct memory_file *file) {
    for (uint32_t i = 0; i < file->header.layout.cores; i++) {
        if (file->parts[i].error != 0) {
            return &file->parts[i];
        }
    }
    return NULL;
}

static void stores_tell(const struct memory_file *file, uint64_t began_ns) {
    uint64_t items = 0, dropped = 0;
    for (uint32_t i = 0; i < file->header.layout.cores; i++) {
        const struct store_recovery *recovery = &file->parts[i].recovery;
        items += recovery->items;
        dropped += recovery->torn;
    }
    uint64_t passed_ns = clock_monotonic_ns(file->clock) - began_ns;
    if (items > 0) {
        log_line("-e %s: %llu items found in %.2f s", file->path, (unsigned long long)items,
                 (double)passed_ns / 1e9);
    }
    if (dropped > 0) {
        log_line("-e %s: %llu items were being changed when the last server was killed, and are "
                 "gone",
                 file->path, (unsigned long long)dropped);
    }
}

enum memory_file_opened memory_file_open_stores(struct memory_file *file,
                                                char reason[MEMORY_FILE_REASON_BYTES]) {
    uint64_t began_ns = clock_monotonic_ns(file->clock);
    file->parts = calloc(file->header.layout.cores, sizeof(*file->parts));
    if (!file->parts) {
        memory_file_fail(file, "open it", ENOMEM);
        return MEMORY_FILE_FAILED;
    }
    stores_open_all(file);
    const struct memory_file_part *failed = stores_failed(file);
    if (!failed) {
        stores_tell(file, began_ns);
        return MEMORY_FILE_OPENED;
    }
    bool broken = failed->error == -EBADMSG;
    if (broken) {
        snprintf(reason, MEMORY_FILE_REASON_BYTES, "it is damaged (shard %u, segment %u: %s)",
                 failed->shard, failed->recovery.segment, failed->recovery.damage);
    } else {
        memory_file_fail(file, "keep items in it", -failed->error);
    }
    memory_file_drop_stores(file);
    return broken ? MEMORY_FILE_BROKEN : MEMORY_FILE_FAILED;
}

static void stores_end(struct memory_file *file, void (*end)(struct store *store)) {
    for (uint32_t i = 0; file->parts && i < file->header.layout.cores; i++) {
        if (file->parts[i].store) {
            end(file->parts[i].store);
        }
    }
    free(file->parts);
    file->parts = NULL;
}

void memory_file_free(struct memory_file *file) {
    if (file && file->fd >= 0) {
        close(file->fd);
    }
    if (file) {
        free(file->path);
    }
    free(file);
}

void memory_file_close_stores(struct memory_file *file) {
    stores_end(file, store_image_close);
}

void memory_file_drop_stores(struct memory_file *file) {
    stores_end(file, store_destroy);
}
