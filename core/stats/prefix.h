/* prefix: requests counted by the part of their keys before a delimiter, for `stats detail`.
 *
 *     owner:   prefix_record() ─▶ struct prefix_table ─▶ prefix_table_encode() ─▶ chunks
 *     origin:  chunks of all shards ─▶ prefix_table_merge() ─▶ struct prefix_table
 *                                                    ─▶ prefix_table_write()
 *
 * As in memcached, get, gets, gat, gats and the binary touch count as gets, every storage command
 * as a set whatever comes of it, delete as a delete; the meta commands, incr, decr and the text
 * touch count nowhere, nor do keys without the delimiter. A prefix may be empty. One that holds
 * blanks or control characters (binary clients can send it) isn't counted, since it would break the
 * lines of the dump.
 *
 * A table is bounded. The prefixes that come when it is full aren't counted, those that are there
 * go on to be: as in memcached.
 *
 * Thread: a table belongs to one shard, or to whoever merges.
 */
#ifndef CORE_STATS_PREFIX_H
#define CORE_STATS_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "proto/request.h"

/* Prefixes of one shard, and of the sum. All together they may take this many bytes each. */
#define PREFIX_SHARD_MAX 8192
#define PREFIX_SUM_MAX 65536
#define PREFIX_NAME_BYTES_MEAN 32

struct prefix_counts {
    uint64_t get;
    uint64_t hit;
    uint64_t set;
    uint64_t del;
};

struct prefix_entry;

struct prefix_table {
    bool enabled; /* stats detail on; set by the caller */
    char delimiter;
    uint32_t prefixes_max;
    uint32_t count;
    uint32_t capacity;            /* of entries; slots are twice as many */
    struct prefix_entry *entries; /* in the order they came */
    uint32_t *slots;              /* hash table: place in entries + 1, 0 free */
    char *names;                  /* one behind the other */
    uint32_t names_length;
    uint32_t names_capacity;
};

/* An empty table of at most prefixes_max prefixes; memory is taken as it fills. */
void prefix_table_init(struct prefix_table *table, char delimiter, uint32_t prefixes_max);
void prefix_table_finish(struct prefix_table *table);

/* Forgets all counts (stats reset), keeps the settings. */
void prefix_table_clear(struct prefix_table *table);

/* Counts a request that names a key; hit: of a get, that the item was there. */
void prefix_table_record(struct prefix_table *table, const struct request *request, bool hit);

static inline void prefix_record(struct prefix_table *table, const struct request *request,
                                 bool hit) {
    if (__builtin_expect(table->enabled, false)) {
        prefix_table_record(table, request, hit);
    }
}

/* Writes entries from *cursor (0 at the start) on to out, as many as fit into `space`, which is at
 * least PREFIX_ENTRY_BYTES_MAX, and moves the cursor. Returns the bytes; 0 at the end. What is
 * counted between two calls does no harm; after a clear the walk ends. */
#define PREFIX_ENTRY_BYTES_MAX 512
size_t prefix_table_encode(const struct prefix_table *table, uint32_t *cursor, char *out,
                           size_t space);

/* Adds what prefix_table_encode() of another table of the same process has written. */
void prefix_table_merge(struct prefix_table *table, const char *bytes, size_t length);

/* Appends the whole answer to `stats detail dump`. False when there is no memory. */
bool prefix_table_write(struct buffer_pool *pool, struct buffer *output,
                        const struct request *request, const struct prefix_table *table);

#endif
