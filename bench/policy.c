#include "bench/policy.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum queue { NOWHERE, SMALL, MAIN };

/* Neighbours in a queue; behind the items stand the heads of the queues. */
struct node {
    uint32_t newer, older;
    uint32_t ghost;   /* number of evictions from small by its own, 0: none */
    uint32_t stored;  /* at which request */
    uint32_t expires; /* at which request; 0: never */
    uint8_t queue;
    uint8_t frequency;
};

/* An expiry to come. */
struct expiry {
    uint32_t number; /* of the item */
    uint32_t next;   /* index of another one at the same request; 0: none */
};

struct cache {
    const struct policy_load *load;
    const struct policy_s3fifo *policy; /* NULL: LRU */
    struct node *nodes;
    uint32_t heads; /* nodes[heads + queue] */
    double bytes[MAIN + 1];
    uint64_t items[MAIN + 1];
    uint32_t evictions;   /* from small that left a ghost */
    uint32_t turned_away; /* those that left none, or would have but for ghost_every */
    struct policy_hits hits;
    uint32_t now;            /* the number of the request, from 1 */
    double small_requests;   /* how many requests items spend in small, of late */
    struct expiry *expiries; /* from 1 */
    uint32_t expiries_count;
    uint32_t *due; /* by request: the first expiry */
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

static void count_hit(struct cache *cache, uint32_t number) {
    cache->hits.requests++;
    cache->hits.value_bytes += cache->load->value_bytes[number];
}

struct policy_hits policy_lru(const struct policy_load *load) {
    struct cache cache;
    cache_init(&cache, load);
    for (size_t i = 0; i < load->requests_count; i++) {
        uint32_t number = load->requests[i];
        if (load->item_bytes[number] > load->item_bytes_max) {
            continue;
        }
        if (cache.nodes[number].queue != NOWHERE) {
            count_hit(&cache, number);
            leave(&cache, number);
        }
        enter(&cache, number, MAIN);
        while (cache.bytes[MAIN] > load->capacity_bytes) {
            leave(&cache, oldest(&cache, MAIN));
        }
    }
    free(cache.nodes);
    return cache.hits;
}

/* S3-FIFO. */

static double held_bytes(const struct cache *cache) {
    return cache->bytes[SMALL] + cache->bytes[MAIN];
}

static uint64_t held_items(const struct cache *cache) {
    return cache->items[SMALL] + cache->items[MAIN];
}

/* Whether an item is above so many times the mean of what is held. 0 times: no item is. */
static bool is_above(const struct cache *cache, uint32_t number, double times) {
    double bytes = cache->load->item_bytes[number];
    return times > 0 && bytes * (double)held_items(cache) > times * held_bytes(cache);
}

/* Of an item that is in small. */
static bool leaves_ghost(struct cache *cache, uint32_t number) {
    const struct policy_size *size = &cache->policy->size;
    double bytes = cache->load->item_bytes[number];
    if (!is_above(cache, number, size->no_ghost_from) ||
        (size->above_small && bytes * (double)cache->items[SMALL] <= cache->bytes[SMALL])) {
        return true;
    }
    cache->turned_away++;
    return size->ghost_every > 0 && cache->turned_away % size->ghost_every == 0;
}

/* Expiry. */

static bool expires(const struct cache *cache) {
    return cache->load->lifetimes;
}

static void expiry_begin(struct cache *cache) {
    size_t count = cache->load->requests_count + 1;
    if (!expires(cache)) {
        return;
    }
    cache->due = calloc(count, sizeof(*cache->due));
    cache->expiries = calloc(count, sizeof(*cache->expiries));
    if (!cache->due || !cache->expiries) {
        fprintf(stderr, "no memory for the simulation\n");
        exit(EXIT_FAILURE);
    }
}

static bool is_expired(const struct cache *cache, const struct node *node) {
    return node->expires > 0 && node->expires <= cache->now;
}

static void expiry_plan(struct cache *cache, uint32_t number) {
    struct node *node = &cache->nodes[number];
    uint32_t lifetime = expires(cache) ? cache->load->lifetimes[number] : 0;
    node->stored = cache->now;
    node->expires = lifetime > 0 ? cache->now + lifetime : 0;
    if (node->expires > 0 && node->expires <= cache->load->requests_count) {
        cache->expiries[++cache->expiries_count] =
            (struct expiry){.number = number, .next = cache->due[node->expires]};
        cache->due[node->expires] = cache->expiries_count;
    }
}

/* Takes away what expires now, unless only what is met goes; and what is asked for, if expired. */
static void expiry_take(struct cache *cache, uint32_t number) {
    if (!expires(cache)) {
        return;
    }
    for (uint32_t i = cache->due[cache->now]; i != 0; i = cache->expiries[i].next) {
        uint32_t due = cache->expiries[i].number;
        const struct node *node = &cache->nodes[due];
        if (!cache->policy->expired_stay && node->queue != NOWHERE && is_expired(cache, node)) {
            leave(cache, due);
        }
    }
    if (cache->nodes[number].queue != NOWHERE && is_expired(cache, &cache->nodes[number])) {
        leave(cache, number);
    }
}

static bool expires_soon(struct cache *cache, const struct node *node) {
    cache->small_requests += (cache->now - node->stored - cache->small_requests) / 1000;
    return node->expires > 0 &&
           node->expires - cache->now < cache->policy->expires_soon * cache->small_requests;
}

/* Eviction. */

static void evict_small(struct cache *cache) {
    const struct policy_s3fifo *policy = cache->policy;
    uint32_t number = oldest(cache, SMALL);
    struct node *node = &cache->nodes[number];
    bool is_large = is_above(cache, number, policy->size.promote_twice_from);
    bool may_return = leaves_ghost(cache, number);
    leave(cache, number);
    if (is_expired(cache, node)) {
        return;
    }
    if (expires_soon(cache, node)) {
        node->ghost = 0;
    } else if (node->frequency >= policy->promote_min + is_large) {
        node->frequency = 0;
        enter(cache, number, MAIN);
    } else {
        node->ghost = may_return ? ++cache->evictions : 0;
    }
}

static void evict_main(struct cache *cache) {
    uint32_t number = oldest(cache, MAIN);
    struct node *node = &cache->nodes[number];
    uint8_t reads = is_above(cache, number, cache->policy->size.main_twice_from) ? 2 : 1;
    leave(cache, number);
    if (node->frequency >= reads && !is_expired(cache, node)) {
        node->frequency = (uint8_t)(node->frequency - reads);
        enter(cache, number, MAIN);
    }
}

static bool is_ghost(const struct cache *cache, const struct node *node) {
    uint64_t ghosts_max = held_items(cache) * cache->policy->ghosts_percent / 100;
    return node->ghost > 0 && cache->evictions - node->ghost < ghosts_max;
}

static void make_room(struct cache *cache, double bytes) {
    while (held_bytes(cache) + bytes > cache->load->capacity_bytes) {
        double small_max = cache->policy->small_share * held_bytes(cache);
        if (cache->bytes[SMALL] > small_max || cache->items[MAIN] == 0) {
            evict_small(cache);
        } else {
            evict_main(cache);
        }
    }
}

static void admit(struct cache *cache, uint32_t number) {
    struct node *node = &cache->nodes[number];
    double below = cache->policy->size.read_below;
    make_room(cache, cache->load->item_bytes[number]);
    node->frequency = below > 0 && held_items(cache) > 0 && !is_above(cache, number, below) ? 1 : 0;
    enter(cache, number, is_ghost(cache, node) ? MAIN : SMALL);
    node->ghost = 0;
    expiry_plan(cache, number);
}

struct policy_hits policy_s3fifo(const struct policy_load *load,
                                 const struct policy_s3fifo *policy) {
    struct cache cache;
    cache_init(&cache, load);
    cache.policy = policy;
    expiry_begin(&cache);
    for (size_t i = 0; i < load->requests_count; i++) {
        uint32_t number = load->requests[i];
        struct node *node = &cache.nodes[number];
        cache.now++;
        expiry_take(&cache, number);
        if (node->queue != NOWHERE) {
            count_hit(&cache, number);
            node->frequency += node->frequency < policy->frequency_max;
        } else if (load->item_bytes[number] <= load->item_bytes_max) {
            admit(&cache, number);
        }
    }
    free(cache.expiries);
    free(cache.due);
    free(cache.nodes);
    return cache.hits;
}
