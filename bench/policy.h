/* policy: what replacement policies would hit, simulated item by item and byte by byte.
 *
 * exact LRU; exact S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP
 * 2023); and our store's: S3-FIFO over segments, as bench/segments.c says. A miss sets the key. One
 * thread. When there is no memory, the program ends: this is for benchmarks.
 */
#ifndef BENCH_POLICY_H
#define BENCH_POLICY_H

#include <stddef.h>
#include <stdint.h>

struct policy_load {
    const uint32_t *requests; /* each the number of an item */
    size_t requests_count;
    const double *item_bytes; /* by number, with what the index spends on it */
    uint32_t items_count;
    double capacity_bytes;
};

/* Both return hits among the requests. An item larger than the capacity is never held. */
uint64_t policy_lru(const struct policy_load *load);

/* small_share: of the capacity, for the small queue; promote_min: reads since it came that let an
 * item pass from small to main. Frequencies go to 3; ghosts are nine for each ten items held. */
uint64_t policy_s3fifo(const struct policy_load *load, double small_share, uint32_t promote_min);

struct policy_segments {
    const uint64_t *hashes; /* by number of item; bits 48..63 choose the shard */
    double index_bytes;     /* of item_bytes, those outside the segments */
    uint32_t shards;
    uint32_t segments_per_shard; /* their size follows, a power of two of at least 16 KiB */
    uint32_t frequency_max;
    double small_share;
};

uint64_t policy_segments(const struct policy_load *load, const struct policy_segments *policy);

#endif
