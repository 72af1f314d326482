/* policy: what replacement policies would hit, simulated item by item and byte by byte.
 *
 * exact LRU; GDSF (Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency
 * caching policy", HP Laboratories 1998), which weighs size; exact S3-FIFO (Yang et al., "FIFO
 * queues are all you need for cache eviction", SOSP 2023), with rules for items of unusual size;
 * and S3-FIFO over segments, as bench/segments.c says. A miss sets the key. One thread. When there
 * is no memory, the program ends: this is for benchmarks.
 */
#ifndef BENCH_POLICY_H
#define BENCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy_load {
    const uint32_t *requests; /* each the number of an item */
    size_t requests_count;
    const double *item_bytes;  /* by number, with what the index spends on it */
    const double *value_bytes; /* by number: what a client gets */
    /* By number: after how many requests it expires; 0: never. NULL: none does. Of S3-FIFO only. */
    const uint32_t *lifetimes;
    uint32_t items_count;
    double capacity_bytes;
    double item_bytes_max; /* a larger one is never held */
};

/* Of the requests, and of the bytes of values asked for. */
struct policy_hits {
    uint64_t requests;
    double value_bytes;
};

struct policy_hits policy_lru(const struct policy_load *load);
struct policy_hits policy_gdsf(const struct policy_load *load);

/* What is done about size. An item is measured against m, the mean of all that are held now. All
 * zero: nothing. */
struct policy_size {
    /* Dropped unread from small, an item above no_ghost_from × m, and above the mean of the items
     * in small if above_small is set, leaves no ghost, but each ghost_every-th of them (0:
     * none). */
    double no_ghost_from;
    bool above_small;
    uint32_t ghost_every;
    double read_below;         /* a new one below this × m counts as read once */
    double promote_twice_from; /* from small one above this × m needs two reads */
    double main_twice_from;    /* likewise to stay in main, and both are used up */
};

struct policy_s3fifo {
    double small_share;      /* of the bytes held, for the small queue */
    uint32_t promote_min;    /* reads since it came that let an item pass from small to main */
    uint32_t frequency_max;  /* reads that count */
    uint32_t ghosts_percent; /* ghosts, of the number of items held */
    bool expired_stay;       /* until they are met, as without a crawler */
    /* What expires before this × the time that items spend in small is dropped from small, though
     * it was read, and leaves no ghost. */
    double expires_soon;
    struct policy_size size;
};

struct policy_hits policy_s3fifo(const struct policy_load *load,
                                 const struct policy_s3fifo *policy);

struct policy_segments {
    const uint64_t *hashes; /* by number of item; bits 48..63 choose the shard */
    double index_bytes;     /* of item_bytes, those outside the segments */
    uint32_t shards;
    uint32_t segments_per_shard; /* their size follows, a power of two of at least 16 KiB */
    uint32_t frequency_max;
    double small_share;
};

struct policy_hits policy_segments(const struct policy_load *load,
                                   const struct policy_segments *policy);

#endif
