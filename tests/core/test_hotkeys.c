/* The sketch of hot keys: what it promises, on streams whose counts are known. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats/hotkeys.h"

#define KEYS 10000
#define REQUESTS 200000
#define SECOND_NS ((uint64_t)1000000000)

/* A linear congruential generator (Knuth's MMIX): the streams are the same each time. */
static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static uint64_t hash_of(uint32_t key) {
    return (key + 1) * 0x9e3779b97f4a7c15u;
}

static void add(struct hotkeys *hotkeys, uint32_t key, bool writes, uint64_t now_ns) {
    char name[32];
    int length = snprintf(name, sizeof(name), "key:%u", key);
    const struct hotkeys_request request = {
        .key = name,
        .key_length = (uint32_t)length,
        .hash = hash_of(key),
        .writes = writes,
        .bytes = 100,
    };
    hotkeys_add(hotkeys, &request, now_ns);
}

/* Keys of which the one of rank r comes with a probability of about 1/r^s. */
struct zipf {
    double cumulative[KEYS];
    uint64_t state;
};

static struct zipf *zipf_create(double s) {
    struct zipf *zipf = calloc(1, sizeof(*zipf));
    double sum = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        zipf->cumulative[i] = sum += 1 / pow(i + 1, s);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        zipf->cumulative[i] /= sum;
    }
    return zipf;
}

static uint32_t zipf_next(struct zipf *zipf) {
    double at = next_random(&zipf->state) / 2147483648.0;
    uint32_t low = 0, high = KEYS - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (zipf->cumulative[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct hotkey *find(const struct hotkeys_list *list, uint32_t key) {
    char name[32];
    int length = snprintf(name, sizeof(name), "key:%u", key);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct hotkey *hotkey = &list->keys[i];
        if (hotkey->key_length == length && memcmp(hotkey->key, name, (size_t)length) == 0) {
            return hotkey;
        }
    }
    return NULL;
}

static struct hotkeys *create(void) {
    struct hotkeys *hotkeys = calloc(1, sizeof(*hotkeys));
    hotkeys_init(hotkeys, 42, 0, 0);
    return hotkeys;
}

/* What is told of a key is at most what came of it, and with the excess at least; the excess is at
 * most one of HOTKEYS_ENTRIES requests; and a key above that is listed unless 32 others are. */
Test(hotkeys, what_the_sketch_promises) {
    static const double skews[] = {0, 0.7, 0.99, 1.3};
    for (size_t i = 0; i < sizeof(skews) / sizeof(*skews); i++) {
        struct zipf *zipf = zipf_create(skews[i]);
        struct hotkeys *hotkeys = create();
        struct hotkeys_list list = {0};
        uint32_t *counts = calloc(KEYS, sizeof(*counts));
        for (uint32_t j = 0; j < REQUESTS; j++) {
            uint32_t key = zipf_next(zipf);
            counts[key]++;
            add(hotkeys, key, key % 2, 0);
        }
        hotkeys_list(hotkeys, &list, 0);
        cr_assert(eq(u64, list.sampled, REQUESTS));
        for (uint32_t key = 0; key < KEYS; key++) {
            const struct hotkey *hotkey = find(&list, key);
            if (hotkey) {
                cr_assert(le(u32, hotkey_requests(hotkey), counts[key]));
                cr_assert(ge(u32, hotkey_requests(hotkey) + hotkey->excess, counts[key]));
                cr_assert(le(u32, hotkey->excess, REQUESTS / HOTKEYS_ENTRIES));
                cr_assert(zero(u32, key % 2 ? hotkey->reads : hotkey->writes));
                cr_assert(eq(u64, hotkey->bytes, (uint64_t)100 * hotkey_requests(hotkey)));
            }
        }
        /* 2 % is far above one of 128. */
        for (uint32_t key = 0; key < KEYS; key++) {
            cr_assert(counts[key] < REQUESTS / 50 || find(&list, key), "key %u", key);
        }
        free(counts);
        free(hotkeys);
        free(zipf);
    }
}

Test(hotkeys, the_most_come_first) {
    struct zipf *zipf = zipf_create(0.99);
    struct hotkeys *hotkeys = create();
    struct hotkeys_list list = {0};
    for (uint32_t i = 0; i < REQUESTS; i++) {
        add(hotkeys, zipf_next(zipf), false, 0);
    }
    hotkeys_list(hotkeys, &list, 0);
    cr_assert(eq(u32, list.count, HOTKEYS_LISTED));
    for (uint32_t i = 0; i + 1 < list.count; i++) {
        cr_assert(ge(u32, hotkey_requests(&list.keys[i]), hotkey_requests(&list.keys[i + 1])));
    }
    for (uint32_t rank = 0; rank < 5; rank++) {
        cr_assert(eq(ptr, (void *)find(&list, rank), (void *)&list.keys[rank]), "rank %u", rank);
    }
    free(hotkeys);
    free(zipf);
}

/* On average one of HOTKEYS_SAMPLE, and every key of a client that asks for 64 keys in turn. */
Test(hotkeys, a_rhythm_hides_no_key) {
    const uint32_t requests = 4000000, period = 64;
    struct hotkeys *hotkeys = create();
    struct hotkeys_list list = {0};
    for (uint32_t i = 0; i < requests; i++) {
        if (hotkeys_samples(hotkeys)) {
            add(hotkeys, i % period, false, 0);
        }
    }
    hotkeys_list(hotkeys, &list, 0);
    cr_assert(lt(u64, requests / HOTKEYS_SAMPLE * 95 / 100, list.sampled));
    cr_assert(lt(u64, list.sampled, requests / HOTKEYS_SAMPLE * 105 / 100));
    cr_assert(eq(u32, hotkeys->count, period));
    for (uint32_t i = 0; i < hotkeys->count; i++) {
        uint32_t expected = requests / HOTKEYS_SAMPLE / period;
        cr_assert(lt(u32, expected * 7 / 10, hotkeys->entries[i].reads));
        cr_assert(lt(u32, hotkeys->entries[i].reads, expected * 13 / 10));
    }
    free(hotkeys);
}

/* What was hot ten half-lives ago is not above what is hot now. */
Test(hotkeys, what_is_old_weighs_less) {
    struct hotkeys *hotkeys = create();
    struct hotkeys_list list = {0};
    for (uint32_t i = 0; i < 1024; i++) {
        add(hotkeys, 1, false, SECOND_NS);
    }
    hotkeys_list(hotkeys, &list, SECOND_NS);
    cr_assert(eq(u32, list.keys[0].reads, 1024));
    cr_assert(eq(u64, list.window_ns, SECOND_NS));
    hotkeys_list(hotkeys, &list, HOTKEYS_HALF_LIFE_NS);
    cr_assert(eq(u32, list.keys[0].reads, 512));
    cr_assert(eq(u64, list.window_ns, HOTKEYS_HALF_LIFE_NS / 2));
    for (uint32_t i = 0; i < 10; i++) {
        add(hotkeys, 2, true, 9 * HOTKEYS_HALF_LIFE_NS);
    }
    hotkeys_list(hotkeys, &list, 9 * HOTKEYS_HALF_LIFE_NS);
    cr_assert(eq(u32, list.count, 2));
    cr_assert(eq(u32, list.keys[0].writes, 10));
    cr_assert(eq(u32, list.keys[1].reads, 2));
    hotkeys_list(hotkeys, &list, 100 * HOTKEYS_HALF_LIFE_NS);
    cr_assert(zero(u32, list.count));
    cr_assert(zero(u64, list.sampled));
    free(hotkeys);
}

/* The halvings are at the same moments, whenever a sketch began or was reset. */
Test(hotkeys, all_age_together) {
    struct hotkeys *one = create(), *other = create();
    struct hotkeys_list list = {0};
    hotkeys_reset(other, HOTKEYS_HALF_LIFE_NS / 3);
    add(one, 1, false, HOTKEYS_HALF_LIFE_NS - 2);
    add(other, 2, false, HOTKEYS_HALF_LIFE_NS - 2);
    hotkeys_list(other, &list, HOTKEYS_HALF_LIFE_NS - 1);
    cr_assert(eq(u32, list.count, 1));
    hotkeys_list(one, &list, HOTKEYS_HALF_LIFE_NS);
    cr_assert(zero(u32, list.count));
    hotkeys_list(other, &list, HOTKEYS_HALF_LIFE_NS);
    cr_assert(zero(u32, list.count));
    free(one);
    free(other);
}

Test(hotkeys, lists_are_merged) {
    struct hotkeys *shards[3];
    struct hotkeys_list sum = {0};
    for (uint32_t shard = 0; shard < 3; shard++) {
        shards[shard] = create();
        for (uint32_t key = shard; key < 60; key += 3) {
            for (uint32_t i = 0; i <= key; i++) {
                add(shards[shard], key, false, 0);
            }
        }
        struct hotkeys_list list;
        hotkeys_list(shards[shard], &list, SECOND_NS);
        hotkeys_merge(&sum, &list);
        free(shards[shard]);
    }
    cr_assert(eq(u64, sum.sampled, 60 * 61 / 2));
    cr_assert(eq(u64, sum.window_ns, SECOND_NS));
    cr_assert(eq(u32, sum.count, HOTKEYS_LISTED));
    for (uint32_t i = 0; i < HOTKEYS_LISTED; i++) {
        cr_assert(eq(u32, sum.keys[i].reads, 60 - i));
    }
}

/* The tag alone does not make a key known, nor does the length. */
Test(hotkeys, keys_are_told_apart) {
    struct hotkeys *hotkeys = create();
    struct hotkeys_list list = {0};
    char longest[HOTKEYS_KEY_BYTES];
    memset(longest, 'k', sizeof(longest));
    static const uint32_t lengths[] = {1, 2, HOTKEYS_KEY_BYTES - 1, HOTKEYS_KEY_BYTES};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            const struct hotkeys_request request = {
                .key = longest, .key_length = lengths[i], .hash = 7};
            hotkeys_add(hotkeys, &request, 0);
        }
    }
    hotkeys_list(hotkeys, &list, 0);
    cr_assert(eq(u32, list.count, 4));
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert(eq(u32, list.keys[i].reads, 4 - i));
        cr_assert(eq(u32, list.keys[i].key_length, lengths[3 - i]));
    }
    free(hotkeys);
}
