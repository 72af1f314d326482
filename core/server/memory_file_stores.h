/* memory_file_stores: one memory file and the stores in it. Known to memory_file and its parts
 * alone. Thread: the main one. */
#ifndef CORE_SERVER_MEMORY_FILE_STORES_H
#define CORE_SERVER_MEMORY_FILE_STORES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/facts.h"
#include "core/server/memory_file_header.h"
#include "store/image.h"

struct clock;
struct config;
struct store_transfer;

/* One shard's store while it is opened. */
struct memory_file_part {
    struct memory_file *file;
    uint32_t shard;
    bool started;
    pthread_t thread;
    struct store *store;          /* NULL: not opened, or taken */
    struct store_image_info info; /* before it was opened; zeros: it was created */
    struct store_recovery recovery;
    int error;
};

struct memory_file {
    char *path; /* owned */
    int fd;     /* locked; -1: not open */
    bool ended; /* the last server had ended: a disk has all of it */
    const struct config *config;
    const struct clock *clock;
    struct memory_file_header header;
    struct memory_file_part *parts; /* header.layout.cores of them, or NULL */

    /* While items move here from a file that was made with other settings: that file, and when this
     * began and was told last, monotonic time. Else NULL. */
    struct memory_file *from;
    struct store_transfer *transfer;
    uint64_t move_began_ns;
    uint64_t move_told_ns;
    struct memory_file_progress *progress; /* of that, for `stats` */
};

/* What a start that goes on without what was found does next. */
enum memory_file_opened {
    MEMORY_FILE_OPENED,
    MEMORY_FILE_BROKEN, /* an image is damaged: no store is open */
    MEMORY_FILE_FAILED, /* a line has said why */
};

/* The length of a file with this layout. */
uint64_t memory_file_bytes(const struct memory_file_layout *layout);

/* Looks at the headers of all images. Returns what is wrong, or NULL. *whole: each was closed. */
const char *memory_file_check_images(const struct memory_file *file, bool *whole);

/* What a store of this layout is made with; its shard is 0. */
struct store_config memory_file_store_config(const struct memory_file *file,
                                             const struct memory_file_layout *layout);

/* Opens or creates all stores, each on a thread of its own. With MEMORY_FILE_BROKEN `reason` is
 * set. */
#define MEMORY_FILE_REASON_BYTES 160
enum memory_file_opened memory_file_open_stores(struct memory_file *file,
                                                char reason[MEMORY_FILE_REASON_BYTES]);

/* Closes those that are left, as whole; or ends them as a killed process would. */
void memory_file_close_stores(struct memory_file *file);
void memory_file_drop_stores(struct memory_file *file);

/* Closes and frees a file without stores; it may be NULL. */
void memory_file_free(struct memory_file *file);

/* Says why -e can't be done; false. */
bool memory_file_fail(const struct memory_file *file, const char *doing, int error);

/* The tick of now. */
uint32_t memory_file_now(const struct memory_file *file);

#endif
