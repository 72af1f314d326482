/* prefix: requests counted by the part of their keys before a delimiter, for `stats detail`.
 *
 *     owner:   prefix_record() ─▶ struct prefix_table ─▶ prefix_table_encode() ─▶ chunks
 *     origin:  chunks of all shards ─▶ prefix_table_merge() ─▶ struct prefix_table
 *                                                    ─▶ prefix_table_write()
 *
 * As in memcached, get, gets, gat, gats and the binary touch count as gets, every storage command
 * as a set whether it succeeds or not, delete as a delete. Meta commands, incr, decr and the text
 * touch are not counted, nor are keys without the delimiter. A prefix may be empty. One with blanks
 * or control characters (binary clients can send it) is not counted, since it would break the lines
 * of the dump.
 *
 * A table is bounded: when it is full, new prefixes are not counted, as in memcached.
 *
 * Thread: that of the shard to which the table belongs, or of the origin that merges.
 */
#ifndef CORE_STATS_PREFIX_H
#define CORE_STATS_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "proto/request.h"

/* The most prefixes of one shard, and of the sum, and how many bytes each may have on average. */
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
    uint32_t capacity;            /* of entries; there are twice as many slots */
    struct prefix_entry *entries; /* in the order they came */
    uint32_t *slots;              /* hash table of indexes of entries + 1; 0: free */
    char *names;                  /* of all entries, concatenated */
    uint32_t names_length;
    uint32_t names_capacity;
};

/* An empty table for at most prefixes_max prefixes; it allocates as it fills. */
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

/* Writes entries to `out`, from *cursor (0 at the start) on, as many as fit into `space`, which is
 * at least PREFIX_ENTRY_BYTES_MAX, and advances the cursor. Returns the number of bytes; 0 at the
 * end. Requests may be counted between two calls; prefix_table_clear() ends the scan. */
#define PREFIX_ENTRY_BYTES_MAX 512
size_t prefix_table_encode(const struct prefix_table *table, uint32_t *cursor, char *out,
                           size_t space);

/* Adds what prefix_table_encode() of another table of the same process has written. */
void prefix_table_merge(struct prefix_table *table, const char *bytes, size_t length);

/* Appends the whole answer to `stats detail dump`. False, with nothing appended, as
 * buffer_reserve_long(). */
bool prefix_table_write(struct buffer_pool *pool, struct buffer *output,
                        const struct request *request, const struct prefix_table *table);

#endif
