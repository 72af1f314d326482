/* sizes: the number of items of each size, for `stats sizes`. No counters are kept: the command
 * scans all items.
 *
 *     owner:   store_scan() ─▶ sizes_visit() ─▶ struct sizes_chunk, inside a message
 *     origin:  chunks of all shards ─▶ sizes_add() ─▶ struct sizes_histogram ─▶ sizes_write()
 *
 * A class holds the sizes up to a multiple of 32 bytes, above 1 MiB of 32 KiB, in memory and with
 * the index entry.
 */
#ifndef CORE_STATS_SIZES_H
#define CORE_STATS_SIZES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "proto/request.h"
#include "store/store.h"

#define SIZES_CLASS_BYTES 32
#define SIZES_FINE_BYTES_MAX ((uint64_t)1 << 20)
#define SIZES_COARSE_CLASS_BYTES ((uint64_t)32 * 1024)

/* The result of one slice of a scan: a hash table by class, so that a slice of many items of few
 * sizes is small. A power of two, and small enough for a message. */
#define SIZES_CHUNK_SLOTS 1024

/* The most classes in a chunk; the free slots keep look-ups short. */
#define SIZES_CHUNK_CLASSES_MAX (SIZES_CHUNK_SLOTS * 3 / 4)

struct sizes_chunk {
    uint32_t classes; /* slots in use */
    struct sizes_slot {
        uint32_t size_class;
        uint32_t items; /* 0: the slot is free */
    } slots[SIZES_CHUNK_SLOTS];
};

struct sizes_histogram {
    uint32_t classes;
    uint64_t items[];
};

/* Makes a chunk empty. */
void sizes_chunk_init(struct sizes_chunk *chunk);

/* A store_visit; its context is a struct sizes_chunk. False when that has no room for the item's
 * class: the chunk is to be sent, and the scan continues with an empty one. */
bool sizes_visit(void *chunk, const struct store_entry *entry);

/* An empty histogram for items of up to item_bytes_max, or NULL. The caller frees it. */
struct sizes_histogram *sizes_create(uint64_t item_bytes_max);

/* Adds a chunk. Items above item_bytes_max count in the last class. */
void sizes_add(struct sizes_histogram *histogram, const struct sizes_chunk *chunk);

/* Appends the whole answer, one line for each class with items. False, with nothing appended, as
 * buffer_reserve_long(). */
bool sizes_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct sizes_histogram *histogram);

#endif
