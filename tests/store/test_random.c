/* Random operations of every kind against the model. STORE_TEST_SEED=n runs another seed. */
#include "model.h"
#include "store_fixture.h"

enum hashing { HASH_GOOD, HASH_FEW, HASH_ONE };

struct run {
    struct store *store;
    struct model *model;
    uint64_t seed;
    uint64_t random;
    uint32_t operation;
    uint32_t now;
    uint32_t value_length_max; /* of the values that the test makes */
    enum hashing hashing;
    bool evicts;
    uint64_t lost; /* evicted items that the test has noticed */
    uint64_t cas_last;
    char key_bytes[256];
    char value[20000];
};

#define CHECK(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            cr_fatal("seed %llu, operation %u: %s", (unsigned long long)(run)->seed,               \
                     (run)->operation, #condition);                                                \
    } while (0)

static uint32_t random_below(struct run *run, uint32_t bound) {
    run->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(fixture_mix(run->random) % bound);
}

static bool one_in(struct run *run, uint32_t n) {
    return random_below(run, n) == 0;
}

static uint64_t key_hash(const struct run *run, uint32_t number) {
    switch (run->hashing) {
    case HASH_GOOD:
        return fixture_mix(number + 1);
    case HASH_FEW: /* few buckets and tags, but the same only for some */
        return fixture_mix(number + 1) & 0x0000000300000407u;
    case HASH_ONE:
        return 0xffffffffffffffffu;
    }
    return 0;
}

/* The number first, so that keys differ; then bytes of every value. */
static struct store_key make_key(struct run *run, uint32_t number) {
    uint64_t mixed = fixture_mix(number + 77);
    uint32_t length = 3 + (mixed % 8 == 0 ? (uint32_t)(mixed >> 8) % 248 : (uint32_t)mixed % 16);
    if (length > 250)
        length = 250;
    memcpy(run->key_bytes, &number, 3);
    for (uint32_t i = 3; i < length; i++)
        run->key_bytes[i] = (char)(mixed >> i % 57);
    return (struct store_key){run->key_bytes, length, key_hash(run, number)};
}

static uint32_t make_number(struct run *run) {
    static const char *const texts[] = {"0",  "9",  "5 ",     "18446744073709551615",
                                        "hi", "-1", "10  10", "18446744073709551616",
                                        "99", "+7", " 12",    "00000000000000000000000000"};
    const char *text = texts[random_below(run, sizeof(texts) / sizeof(texts[0]))];
    memcpy(run->value, text, strlen(text));
    return (uint32_t)strlen(text);
}

/* Mostly short values; some of a segment's size and above. */
static uint32_t make_value(struct run *run) {
    if (one_in(run, 3))
        return make_number(run);
    uint32_t length = random_below(run, 200);
    if (one_in(run, 10))
        length = random_below(run, 3000);
    if (one_in(run, 60))
        length = random_below(run, 17000);
    if (one_in(run, 200))
        length = (uint32_t)SEGMENT_BYTES_MIN - 350 + random_below(run, 400);
    if (length > run->value_length_max)
        length = run->value_length_max;
    memset(run->value, (int)random_below(run, 256), length);
    return length;
}

static uint32_t make_expires(struct run *run) {
    if (!one_in(run, 4))
        return 0;
    return run->now + random_below(run, 30);
}

/* The right CAS, or one that is wrong. */
static uint64_t make_cas(struct run *run, const struct model_item *item) {
    return one_in(run, 3) ? item->cas + 3 : item->cas;
}

/* An answer as for a missing item is right when the store may have evicted it. */
static void note_loss(struct run *run, struct model_item *item, bool as_expected) {
    if (as_expected)
        return;
    CHECK(run, run->evicts && item->present);
    model_forget(item);
    run->lost++;
}

static void check_new_cas(struct run *run, uint64_t cas) {
    CHECK(run, cas > run->cas_last);
    CHECK(run, cas % 3 == 1);
    run->cas_last = cas;
}

static void check_item(struct run *run, const struct model_item *item,
                       const struct store_item *shown) {
    CHECK(run, item->value_length == shown->value_length);
    CHECK(run, memcmp(item->value, shown->value, item->value_length) == 0);
    CHECK(run, item->client_flags == shown->client_flags);
    CHECK(run, item->expires == shown->expires);
    CHECK(run, item->cas == shown->cas);
}

static void do_get(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = make_key(run, number);
    struct store_item shown;
    store_prefetch_bucket(run->store, key.hash);
    store_prefetch_item(run->store, key.hash);
    enum store_status status = store_get(run->store, &key, run->now, &shown);
    note_loss(run, item, (status == STORE_OK) == item->present);
    if (item->present)
        check_item(run, item, &shown);
}

static void do_write(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = make_key(run, number);
    struct store_write write = {
        .mode = one_in(run, 2) ? STORE_SET : (enum store_mode)random_below(run, 5),
        .compare_cas = one_in(run, 5),
        .cas = make_cas(run, item),
        .value = run->value,
        .value_length = make_value(run),
        .client_flags = one_in(run, 3) ? random_below(run, UINT32_MAX) : 0,
        .expires = make_expires(run),
    };
    uint32_t max = store_value_length_max(run->store, key.length);
    uint64_t cas = 0;
    enum store_status status = store_write(run->store, &key, &write, run->now, &cas);
    note_loss(run, item, status == model_expect_write(item, &write, max));
    CHECK(run, status == model_expect_write(item, &write, max));
    model_write(item, &write, cas, status);
    if (status == STORE_OK)
        check_new_cas(run, cas);
    if (item->present && item->expires != 0 && item->expires <= run->now)
        model_forget(item); /* stored dead */
}

/* With evictions it never equals another result, which would hide that an item was made anew. */
static uint64_t make_initial(struct run *run) {
    if (run->evicts)
        return (run->operation + 1) * (uint64_t)1000000000;
    return fixture_mix(run->random + 1) >> random_below(run, 64);
}

static void do_delta(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = make_key(run, number);
    struct store_delta delta = {
        .delta = one_in(run, 3) ? fixture_mix(run->random) : random_below(run, 100),
        .decrement = one_in(run, 2),
        .compare_cas = one_in(run, 5),
        .cas = make_cas(run, item),
        .create = one_in(run, 4),
        .initial = make_initial(run),
        .expires = make_expires(run),
    };
    uint64_t result = 0, expected = 0, cas = 0;
    enum store_status status = store_delta(run->store, &key, &delta, run->now, &result, &cas);
    bool same = status == model_expect_delta(item, &delta, &expected);
    note_loss(run, item, same && (status != STORE_OK || result == expected));
    CHECK(run, status == model_expect_delta(item, &delta, &expected));
    if (status != STORE_OK)
        return;
    CHECK(run, result == expected);
    check_new_cas(run, cas);
    model_delta(item, &delta, result, cas);
    if (item->expires != 0 && item->expires <= run->now)
        model_forget(item);
}

static void do_touch(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = make_key(run, number);
    struct store_item shown;
    uint32_t expires = make_expires(run);
    enum store_status status = store_touch(run->store, &key, expires, run->now, &shown);
    note_loss(run, item, (status == STORE_OK) == item->present);
    if (!item->present)
        return;
    item->expires = expires;
    check_item(run, item, &shown);
    if (expires != 0 && expires <= run->now)
        model_forget(item);
}

static void do_delete(struct run *run, uint32_t number) {
    struct model_item *item = &run->model->items[number];
    struct store_key key = make_key(run, number);
    bool compare = one_in(run, 4);
    uint64_t cas = make_cas(run, item);
    enum store_status status = store_delete(run->store, &key, compare, cas, run->now);
    enum store_status expected = !item->present                ? STORE_NOT_FOUND
                                 : compare && item->cas != cas ? STORE_EXISTS
                                                               : STORE_OK;
    note_loss(run, item, status == expected || status != STORE_NOT_FOUND);
    CHECK(run, status == (item->present ? expected : STORE_NOT_FOUND));
    if (status == STORE_OK)
        model_forget(item);
}

static void do_flush(struct run *run) {
    uint32_t at = one_in(run, 2) ? run->now : run->now + random_below(run, 20);
    store_flush(run->store, at, run->now);
    model_flush(run->model, at);
    if (at <= run->now)
        CHECK(run, fixture_stats(run->store).items == 0);
}

static void do_one(struct run *run) {
    uint32_t number = random_below(run, run->model->keys);
    uint32_t kind = random_below(run, 100);
    model_begin(run->model, run->now);
    if (kind < 30)
        do_get(run, number);
    else if (kind < 70)
        do_write(run, number);
    else if (kind < 80)
        do_delta(run, number);
    else if (kind < 87)
        do_touch(run, number);
    else
        do_delete(run, number);
    if (one_in(run, 2))
        do_get(run, number);
}

/* Looks at every key: then the counts must agree, too. */
static void check_all(struct run *run) {
    uint64_t present = 0;
    model_begin(run->model, run->now);
    for (uint32_t i = 0; i < run->model->keys; i++) {
        do_get(run, i);
        present += run->model->items[i].present;
    }
    struct store_stats stats = fixture_stats(run->store);
    CHECK(run, stats.items == present);
    CHECK(run, stats.evictions >= run->lost);
    CHECK(run, run->evicts || stats.evictions == 0);
    store_check(run->store);
}

struct plan {
    size_t memory_bytes;
    uint32_t keys;
    uint32_t value_length_max;
    uint32_t operations;
    enum hashing hashing;
    bool evicts;
    uint64_t seed;
};

static void run_plan(const struct plan *plan) {
    const char *seed = getenv("STORE_TEST_SEED");
    struct run *run = calloc(1, sizeof(*run));
    run->seed = seed != NULL ? strtoull(seed, NULL, 10) : plan->seed;
    run->random = fixture_mix(run->seed);
    run->store = fixture_store(plan->memory_bytes);
    run->model = model_create(plan->keys);
    run->now = 1;
    run->value_length_max = plan->value_length_max;
    run->hashing = plan->hashing;
    run->evicts = plan->evicts;
    for (; run->operation < plan->operations; run->operation++) {
        do_one(run);
        store_check_memory(run->store);
        if (one_in(run, 20000))
            do_flush(run);
        run->now += one_in(run, 500) ? random_below(run, 5) : 0;
        if (run->operation % 256 == 0)
            store_check(run->store);
        if (run->operation % 10000 == 9999)
            check_all(run);
    }
    check_all(run);
    CHECK(run, !run->evicts || run->lost > 0);
    model_destroy(run->model);
    store_destroy(run->store);
    free(run);
}

Test(store_random, everything_evicts) {
    for (uint64_t seed = 1; seed <= 2; seed++)
        run_plan(&(struct plan){MIB, 20000, 20000, 100000, HASH_GOOD, true, seed});
}

Test(store_random, small_values_evict) {
    run_plan(&(struct plan){MIB, 20000, 200, 200000, HASH_GOOD, true, 3});
}

Test(store_random, large_values_evict) {
    run_plan(&(struct plan){MIB + 12345, 4000, 20000, 100000, HASH_GOOD, true, 4});
}

Test(store_random, nothing_evicts) {
    run_plan(&(struct plan){64 * MIB, 3000, 20000, 100000, HASH_GOOD, false, 5});
}

Test(store_random, few_hashes) {
    run_plan(&(struct plan){MIB, 3000, 20000, 50000, HASH_FEW, true, 6});
}

Test(store_random, one_hash) {
    run_plan(&(struct plan){16 * MIB, 500, 3000, 30000, HASH_ONE, false, 7});
}
