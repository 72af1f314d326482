/* lifetimes: what items that expire, and never come back, take from others, and what it would bring
 * to drop early what expires soon.
 *
 * Half of the load or less are sessions: keys that are new, are read a few times within a span of
 * requests, have a lifetime, and never come back. The others are 200,000 keys by Zipf's law of
 * exponent 0.9, one in four of which has a lifetime of its own and is stored again when it has
 * expired. Time counts in requests. Sizes follow from the key, as in trace.h.
 */
#include "bench/policy.h"

#include "bench/random.h"
#include "bench/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS 4000000u
#define KEYS 200000u
#define EXPONENT 0.9
#define CAPACITY_BYTES (16 << 20)
#define ITEM_BYTES 30 /* beside the value */
#define TRIES 50      /* places looked at for a read of a session */
#define NOBODY UINT32_MAX

struct sessions {
    double share;      /* of the requests */
    uint32_t reads;    /* the first one included, which stores it */
    uint32_t span;     /* requests from the first read to the last one */
    uint32_t lifetime; /* requests */
    uint32_t others_lifetime;
};

static const struct sessions loads[] = {
    {.3, 5, 20000, 50000, 100000},
    {.5, 3, 5000, 10000, 100000},
    {.3, 5, 20000, 200000, 400000},
};

struct requests {
    uint32_t *numbers;
    uint32_t *lifetimes; /* by number */
    uint32_t items;
};

static void *room_for(size_t count, size_t bytes) {
    void *array = calloc(count, bytes);
    if (!array) {
        fprintf(stderr, "lifetimes: no memory\n");
        exit(EXIT_FAILURE);
    }
    return array;
}

/* Puts reads of new keys at random places, until they have their share. */
static void put_sessions(struct requests *requests, const struct sessions *load, uint64_t *state) {
    uint32_t left = (uint32_t)(load->share * REQUESTS);
    requests->items = KEYS;
    while (left > 0) {
        uint32_t first = (uint32_t)random_below(state, REQUESTS), number = requests->items++;
        requests->lifetimes[number] = load->lifetime;
        for (uint32_t i = 0; i < load->reads && left > 0; i++) {
            uint32_t at = first + (i > 0 ? (uint32_t)random_below(state, load->span) : 0);
            for (uint32_t tries = 0; tries < TRIES && at < REQUESTS; tries++, at++) {
                if (requests->numbers[at] == NOBODY) {
                    requests->numbers[at] = number;
                    left--;
                    break;
                }
            }
        }
    }
}

static void put_others(struct requests *requests, const struct sessions *load, uint64_t *state) {
    double *sums = room_for(KEYS, sizeof(*sums)), sum = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        sums[i] = sum += pow(i + 1.0, -EXPONENT);
        requests->lifetimes[i] = random_mixed(i + 1) % 4 == 0 ? load->others_lifetime : 0;
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        if (requests->numbers[i] != NOBODY) {
            continue;
        }
        requests->numbers[i] = random_by_sums(state, sums, KEYS);
    }
    free(sums);
}

static void simulate(const struct requests *requests) {
    static const double soon[] = {0, 1, 4, 19};
    double *bytes = room_for(requests->items, sizeof(*bytes));
    for (uint32_t i = 0; i < requests->items; i++) {
        bytes[i] = trace_value_bytes(random_mixed(i + 1)) + ITEM_BYTES;
    }
    struct policy_load load = {.requests = requests->numbers,
                               .requests_count = REQUESTS,
                               .item_bytes = bytes,
                               .value_bytes = bytes,
                               .lifetimes = requests->lifetimes,
                               .items_count = requests->items,
                               .capacity_bytes = CAPACITY_BYTES,
                               .item_bytes_max = CAPACITY_BYTES};
    for (int stay = 0; stay < 2; stay++) {
        printf("  %-22s", stay ? "expired ones stay" : "expired ones go at once");
        for (size_t i = 0; i < sizeof(soon) / sizeof(*soon); i++) {
            struct policy_s3fifo policy = {
                .small_share = .05,
                .promote_min = 1,
                .frequency_max = 2,
                .ghosts_percent = 100,
                .expired_stay = stay,
                .expires_soon = soon[i],
                .size = {.no_ghost_from = 2, .above_small = true, .ghost_every = 32}};
            printf(" %.4f", (double)policy_s3fifo(&load, &policy).requests / REQUESTS);
            fflush(stdout);
        }
        printf("\n");
    }
    free(bytes);
}

int main(void) {
    printf("hits per request; dropped though read: none, what expires within 1, 4, 19 times the\n"
           "time that items spend in the small queue\n");
    for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
        uint64_t state = 7;
        struct requests requests = {.numbers = room_for(REQUESTS, sizeof(uint32_t)),
                                    .lifetimes =
                                        room_for((size_t)KEYS + REQUESTS, sizeof(uint32_t))};
        memset(requests.numbers, 0xff, REQUESTS * sizeof(uint32_t));
        put_sessions(&requests, &loads[i], &state);
        put_others(&requests, &loads[i], &state);
        printf("sessions: %.0f %% of the requests, %u reads within %u, lifetime %u; others' %u\n",
               loads[i].share * 100, loads[i].reads, loads[i].span, loads[i].lifetime,
               loads[i].others_lifetime);
        simulate(&requests);
        free(requests.numbers);
        free(requests.lifetimes);
    }
    return 0;
}
