/* crawler: looks through a shard for items past their time, a slice a turn, and gives their memory
 * back. What a client meets is dropped without it; this is for what nobody asks for any more.
 *
 * Thread: the reactor that owns the shard.
 */
#ifndef CORE_CRAWLER_H
#define CORE_CRAWLER_H

#include <stdbool.h>
#include <stdint.h>

struct shard;

/* Items looked at in one slice. */
#define CRAWLER_SLICE_ITEMS 256

/* Between two slices, until a command says otherwise; memcached's default. */
#define CRAWLER_SLEEP_US 100

struct crawler {
    bool running;
    uint64_t cursor;  /* of store_crawl() */
    uint64_t left;    /* items that it still may look at */
    uint64_t next_ns; /* when the next slice is due */
};

/* Begins a crawl, or begins again. */
void crawler_start(struct shard *shard);

/* Does the slice that is due, if one is. */
void crawler_step(struct shard *shard, uint64_t now_ns);

#endif
