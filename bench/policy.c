#include "bench/policy.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S3FIFO_FREQUENCY_MAX 3

enum queue { NOWHERE, SMALL, MAIN };

/* Neighbours in a queue; behind the items stand the heads of the queues. */
struct node {
    uint32_t newer, older;
    uint32_t ghost; /* number of evictions from small by its own, 0: none */
    uint8_t queue;
    uint8_t frequency;
};

struct cache {
    const struct policy_load *load;
    struct node *nodes;
    uint32_t heads; /* nodes[heads + queue] */
    double bytes[MAIN + 1];
    uint64_t items[MAIN + 1];
    uint32_t evictions; /* from small */
};

static void cache_init(struct cache *cache, const struct policy_load *load) {
    *cache = (struct cache){.load = load, .heads = load->items_count};
    cache->nodes = calloc((size_t)load->items_count + MAIN + 1, sizeof(*cache->nodes));
    if (!cache->nodes) {
        fprintf(stderr, "no memory for the simulation\n");
        exit(EXIT_FAILURE);
    }
    for (uint32_t head = cache->heads; head <= cache->heads + MAIN; head++) {
        cache->nodes[head].newer = cache->nodes[head].older = head;
    }
}

static void enter(struct cache *cache, uint32_t number, enum queue queue) {
    struct node *nodes = cache->nodes, *node = &nodes[number];
    uint32_t head = cache->heads + queue;
    assert(node->queue == NOWHERE);
    node->queue = (uint8_t)queue;
    node->newer = head;
    node->older = nodes[head].older;
    nodes[node->older].newer = number;
    nodes[head].older = number;
    cache->bytes[queue] += cache->load->item_bytes[number];
    cache->items[queue]++;
}

static void leave(struct cache *cache, uint32_t number) {
    struct node *nodes = cache->nodes, *node = &nodes[number];
    assert(node->queue != NOWHERE);
    nodes[node->newer].older = node->older;
    nodes[node->older].newer = node->newer;
    cache->bytes[node->queue] -= cache->load->item_bytes[number];
    cache->items[node->queue]--;
    node->queue = NOWHERE;
}

static uint32_t oldest(const struct cache *cache, enum queue queue) {
    return cache->nodes[cache->heads + queue].newer;
}

uint64_t policy_lru(const struct policy_load *load) {
    struct cache cache;
    uint64_t hits = 0;
    cache_init(&cache, load);
    for (size_t i = 0; i < load->requests_count; i++) {
        uint32_t number = load->requests[i];
        if (load->item_bytes[number] > load->capacity_bytes) {
            continue;
        }
        if (cache.nodes[number].queue != NOWHERE) {
            hits++;
            leave(&cache, number);
        }
        enter(&cache, number, MAIN);
        while (cache.bytes[MAIN] > load->capacity_bytes) {
            leave(&cache, oldest(&cache, MAIN));
        }
    }
    free(cache.nodes);
    return hits;
}

static void evict_small(struct cache *cache, uint32_t promote_min) {
    uint32_t number = oldest(cache, SMALL);
    struct node *node = &cache->nodes[number];
    leave(cache, number);
    if (node->frequency >= promote_min) {
        node->frequency = 0;
        enter(cache, number, MAIN);
    } else {
        node->ghost = ++cache->evictions;
    }
}

static void evict_main(struct cache *cache) {
    uint32_t number = oldest(cache, MAIN);
    struct node *node = &cache->nodes[number];
    leave(cache, number);
    if (node->frequency > 0) {
        node->frequency--;
        enter(cache, number, MAIN);
    }
}

static bool is_ghost(const struct cache *cache, const struct node *node) {
    uint64_t ghosts_max = (cache->items[SMALL] + cache->items[MAIN]) * 9 / 10;
    return node->ghost > 0 && cache->evictions - node->ghost < ghosts_max;
}

uint64_t policy_s3fifo(const struct policy_load *load, double small_share, uint32_t promote_min) {
    struct cache cache;
    uint64_t hits = 0;
    cache_init(&cache, load);
    for (size_t i = 0; i < load->requests_count; i++) {
        uint32_t number = load->requests[i];
        double bytes = load->item_bytes[number];
        struct node *node = &cache.nodes[number];
        if (node->queue != NOWHERE) {
            hits++;
            node->frequency += node->frequency < S3FIFO_FREQUENCY_MAX;
            continue;
        }
        if (bytes > load->capacity_bytes) {
            continue;
        }
        while (cache.bytes[SMALL] + cache.bytes[MAIN] + bytes > load->capacity_bytes) {
            if (cache.bytes[SMALL] > small_share * load->capacity_bytes || cache.items[MAIN] == 0) {
                evict_small(&cache, promote_min);
            } else {
                evict_main(&cache);
            }
        }
        enter(&cache, number, is_ghost(&cache, node) ? MAIN : SMALL);
        node->frequency = 0;
        node->ghost = 0;
    }
    free(cache.nodes);
    return hits;
}
