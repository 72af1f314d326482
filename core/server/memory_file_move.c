#include "core/server/memory_file_move.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/memory_file_stores.h"
#include "core/server/systemd.h"
#include "core/shard/shard.h"
#include "store/transfer.h"

/* systemd stops to wait for a start that has been silent for longer. */
#define MOVE_PATIENCE "EXTEND_TIMEOUT_USEC=30000000"

/* Slices of each store between two looks at the clock. */
#define MOVE_SLICES 64

/* The stores of a file, for store_transfer_begin(); allocated. */
static struct store **move_stores(const struct memory_file *file) {
    uint32_t count = file->header.layout.cores;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): these are pointers */
    struct store **stores = calloc(count, sizeof(*stores));
    for (uint32_t i = 0; stores && i < count; i++) {
        stores[i] = file->parts[i].store;
    }
    return stores;
}

static int move_begin_transfer(struct memory_file *from, struct memory_file *to) {
    struct store **old = move_stores(from), **new = move_stores(to);
    int error = -ENOMEM;
    if (old && new) {
        const struct store_side old_side = {old, from->header.layout.cores};
        const struct store_side new_side = {new, to->header.layout.cores};
        error = store_transfer_begin(&to->transfer, &old_side, &new_side, shard_of_hash,
                                     memory_file_now(from));
    }
    free(old);
    free(new);
    return error;
}

static void move_read(const struct memory_file *file, struct store_transfer_progress *progress) {
    struct memory_file_progress *told = file->progress;
    store_transfer_read(file->transfer, progress);
    atomic_store_explicit(&told->moved, progress->moved, memory_order_relaxed);
    atomic_store_explicit(&told->lost, progress->lost, memory_order_relaxed);
    atomic_store_explicit(&told->left, progress->left, memory_order_relaxed);
}

/* The old file is gone. Where its name can't be removed, as by a user that is not the folder's, the
 * next start finds it empty. */
static void move_remove_old(struct memory_file *from) {
    memory_file_drop_stores(from);
    if (unlink(from->path) != 0 && ftruncate(from->fd, 0) != 0) {
        log_line("-e %s: it can't be removed: %s", from->path, strerror(errno));
    }
    memory_file_free(from);
}

bool memory_file_move_begin(struct memory_file *from, struct memory_file *to) {
    struct store_transfer_progress progress;
    assert(from->header.layout.seed == to->header.layout.seed);
    if (!from->parts) {
        move_remove_old(from);
        return true;
    }
    to->move_began_ns = to->move_told_ns = clock_monotonic_ns(to->clock);
    int error = move_begin_transfer(from, to);
    if (error != 0) {
        return memory_file_fail(to, "move items to other settings", -error);
    }
    to->from = from;
    move_read(to, &progress);
    if (progress.left > 0) {
        log_line("-e %s: %llu items to be moved to other settings", to->path,
                 (unsigned long long)progress.left);
    }
    return true;
}

/* Tells how far it is. */
static void move_tell(const struct memory_file *file,
                      const struct store_transfer_progress *progress, bool starting) {
    unsigned long long items = progress->items, done = items - progress->left;
    log_line("-e %s: %llu of %llu items moved to other settings", file->path, done, items);
    systemd_tell("STATUS=Moving items to other settings: %llu of %llu\n%s", done, items,
                 starting ? MOVE_PATIENCE : "");
}

static void move_end(struct memory_file *file, const struct store_transfer_progress *progress) {
    uint64_t passed_ns = clock_monotonic_ns(file->clock) - file->move_began_ns;
    store_transfer_end(file->transfer);
    file->transfer = NULL;
    move_remove_old(file->from);
    file->from = NULL;
    /* Scans wait for it; the number at the beginning was an estimate. */
    atomic_store_explicit(&file->progress->left, 0, memory_order_relaxed);
    log_line("-e %s: %llu items moved to other settings in %.2f s, %llu had no room", file->path,
             (unsigned long long)progress->moved, (double)passed_ns / 1e9,
             (unsigned long long)progress->lost);
    systemd_tell("STATUS=All items were moved to other settings");
}

static void move_look(struct memory_file *file, bool starting) {
    struct store_transfer_progress progress;
    uint64_t now_ns = clock_monotonic_ns(file->clock);
    bool done = store_transfer_is_done(file->transfer);
    move_read(file, &progress);
    if (now_ns - file->move_told_ns >= CLOCK_SECOND_NS) {
        file->move_told_ns = now_ns;
        move_tell(file, &progress, starting);
    }
    if (done) {
        move_end(file, &progress);
    }
}

void memory_file_move_look(struct memory_file *file) {
    move_look(file, false);
}

static bool move_is_told_to_end(void) {
    sigset_t waiting;
    sigpending(&waiting);
    return sigismember(&waiting, SIGTERM) || sigismember(&waiting, SIGINT);
}

bool memory_file_move_all(struct memory_file *file) {
    while (file->transfer) {
        uint32_t now = memory_file_now(file);
        for (uint32_t n = 0; n < MOVE_SLICES * file->header.layout.cores; n++) {
            store_maintain(file->parts[n % file->header.layout.cores].store, now);
        }
        move_look(file, true);
        if (file->transfer && move_is_told_to_end()) {
            return false;
        }
    }
    return true;
}
