/* scan: answers that are as long as there are items, connections or prefixes, in parts.
 *
 *     asking shard                                 each shard in turn
 *     scan_run ──── cursor ───────────────────▶ scan_fill: one slice of work, one chunk of bytes
 *         ▲                                                            │
 *         └──── write to the output, or add to a sum ◀──── chunk ──────┘
 *
 * A connection has one scan at a time and one chunk of it under way; the next is asked for only
 * when there is room for it in the output. All scans share the few slices that a shard does in a
 * turn; whoever comes too late gets an empty chunk and asks again. So scans never hold a reactor
 * up, and their memory is bounded, however slowly their clients read. The command stays the
 * connection's next request until the scan is through (it is parsed again each time), so nothing
 * overtakes it.
 */
#ifndef CORE_SHARD_SCAN_H
#define CORE_SHARD_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/chunk.h"
#include "core/shard/shard.h"
#include "proto/request.h"

/* Items looked at in one slice. */
#define SCAN_SLICE_ITEMS 256

/* Slices that a shard works on in one turn of its reactor, however many scans there are: the
 * other clients wait no longer than that. */
#define SCAN_SLICES_PER_TURN 4

enum scan_kind {
    SCAN_NONE, /* the request is no scan */
    SCAN_METADUMP,
    SCAN_MGDUMP,
    SCAN_CACHEDUMP,
    SCAN_SIZES,
    SCAN_CONNECTIONS,
    SCAN_PREFIXES,
};

struct scan {
    enum scan_kind kind;
    uint32_t shard;  /* whose turn it is */
    uint64_t cursor; /* in that shard; 0 at its start */
    uint64_t lines_left;
    struct sizes_histogram *sizes;
    struct prefix_table prefixes;
};

/* What kind of scan a request is. A malformed one is none. */
enum scan_kind scan_kind_of(const struct request *request);

/* The line that answers a scan that can't be made; NULL where it can. Dumps never fit a datagram.
 */
const char *scan_refusal(const struct shard *shard, const struct request *request, bool datagram);

/* Begins a scan and writes what comes before its first line. NULL without memory. */
struct scan *scan_start(struct shard *shard, const struct request *request, struct buffer *output);

/* One slice on this shard, if it has one left in this turn: adds to chunk what was found from
 * *cursor on. Returns false when the shard holds no more. Thread: the shard's. */
bool scan_fill(struct shard *shard, const struct request *request, uint64_t *cursor,
               struct chunk *chunk);

/* Takes a chunk of the shard whose turn it is. False without memory. */
bool scan_take(struct scan *scan, struct shard *shard, const struct chunk *chunk, uint64_t cursor,
               bool more, struct buffer *output);

/* Writes what comes after the last chunk. False without memory. */
bool scan_end(struct scan *scan, struct shard *shard, const struct request *request,
              struct buffer *output);

/* Frees it, at any point; accepts NULL. */
void scan_free(struct scan *scan);

#endif
