#include "core/server/memory_file_move.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/memory_file_stores.h"
#include "core/server/systemd.h"
#include "core/shard/shard.h"

/* Items between two looks at the clock. */
#define MOVE_LOOK_ITEMS 1024u

/* systemd stops to wait for a start that has been silent for longer. */
#define MOVE_PATIENCE "EXTEND_TIMEOUT_USEC=30000000"

struct move {
    struct memory_file *from, *to;
    uint32_t now;
    uint64_t items; /* there are in all */
    uint64_t moved;
    uint64_t left; /* what has not been moved since there is no room, or it is too large now */
    uint64_t began_ns;
    uint64_t told_ns;
    char *value; /* a large value on its way */
    size_t value_bytes;
};

static uint64_t move_count(const struct memory_file *file) {
    uint64_t items = 0;
    struct store_stats stats;
    for (uint32_t i = 0; i < file->header.layout.cores; i++) {
        store_stats(file->parts[i].store, &stats);
        items += stats.items;
    }
    return items;
}

/* Tells how far it is. */
static void move_tell(struct move *move) {
    unsigned long long done = move->moved + move->left, items = move->items;
    log_line("-e %s: %llu of %llu items moved to other settings", move->to->path, done, items);
    systemd_tell("STATUS=Moving items to other settings: %llu of %llu\n" MOVE_PATIENCE, done,
                 items);
}

/* Once in a while; false when the server is to end. */
static bool move_look(struct move *move) {
    uint64_t now_ns = clock_monotonic_ns(move->from->clock);
    sigset_t waiting;
    move->now = memory_file_now(move->from);
    if (now_ns - move->told_ns < CLOCK_SECOND_NS) {
        return true;
    }
    move->told_ns = now_ns;
    move_tell(move);
    sigpending(&waiting);
    return !sigismember(&waiting, SIGTERM) && !sigismember(&waiting, SIGINT);
}

/* A large value in one piece; false: there is no memory for that. */
static bool move_copy_value(struct move *move, const struct store *store,
                            struct store_export *item) {
    uint32_t length = item->item.value_length;
    if (length > move->value_bytes) {
        free(move->value);
        move->value = malloc(length);
        move->value_bytes = move->value ? length : 0;
    }
    if (!move->value) {
        return false;
    }
    for (uint32_t offset = 0; offset < length;) {
        const char *bytes;
        uint32_t part = store_lease_read(store, item->item.large, offset, &bytes);
        memcpy(move->value + offset, bytes, part);
        offset += part;
    }
    item->item.value = move->value;
    item->item.large = 0;
    return true;
}

static void move_item(struct move *move, struct store *store, struct store_export *item) {
    const struct memory_file_layout *layout = &move->to->header.layout;
    char bytes[UINT8_MAX];
    memcpy(bytes, item->key, item->key_length);
    struct store_key key = {.bytes = bytes,
                            .length = item->key_length,
                            .hash = shard_key_hash(bytes, item->key_length, layout->seed)};
    struct store *to = move->to->parts[shard_of_hash(key.hash, layout->cores)].store;
    const struct store_removal removal = {0};
    bool read = item->item.value || move_copy_value(move, store, item);
    enum store_status status = read ? store_import(to, &key, item, move->now) : STORE_NO_MEMORY;
    if (read && status == STORE_NO_MEMORY) {
        /* The file system was full, and may have room by now: of segments that were left. */
        memory_file_reset_bound(move->to, to);
        status = store_import(to, &key, item, move->now);
    }
    if (status == STORE_OK || status == STORE_NOT_STORED) {
        move->moved++;
    } else {
        move->left++;
    }
    store_delete(store, &key, &removal, move->now);
}

static bool move_store(struct move *move, struct store *store) {
    struct store_export item;
    for (uint32_t n = 1; store_export_next(store, move->now, &item); n++) {
        move_item(move, store, &item);
        if (n % MOVE_LOOK_ITEMS == 0 && !move_look(move)) {
            return false;
        }
    }
    return true;
}

/* What the stores know beside their items: CAS go on, and so do flushes that are to come. */
static void move_state(const struct memory_file *from, struct memory_file *to, uint32_t now) {
    for (uint32_t i = 0; i < to->header.layout.cores; i++) {
        struct store *store = to->parts[i].store;
        for (uint32_t j = 0; j < from->header.layout.cores; j++) {
            const struct store_image_info *info = &from->parts[j].info;
            store_raise_cas(store, info->cas_max);
            if (info->flush_at > now) {
                store_flush(store, info->flush_at, now);
            }
            store_export_prefixes(from->parts[j].store, store, now);
        }
    }
}

bool memory_file_move(struct memory_file *from, struct memory_file *to) {
    uint64_t began_ns = clock_monotonic_ns(from->clock);
    struct move move = {.from = from,
                        .to = to,
                        .now = memory_file_now(from),
                        .items = from->parts ? move_count(from) : 0,
                        .began_ns = began_ns,
                        .told_ns = began_ns};
    assert(from->header.layout.seed == to->header.layout.seed);
    if (!from->parts) {
        return true;
    }
    move_state(from, to, move.now);
    bool done = true;
    for (uint32_t i = 0; done && i < from->header.layout.cores; i++) {
        done = move_store(&move, from->parts[i].store);
    }
    free(move.value);
    if (done) {
        uint64_t passed_ns = clock_monotonic_ns(from->clock) - began_ns;
        log_line("-e %s: %llu items moved to other settings in %.2f s, %llu had no room", to->path,
                 (unsigned long long)move.moved, (double)passed_ns / 1e9,
                 (unsigned long long)move.left);
    }
    return done;
}
