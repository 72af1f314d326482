#include "core/server/memory_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/memory_file_header.h"
#include "core/server/server.h"
#include "store/image.h"

/* cache_memlimit may raise -m to so many times what it was when the file was made: the file is as
 * long as that, though most of it is a hole. So may a later server's -m, and lower it as far. */
#define FILE_GROWTH 4u

#define FILE_ASIDE ".aside"

/* One shard's store while it is opened. */
struct memory_file_part {
    struct memory_file *file;
    uint32_t shard;
    bool started;
    pthread_t thread;
    struct store *store;
    struct store_recovery recovery;
    int error;
};

struct memory_file {
    const char *path; /* as given with -e */
    int fd;           /* locked */
    const struct config *config;
    const struct clock *clock;
    struct memory_file_header header;
    struct memory_file_part *parts; /* of each shard */
};

/* The file. */

/* Says why -e can't be done. */
static bool file_fail(const struct memory_file *file, const char *doing, int error) {
    log_line("-e %s: can't %s: %s", file->path, doing, strerror(error));
    return false;
}

/* False where the name is another file's by now, or none's. */
static bool file_has_name(const struct memory_file *file) {
    struct stat opened, named;
    return fstat(file->fd, &opened) == 0 && stat(file->path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static bool file_lock(struct memory_file *file) {
    struct stat about;
    if (fstat(file->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        log_line("-e %s: this is no regular file", file->path);
        return false;
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    if (errno == EWOULDBLOCK) {
        log_line("-e %s: another server uses it", file->path);
        return false;
    }
    return file_fail(file, "lock it", errno);
}

/* Opens and locks it; it may be renamed at that moment by a server that had it before. */
static bool file_open(struct memory_file *file) {
    for (;;) {
        file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
        if (file->fd < 0) {
            return file_fail(file, "open it", errno);
        }
        if (!file_lock(file)) {
            return false;
        }
        if (file_has_name(file)) {
            break;
        }
        close(file->fd);
    }
    if (fchmod(file->fd, 0600) != 0) {
        log_line("-e %s: its permissions stay as they are: %s", file->path, strerror(errno));
    }
    return true;
}

/* The name that it is kept under when it can't be used. */
static bool file_put_aside(struct memory_file *file, const char *reason) {
    char aside[4096];
    int length = snprintf(aside, sizeof(aside), "%s" FILE_ASIDE, file->path);
    if (length >= (int)sizeof(aside)) {
        return file_fail(file, "rename it to FILE" FILE_ASIDE, ENAMETOOLONG);
    }
    if (rename(file->path, aside) != 0) {
        log_line("-e %s: %s, and it can't be renamed to %s: %s", file->path, reason, aside,
                 strerror(errno));
        return false;
    }
    close(file->fd);
    file->fd = -1;
    log_line("-e %s: %s: it is kept as %s, and the server starts empty", file->path, reason, aside);
    return file_open(file);
}

/* What is in it. */

static struct store_image file_image(const struct memory_file *file, uint32_t shard) {
    uint64_t bytes = file->header.layout.image_bytes;
    uint64_t header_bytes = STORE_IMAGE_ALIGN;
    return (struct store_image){
        .fd = file->fd, .offset = header_bytes + shard * bytes, .bytes = bytes};
}

static struct store_config file_store_config(const struct memory_file *file, uint32_t shard) {
    const struct memory_file_layout *layout = &file->header.layout;
    return (struct store_config){
        .hash = shard_key_hash,
        .seed = layout->seed,
        .memory_bytes = layout->memory_bytes / layout->cores,
        .memory_bytes_max = layout->memory_bytes_max / layout->cores,
        .item_bytes_max = layout->item_bytes_max,
        .no_eviction = layout->no_eviction,
        .shard = shard,
        .shards = layout->cores,
        .no_cas = file->config->no_cas,
    };
}

static uint64_t file_bytes(const struct memory_file *file) {
    return STORE_IMAGE_ALIGN + file->header.layout.cores * file->header.layout.image_bytes;
}

/* A new file with nothing in it, in place of what this one holds. */
static bool file_begin(struct memory_file *file, struct server *server) {
    const struct config *config = file->config;
    uint64_t most = FILE_GROWTH * config->memory_bytes;
    struct memory_file_layout *layout = &file->header.layout;
    memset(&file->header, 0, sizeof(file->header));
    *layout = (struct memory_file_layout){
        .memory_bytes = config->memory_bytes,
        .memory_bytes_max = server->memory_bytes_max < most ? server->memory_bytes_max : most,
        .item_bytes_max = config->item_bytes_max,
        .seed = server->seed,
        .cores = config->cores,
        .no_eviction = config->no_eviction,
    };
    struct store_config store_config = file_store_config(file, 0);
    layout->image_bytes = store_image_bytes(&store_config);
    memory_file_time_begin(&file->header.time, file->clock);
    if (ftruncate(file->fd, 0) != 0 || ftruncate(file->fd, (off_t)file_bytes(file)) != 0) {
        return file_fail(file, "make it as long as it has to be", errno);
    }
    int error = memory_file_header_write(file->fd, &file->header);
    return error == 0 || file_fail(file, "write to it", -error);
}

/* Whether the images can be used as they are with this command line. */
static bool file_has_same_settings(const struct memory_file *file) {
    const struct memory_file_layout *layout = &file->header.layout;
    const struct config *config = file->config;
    return layout->cores == config->cores && layout->item_bytes_max == config->item_bytes_max &&
           layout->no_eviction == config->no_eviction &&
           config->memory_bytes <= layout->memory_bytes_max &&
           config->memory_bytes >= layout->memory_bytes / FILE_GROWTH;
}

/* Looks at all images. Returns what is wrong, or NULL. *whole: each was closed. */
static const char *file_check_images(const struct memory_file *file, bool *whole) {
    const struct memory_file_layout *layout = &file->header.layout;
    struct stat about;
    *whole = true;
    if (layout->image_bytes % STORE_IMAGE_ALIGN != 0 || layout->cores > CONFIG_CORES_MAX ||
        fstat(file->fd, &about) != 0 || (uint64_t)about.st_size < file_bytes(file)) {
        return "it is damaged: it is shorter than it was";
    }
    for (uint32_t i = 0; i < layout->cores; i++) {
        struct store_image image = file_image(file, i);
        struct store_image_info info = {.clean = true};
        switch (store_image_read(&image, &info)) {
        case STORE_IMAGE_GOOD:
        case STORE_IMAGE_FOREIGN: /* nothing was stored there yet */
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

/* Why the file can't be used, or NULL. *fresh: there is nothing in it to be used. */
static const char *file_check(struct memory_file *file, bool *fresh) {
    bool whole;
    *fresh = false;
    switch (memory_file_header_read(file->fd, &file->header)) {
    case MEMORY_FILE_GOOD:
        break;
    case MEMORY_FILE_EMPTY:
        *fresh = true;
        return NULL;
    case MEMORY_FILE_FOREIGN:
        return "this is no memory file of simplecache";
    case MEMORY_FILE_OTHER:
        return "it is of another version";
    case MEMORY_FILE_DAMAGED:
        return "its header is damaged";
    }
    const char *reason = file_check_images(file, &whole);
    if (reason) {
        return reason;
    }
    if (!file_has_same_settings(file)) {
        return "it was made with other --cores, -m, -I or -M";
    }
    struct memory_file_time *time = &file->header.time;
    uint64_t ended = time->end_boot_ns;
    time->end_boot_ns = whole ? ended : 0;
    if (!memory_file_time_go_on(time, file->clock)) {
        log_line("-e %s: the machine went down while it was in use: the server starts empty",
                 file->path);
        *fresh = true;
    }
    return NULL;
}

/* Reads the file, or makes a new one. */
static bool file_prepare(struct memory_file *file, struct server *server) {
    bool fresh;
    const char *reason = file_check(file, &fresh);
    if (reason && !file_put_aside(file, reason)) {
        return false;
    }
    if (reason || fresh) {
        return file_begin(file, server);
    }
    int error = memory_file_header_write(file->fd, &file->header);
    return error == 0 || file_fail(file, "write to it", -error);
}

/* The stores. */

static void *file_part_open(void *argument) {
    struct memory_file_part *part = argument;
    struct memory_file *file = part->file;
    struct store_image image = file_image(file, part->shard);
    struct store_config config = file_store_config(file, part->shard);
    struct store_image_info info;
    bool found = store_image_read(&image, &info) == STORE_IMAGE_GOOD;
    if (found) {
        part->error = store_image_open(&part->store, &config, &image, &part->recovery);
    } else {
        part->error = store_image_create(&part->store, &config, &image);
    }
    if (part->error == 0) {
        int error = store_resize(part->store, file->config->memory_bytes / config.shards);
        assert(error == 0);
    }
    return NULL;
}

static void file_destroy_stores(struct memory_file *file) {
    for (uint32_t i = 0; i < file->config->cores; i++) {
        if (file->parts[i].store) {
            store_destroy(file->parts[i].store);
        }
        file->parts[i] = (struct memory_file_part){.file = file, .shard = i};
    }
}

/* On as many threads as there are stores; where one can't be started on this one. */
static void file_open_parts(struct memory_file *file) {
    for (uint32_t i = 0; i < file->config->cores; i++) {
        struct memory_file_part *part = &file->parts[i];
        part->started = pthread_create(&part->thread, NULL, file_part_open, part) == 0;
        if (!part->started) {
            file_part_open(part);
        }
    }
    for (uint32_t i = 0; i < file->config->cores; i++) {
        if (file->parts[i].started) {
            pthread_join(file->parts[i].thread, NULL);
        }
    }
}

static const struct memory_file_part *file_failed_part(const struct memory_file *file) {
    for (uint32_t i = 0; i < file->config->cores; i++) {
        if (file->parts[i].error != 0) {
            return &file->parts[i];
        }
    }
    return NULL;
}

/* Opens all; a damaged one has all of them put aside and new ones made. */
static bool file_open_stores(struct memory_file *file, struct server *server) {
    char reason[160];
    file_open_parts(file);
    const struct memory_file_part *failed = file_failed_part(file);
    if (failed && failed->error == -EBADMSG) {
        snprintf(reason, sizeof(reason), "it is damaged (shard %u, segment %u: %s)", failed->shard,
                 failed->recovery.segment, failed->recovery.damage);
        file_destroy_stores(file);
        if (!file_put_aside(file, reason) || !file_begin(file, server)) {
            return false;
        }
        file_open_parts(file);
        failed = file_failed_part(file);
    }
    return !failed || file_fail(file, "keep items in it", -failed->error);
}

static void file_tell(const struct memory_file *file, uint64_t began_ns) {
    uint64_t items = 0, dropped = 0;
    for (uint32_t i = 0; i < file->config->cores; i++) {
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

bool memory_file_open(struct server *server) {
    const struct config *config = server->config;
    if (!config->memory_file) {
        return true;
    }
    struct memory_file *file = calloc(1, sizeof(*file));
    struct memory_file_part *parts = calloc(config->cores, sizeof(*parts));
    if (!file || !parts) {
        log_line("-e %s: no memory", config->memory_file);
        free(file);
        free(parts);
        return false;
    }
    *file = (struct memory_file){.path = config->memory_file,
                                 .fd = -1,
                                 .config = config,
                                 .clock = &clock_system,
                                 .parts = parts};
    server->memory_file = file;
    uint64_t began_ns = clock_monotonic_ns(file->clock);
    if (!file_open(file) || !file_prepare(file, server)) {
        return false;
    }
    file_destroy_stores(file); /* of which there are none yet */
    if (!file_open_stores(file, server)) {
        return false;
    }
    server->seed = file->header.layout.seed;
    server->memory_bytes_max = file->header.layout.memory_bytes_max;
    server->facts.start_boot_ns = file->header.time.begin_boot_ns;
    file_tell(file, began_ns);
    return true;
}

struct store *memory_file_take_store(struct memory_file *file, uint32_t shard) {
    if (!file) {
        return NULL;
    }
    struct store *store = file->parts[shard].store;
    file->parts[shard].store = NULL;
    return store;
}

void memory_file_close(struct memory_file *file) {
    bool whole;
    if (!file) {
        return;
    }
    file_destroy_stores(file); /* of a start that has failed */
    if (file->fd >= 0 && !file_check_images(file, &whole) && whole) {
        memory_file_time_end(&file->header.time, file->clock);
        /* First what it is about: on a disk each takes its time. */
        if (fdatasync(file->fd) != 0 || memory_file_header_write(file->fd, &file->header) != 0 ||
            fdatasync(file->fd) != 0) {
            log_line("-e %s: its end can't be written: %s", file->path, strerror(errno));
        }
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file->parts);
    free(file);
}
