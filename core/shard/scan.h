/* scan: answers that are as long as there are items, connections or prefixes, in parts.
 *
 *     asking shard                                 each shard in turn
 *     asks ──────── cursor ───────────────────▶ scan_fill: one slice of work, one chunk of bytes
 *         ▲                                                            │
 *         └──── write to the output, or add to a sum ◀──── chunk ──────┘
 *
 * A connection has one scan at a time and one chunk of it under way; the next chunk is asked for
 * when the output is not full. All scans share the SCAN_SLICES_PER_TURN slices of a shard's turn; a
 * request beyond them is answered by an empty chunk and asks again. So the time that scans take in
 * a turn is bounded, and so is their memory, however slowly their clients read. The command stays
 * the connection's next request until the scan has ended (it is parsed again each time), so that no
 * later request overtakes it.
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

/* Slices of all scans together that a shard does in one turn of its reactor; other clients wait no
 * longer than these take. */
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
    uint32_t shard;  /* the one that is scanned now; the number of shards: all have been */
    uint64_t cursor; /* the position in that shard; 0 at its start */
    uint64_t lines_left;
    struct sizes_histogram *sizes;
    struct prefix_table prefixes;
};

/* The kind of scan that a request asks for. A malformed one is none. */
enum scan_kind scan_kind_of(const struct request *request);

/* The line that refuses a scan; NULL when it can be done. Dumps are refused in datagrams. */
const char *scan_refusal(const struct shard *shard, const struct request *request, bool datagram);

/* Begins a scan and writes what comes before its first line. NULL without memory. */
struct scan *scan_start(struct shard *shard, const struct request *request, struct buffer *output);

/* Whether the scan waits, since items still move here from a file that was made with other settings
 * (-e): no slice of it would get anywhere. */
bool scan_waits(const struct scan *scan, const struct shard *shard);

/* Does one slice on this shard, if it has one left in this turn: adds to the chunk what is found
 * from *cursor on, which it moves. False when the shard has no more. Thread: the shard's. */
bool scan_fill(struct shard *shard, const struct request *request, uint64_t *cursor,
               struct chunk *chunk);

/* Adds the chunk of a shard to the answer. False without memory. */
bool scan_take(struct scan *scan, struct shard *shard, const struct chunk *chunk, uint64_t cursor,
               bool more, struct buffer *output);

/* Whether scan_end() writes the whole answer, in one piece. */
static inline bool scan_is_sum(const struct scan *scan) {
    return scan->kind == SCAN_SIZES || scan->kind == SCAN_PREFIXES;
}

/* Writes what comes after the last chunk. False without memory, which for a long sum is scarce
 * sooner: see buffer_reserve_long(). Nothing is written then. */
bool scan_end(struct scan *scan, struct shard *shard, const struct request *request,
              struct buffer *output);

/* Frees it, at any point; accepts NULL. */
void scan_free(struct scan *scan);

#endif
