/* Replacement policies: small cases worked out by hand, and random ones against naive models. */
#include "bench/policy.h"

#include "bench/random.h"
#include "bench/trace.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define ITEMS 12
#define REQUESTS 400

static struct policy_load load_of(const uint32_t *requests, size_t count, const double *bytes,
                                  double capacity) {
    return (struct policy_load){.requests = requests,
                                .requests_count = count,
                                .item_bytes = bytes,
                                .value_bytes = bytes,
                                .items_count = ITEMS,
                                .capacity_bytes = capacity,
                                .item_bytes_max = capacity};
}

static uint64_t lru(const struct policy_load *load) {
    return policy_lru(load).requests;
}

/* The paper's, with a small queue of a tenth. */
static uint64_t s3fifo(const struct policy_load *load, uint32_t promote_min) {
    struct policy_s3fifo policy = {
        .small_share = .1, .promote_min = promote_min, .frequency_max = 3, .ghosts_percent = 90};
    return policy_s3fifo(load, &policy).requests;
}

static const double ones[ITEMS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* Room for three: 0 is read again and stays, 1 goes. */
Test(policy, lru_drops_what_was_read_longest_ago) {
    const uint32_t requests[] = {0, 1, 2, 0, 3, 0, 1, 3};
    struct policy_load load = load_of(requests, 8, ones, 3);
    cr_assert(eq(u64, lru(&load), 3));
}

/* Looks for a request among those before it, and sums the bytes of the different items between. */
static bool naive_lru_hits(const struct policy_load *load, size_t at) {
    bool seen[ITEMS] = {false};
    uint32_t number = load->requests[at];
    double bytes = load->item_bytes[number];
    for (size_t i = at; i-- > 0;) {
        if (load->requests[i] == number) {
            return bytes <= load->capacity_bytes;
        }
        if (!seen[load->requests[i]]) {
            bytes += load->item_bytes[load->requests[i]];
        }
        seen[load->requests[i]] = true;
    }
    return false;
}

/* Equal sizes: with others LRU may drop an item to make room for one that goes soon. */
Test(policy, lru_is_stack_distance) {
    uint32_t requests[REQUESTS];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t state = seed, wanted = 0;
        for (size_t i = 0; i < REQUESTS; i++) {
            requests[i] = (uint32_t)random_below(&state, ITEMS);
        }
        struct policy_load load =
            load_of(requests, REQUESTS, ones, (double)random_below(&state, ITEMS + 2));
        for (size_t i = 0; i < REQUESTS; i++) {
            wanted += naive_lru_hits(&load, i);
        }
        cr_assert(eq(u64, lru(&load), wanted), "seed %d", (int)seed);
    }
}

/* Ten places, one of them small's. 0 and 1 are read while in small and pass to main; 2 to 11 go by
 * without pushing them out. */
Test(policy, s3fifo_keeps_what_was_read_from_what_was_not) {
    const uint32_t requests[] = {0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3, 4, 0, 1};
    struct policy_load load = load_of(requests, 19, ones, 10);
    uint64_t hits = s3fifo(&load, 1);
    load.requests_count -= 2;
    cr_assert(eq(u64, hits - s3fifo(&load, 1), 2));
}

/* The same, but a second read is asked for: 0 and 1 go with the rest. */
Test(policy, s3fifo_promotes_by_number_of_reads) {
    const uint32_t requests[] = {0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1};
    struct policy_load load = load_of(requests, 16, ones, 10);
    cr_assert(eq(u64, s3fifo(&load, 1), 4));
    cr_assert(eq(u64, s3fifo(&load, 2), 2));
}

Test(policy, what_never_fits_never_hits) {
    const uint32_t requests[] = {0, 0, 0, 1, 1};
    double bytes[ITEMS] = {5, 1};
    struct policy_load load = load_of(requests, 5, bytes, 4);
    cr_assert(eq(u64, lru(&load), 1));
    cr_assert(eq(u64, s3fifo(&load, 1), 1));
}

/* Against a search of all that is held. */
Test(policy, gdsf_drops_the_least_worth) {
    double bytes[ITEMS], worth[ITEMS], inflation, held;
    uint32_t requests[REQUESTS], reads[ITEMS];
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t state = seed, hits = 0;
        inflation = held = 0;
        memset(reads, 0, sizeof(reads));
        for (size_t i = 0; i < ITEMS; i++) {
            bytes[i] = 1 + (double)random_below(&state, 1000003) / 250000;
        }
        for (size_t i = 0; i < REQUESTS; i++) {
            uint32_t number = requests[i] = (uint32_t)random_below(&state, ITEMS);
            hits += reads[number] > 0;
            held += reads[number] > 0 ? 0 : bytes[number];
            worth[number] = inflation + ++reads[number] / bytes[number];
            while (held > 12) {
                size_t least = ITEMS;
                for (size_t j = 0; j < ITEMS; j++) {
                    if (reads[j] > 0 && (least == ITEMS || worth[j] < worth[least])) {
                        least = j;
                    }
                }
                inflation = worth[least];
                held -= bytes[least];
                reads[least] = 0;
            }
        }
        struct policy_load load = load_of(requests, REQUESTS, bytes, 12);
        cr_assert(eq(u64, policy_gdsf(&load).requests, hits), "seed %d", (int)seed);
    }
}

/* Our store's S3-FIFO, with a rule about size. */
static uint64_t sized(const struct policy_load *load, struct policy_size size) {
    struct policy_s3fifo policy = {.small_share = .1,
                                   .promote_min = 1,
                                   .frequency_max = 2,
                                   .ghosts_percent = 100,
                                   .size = size};
    return policy_s3fifo(load, &policy).requests;
}

/* 0 is four times as large as others, is dropped, comes back by its ghost, and is there at the end,
 * unless it leaves none. */
Test(policy, what_is_large_leaves_no_ghost) {
    const uint32_t requests[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 8, 9, 10, 11, 1, 0};
    double bytes[ITEMS] = {4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct policy_load load = load_of(requests, 15, bytes, 8);
    cr_assert(eq(u64, sized(&load, (struct policy_size){0}), 1));
    cr_assert(eq(u64, sized(&load, (struct policy_size){.no_ghost_from = 2}), 0));
    cr_assert(eq(u64, sized(&load, (struct policy_size){.no_ghost_from = 2, .ghost_every = 1}), 1));
    cr_assert(eq(u64, sized(&load, (struct policy_size){.no_ghost_from = 5}), 1));
}

/* Equal sizes: no rule changes anything. */
Test(policy, equal_sizes_know_no_rule) {
    uint32_t requests[REQUESTS];
    struct policy_size rules[] = {{.no_ghost_from = 2},
                                  {.no_ghost_from = 2, .above_small = true, .ghost_every = 32},
                                  {.no_ghost_from = 2, .read_below = .5, .promote_twice_from = 2},
                                  {.main_twice_from = 2}};
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t state = seed;
        for (size_t i = 0; i < REQUESTS; i++) {
            requests[i] = (uint32_t)random_below(&state, 1 + random_below(&state, ITEMS));
        }
        struct policy_load load =
            load_of(requests, REQUESTS, ones, 1 + (double)random_below(&state, ITEMS));
        uint64_t blind = sized(&load, (struct policy_size){0});
        for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
            cr_assert(eq(u64, sized(&load, rules[i]), blind), "seed %d", (int)seed);
        }
    }
}

/* 0 expires two requests after it was stored, and is stored again; in a cache of one that holds
 * what has expired until it is met, too. What expires soon goes though it was read: 1 to 4 push 0
 * out. */
Test(policy, what_expires_misses) {
    const uint32_t requests[] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 0};
    uint32_t lifetimes[ITEMS] = {2};
    struct policy_load load = load_of(requests, 5, ones, 4);
    struct policy_s3fifo policy = {
        .small_share = .1, .promote_min = 1, .frequency_max = 2, .ghosts_percent = 100};
    load.lifetimes = lifetimes;
    for (int stay = 0; stay < 2; stay++) {
        policy.expired_stay = stay;
        cr_assert(eq(u64, policy_s3fifo(&load, &policy).requests, 2));
    }
    lifetimes[0] = 100;
    load.requests_count = 10;
    cr_assert(eq(u64, policy_s3fifo(&load, &policy).requests, 4));
    policy.expires_soon = 1e9;
    cr_assert(eq(u64, policy_s3fifo(&load, &policy).requests, 3));
}

/* With room for all nothing but the first requests miss, over segments too. */
Test(policy, all_hit_when_all_fit) {
    uint32_t requests[REQUESTS];
    double bytes[ITEMS];
    uint64_t hashes[ITEMS], state = 1;
    for (uint32_t i = 0; i < ITEMS; i++) {
        bytes[i] = 100 + 14.5;
        hashes[i] = random_next(&state);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        requests[i] = i % ITEMS;
    }
    struct policy_load load = load_of(requests, REQUESTS, bytes, 1 << 20);
    for (uint32_t shards = 1; shards <= 4; shards++) {
        struct policy_segments segments = {.hashes = hashes,
                                           .index_bytes = 14.5,
                                           .shards = shards,
                                           .segments_per_shard = 16,
                                           .frequency_max = 2,
                                           .small_share = 0.05};
        cr_assert(eq(u64, policy_segments(&load, &segments).requests, REQUESTS - ITEMS));
    }
    cr_assert(eq(u64, lru(&load), REQUESTS - ITEMS));
    cr_assert(eq(u64, s3fifo(&load, 1), REQUESTS - ITEMS));
}

/* Segments of a 256th of the memory: what they hit is within a hundredth of exact S3-FIFO. */
Test(policy, segments_come_near_to_items) {
    struct trace trace;
    struct trace_options options = {
        .requests_max = 200000, .zipf = 0.9, .zipf_keys = 50000, .seed = 1};
    trace_init(&trace);
    trace_generate(&trace, &options);
    double *bytes = calloc(trace.keys_count, sizeof(*bytes));
    uint64_t *hashes = calloc(trace.keys_count, sizeof(*hashes));
    for (uint32_t i = 0; i < trace.keys_count; i++) {
        bytes[i] = trace.keys[i].value_bytes + 50;
        hashes[i] = trace.keys[i].hash;
    }
    struct policy_load load = {.requests = trace.requests,
                               .requests_count = trace.requests_count,
                               .item_bytes = bytes,
                               .value_bytes = bytes,
                               .items_count = trace.keys_count,
                               .capacity_bytes = 4 << 20,
                               .item_bytes_max = 1 << 20};
    struct policy_segments segments = {.hashes = hashes,
                                       .index_bytes = 14.5,
                                       .shards = 1,
                                       .segments_per_shard = 256,
                                       .frequency_max = 2,
                                       .small_share = 0.1};
    double exact = (double)s3fifo(&load, 1), hits;
    hits = (double)policy_segments(&load, &segments).requests;
    cr_assert(lt(dbl, (double)lru(&load), hits));
    cr_assert(lt(dbl, exact - hits, 0.01 * (double)trace.requests_count));
    cr_assert(lt(dbl, hits - exact, 0.01 * (double)trace.requests_count));
    free(bytes);
    free(hashes);
    trace_finish(&trace);
}
