/* Simulates S3-FIFO over segments, as a log-structured store evicts: the keys divide over shards by
 * hash. A shard is a row of segments of one size; the small and the main queue are FIFOs of
 * segments, each with an open one at its end. What an item spends in the index counts against the
 * segments, and one segment stays free to move items into.
 *
 * Small gives up its oldest segment when it has more than its share, else main does. Of small, what
 * was read moves to main, the rest leaves a ghost; of main, what was read moves to its end with one
 * read less, the rest goes. A new item whose ghost is not older than as many evictions as there
 * are items enters main, any other small.
 */
#include "bench/policy.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES_MIN (16 << 10)

enum queue { SMALL, MAIN, QUEUES };

struct item {
    uint32_t segment; /* 0: not here */
    uint32_t ghost;   /* number of evictions from small by its own, 0: none */
    uint32_t frequency;
};

struct segment {
    uint32_t *items;
    uint32_t items_count;
    uint32_t items_room;
    double used_bytes;
    uint32_t newer; /* in its queue, or the next free one */
};

struct shard {
    struct segment *segments; /* by number, from 1 */
    uint32_t segments_made;
    uint32_t free;
    uint32_t in_use[QUEUES];
    uint32_t oldest[QUEUES];
    uint32_t open[QUEUES];
    uint64_t items_count;
    uint32_t evictions; /* from small */
};

struct cache {
    const struct policy_load *load;
    const struct policy_segments *policy;
    struct item *items;
    double segment_bytes;
};

static void *room_for(void *array, size_t count, size_t bytes) {
    array = realloc(array, count * bytes);
    if (array) {
        return array;
    }
    fprintf(stderr, "no memory for the simulation\n");
    exit(EXIT_FAILURE);
}

/* What an item takes in its segment. */
static double log_bytes(const struct cache *cache, uint32_t number) {
    return cache->load->item_bytes[number] - cache->policy->index_bytes;
}

static uint32_t segments_allowed(const struct cache *cache, const struct shard *shard) {
    double bytes = cache->load->capacity_bytes / cache->policy->shards -
                   cache->policy->index_bytes * (double)shard->items_count;
    return bytes > 0 ? (uint32_t)(bytes / cache->segment_bytes) : 0;
}

static void open_segment(struct shard *shard, enum queue queue) {
    uint32_t number = shard->free;
    if (number != 0) {
        shard->free = shard->segments[number].newer;
    } else {
        number = ++shard->segments_made;
        shard->segments = room_for(shard->segments, number + 1, sizeof(*shard->segments));
        memset(&shard->segments[number], 0, sizeof(*shard->segments));
    }
    struct segment *segment = &shard->segments[number];
    segment->items_count = segment->newer = 0;
    segment->used_bytes = 0;
    if (shard->open[queue] != 0) {
        shard->segments[shard->open[queue]].newer = number;
    } else {
        shard->oldest[queue] = number;
    }
    shard->open[queue] = number;
    shard->in_use[queue]++;
}

static bool has_room(const struct cache *cache, const struct shard *shard, enum queue queue,
                     double bytes) {
    uint32_t open = shard->open[queue];
    return open != 0 && shard->segments[open].used_bytes + bytes <= cache->segment_bytes;
}

static void append(struct cache *cache, struct shard *shard, enum queue queue, uint32_t number) {
    double bytes = log_bytes(cache, number);
    if (!has_room(cache, shard, queue, bytes)) {
        open_segment(shard, queue);
    }
    struct segment *segment = &shard->segments[shard->open[queue]];
    if (segment->items_count == segment->items_room) {
        segment->items_room = 2 * segment->items_room + 64;
        segment->items = room_for(segment->items, segment->items_room, sizeof(*segment->items));
    }
    segment->items[segment->items_count++] = number;
    segment->used_bytes += bytes;
    cache->items[number].segment = shard->open[queue];
}

/* Whose turn it is; an open segment goes only where there is no other. */
static enum queue victim_queue(const struct cache *cache, const struct shard *shard) {
    double small_max = cache->policy->small_share * segments_allowed(cache, shard);
    bool small_ready = shard->oldest[SMALL] != shard->open[SMALL];
    bool main_ready = shard->oldest[MAIN] != shard->open[MAIN];
    if (small_ready && main_ready) {
        return shard->in_use[SMALL] > small_max ? SMALL : MAIN;
    }
    if (small_ready || main_ready) {
        return small_ready ? SMALL : MAIN;
    }
    return shard->open[SMALL] != 0 ? SMALL : MAIN;
}

static void move_or_drop(struct cache *cache, struct shard *shard, enum queue queue,
                         uint32_t number) {
    struct item *item = &cache->items[number];
    if (item->frequency > 0) {
        item->frequency = queue == SMALL ? 0 : item->frequency - 1;
        append(cache, shard, MAIN, number);
        return;
    }
    item->segment = 0;
    shard->items_count--;
    if (queue == SMALL) {
        item->ghost = ++shard->evictions;
    }
}

static void evict(struct cache *cache, struct shard *shard) {
    enum queue queue = victim_queue(cache, shard);
    uint32_t victim = shard->oldest[queue];
    assert(victim != 0);
    shard->oldest[queue] = shard->segments[victim].newer;
    shard->in_use[queue]--;
    if (shard->open[queue] == victim) {
        shard->open[queue] = 0;
    }
    for (uint32_t i = 0; i < shard->segments[victim].items_count; i++) {
        move_or_drop(cache, shard, queue, shard->segments[victim].items[i]);
    }
    shard->segments[victim].newer = shard->free;
    shard->free = victim;
}

static void store(struct cache *cache, struct shard *shard, uint32_t number) {
    struct item *item = &cache->items[number];
    bool is_ghost = item->ghost > 0 && shard->evictions - item->ghost < shard->items_count;
    enum queue queue = is_ghost ? MAIN : SMALL;
    for (;;) {
        uint32_t in_use = shard->in_use[SMALL] + shard->in_use[MAIN];
        uint32_t wanted = !has_room(cache, shard, queue, log_bytes(cache, number));
        if (in_use == 0 || in_use + wanted + 1 <= segments_allowed(cache, shard)) {
            break;
        }
        evict(cache, shard);
    }
    item->frequency = 0;
    item->ghost = 0;
    append(cache, shard, queue, number);
    shard->items_count++;
}

static struct policy_hits run(struct cache *cache, struct shard *shards) {
    const struct policy_load *load = cache->load;
    struct policy_hits hits = {0};
    for (size_t i = 0; i < load->requests_count; i++) {
        uint32_t number = load->requests[i];
        struct item *item = &cache->items[number];
        if (item->segment != 0) {
            hits.requests++;
            hits.value_bytes += load->value_bytes[number];
            item->frequency += item->frequency < cache->policy->frequency_max;
        } else if (log_bytes(cache, number) <= cache->segment_bytes) {
            uint64_t hash = cache->policy->hashes[number];
            store(cache, &shards[(hash >> 48) % cache->policy->shards], number);
        }
    }
    return hits;
}

struct policy_hits policy_segments(const struct policy_load *load,
                                   const struct policy_segments *policy) {
    struct cache cache = {.load = load, .policy = policy, .segment_bytes = SEGMENT_BYTES_MIN};
    double wanted = load->capacity_bytes / policy->shards / policy->segments_per_shard;
    while (2 * cache.segment_bytes <= wanted) {
        cache.segment_bytes *= 2;
    }
    cache.items = room_for(NULL, load->items_count + 1, sizeof(*cache.items));
    memset(cache.items, 0, load->items_count * sizeof(*cache.items));
    struct shard *shards = room_for(NULL, policy->shards, sizeof(*shards));
    memset(shards, 0, policy->shards * sizeof(*shards));
    struct policy_hits hits = run(&cache, shards);
    for (uint32_t i = 0; i < policy->shards; i++) {
        for (uint32_t number = 1; number <= shards[i].segments_made; number++) {
            free(shards[i].segments[number].items);
        }
        free(shards[i].segments);
    }
    free(shards);
    free(cache.items);
    return hits;
}
