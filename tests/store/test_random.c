/* Random operations of every kind against the model. STORE_TEST_SEED=n runs another seed,
 * STORE_TEST_PART=n an nth of the operations. */
#include "run.h"

/* Reads every key; then the counts must agree, too. */
static void check_all(struct run *run) {
    uint64_t present = 0;
    model_begin(run->model, run->now);
    for (uint32_t i = 0; i < run->model->keys; i++) {
        run_get(run, i);
        present += run->model->items[i].present;
    }
    struct store_stats stats = fixture_stats(run->store);
    CHECK(run, stats.items == present);
    CHECK(run, stats.evictions >= run->lost);
    CHECK(run, run->evicts || stats.evictions == 0);
    CHECK(run, run->refused != 0 || stats.out_of_memory == 0);
    store_check(run->store);
}

struct plan {
    size_t memory_bytes;
    size_t memory_bytes_max; /* 0: never resized */
    uint32_t keys;
    uint32_t value_length_max;
    uint32_t operations;
    enum hashing hashing;
    enum { EVICTS, NEVER_FULL, REFUSES } memory;
    uint64_t seed;
    uint32_t prefix_one_in; /* operations that flush by a prefix; 0: none does */
};

static struct run *run_create(const struct plan *plan) {
    const char *seed = getenv("STORE_TEST_SEED");
    struct run *run = calloc(1, sizeof(*run));
    run->seed = seed ? strtoull(seed, NULL, 10) : plan->seed;
    run->random = fixture_mix(run->seed);
    struct store_config config = fixture_config(plan->memory_bytes);
    config.hash = run_hash;
    config.seed = plan->hashing;
    if (plan->memory_bytes_max != 0) {
        config.memory_bytes_max = plan->memory_bytes_max;
    }
    config.no_eviction = plan->memory == REFUSES;
    run->store = fixture_store_of(&config);
    run->model = model_create(plan->keys);
    run->model->key = run_key_bytes;
    run->now = 1;
    run->value_length_max = plan->value_length_max;
    run->hashing = plan->hashing;
    run->evicts = plan->memory == EVICTS;
    return run;
}

static void run_step(struct run *run, bool resizes, uint32_t prefix_one_in) {
    run_operation(run);
    if (run_one_in(run, 2)) {
        run_upload(run);
    }
    if (run_one_in(run, 20)) {
        run_lease_end(run);
    }
    if (run_one_in(run, 10)) {
        run_scan(run);
    }
    if (run_one_in(run, 50)) {
        run_crawl(run);
    }
    if (run_one_in(run, 20000)) {
        run_flush(run);
    }
    if (prefix_one_in != 0 && run_one_in(run, prefix_one_in)) {
        run_flush_prefix(run);
    }
    if (resizes && run_one_in(run, 3000)) {
        run_resize(run);
    }
    if (run_one_in(run, 10)) {
        run_maintain(run);
    }
    run->now += run_one_in(run, 500) ? run_below(run, 5) : 0;
}

static void run_plan(const struct plan *plan) {
    struct run *run = run_create(plan);
    const char *part = getenv("STORE_TEST_PART");
    uint32_t operations = plan->operations;
    if (part && plan->memory != REFUSES) { /* which takes so many to be full */
        operations /= (uint32_t)strtoul(part, NULL, 10);
    }
    for (; run->operation < operations; run->operation++) {
        run_step(run, plan->memory_bytes_max != 0, plan->prefix_one_in);
        store_check_memory(run->store);
        if (run->operation % 256 == 0) {
            store_check(run->store);
        }
        if (run->operation % 10000 == 9999) {
            check_all(run);
        }
    }
    check_all(run);
    run_large_ends(run);
    CHECK(run, !run->evicts || run->lost > 0);
    CHECK(run, (run->refused > 0) == (plan->memory == REFUSES));
    CHECK(run, run->scans > 0);
    CHECK(run, run->uploads_ended > operations / 100);
    CHECK(run, run->leases_ended > operations / 1000);
    CHECK(run, (run->taken_over > 0) == (plan->memory == REFUSES));
    model_destroy(run->model);
    store_destroy(run->store);
    free(run);
}

Test(store_random, everything_evicts) {
    for (uint64_t seed = 1; seed <= 2; seed++) {
        run_plan(&(struct plan){MIB, 0, 20000, 20000, 100000, HASH_GOOD, EVICTS, seed, 0});
    }
}

Test(store_random, small_values_evict) {
    run_plan(&(struct plan){MIB, 0, 20000, 200, 200000, HASH_GOOD, EVICTS, 3, 0});
}

Test(store_random, large_values_evict) {
    run_plan(&(struct plan){MIB + 12345, 0, 4000, 20000, 100000, HASH_GOOD, EVICTS, 4, 0});
}

Test(store_random, nothing_evicts) {
    run_plan(&(struct plan){64 * MIB, 0, 3000, 20000, 100000, HASH_GOOD, NEVER_FULL, 5, 0});
}

Test(store_random, few_hashes) {
    run_plan(&(struct plan){MIB, 0, 3000, 20000, 50000, HASH_FEW, EVICTS, 6, 0});
}

Test(store_random, one_hash) {
    run_plan(&(struct plan){16 * MIB, 0, 500, 3000, 30000, HASH_ONE, NEVER_FULL, 7, 0});
}

Test(store_random, resized_again_and_again) {
    run_plan(&(struct plan){2 * MIB, 8 * MIB, 20000, 2000, 200000, HASH_GOOD, EVICTS, 8, 0});
}

Test(store_random, resized_with_small_values) {
    run_plan(&(struct plan){MIB, 3 * MIB, 20000, 1000, 200000, HASH_GOOD, EVICTS, 9, 0});
}

/* Where nothing may be evicted, no item is lost but by operations that remove or replace it, and
 * none is refused that gives back as much memory as it takes. */
Test(store_random, refuses_instead_of_evicting) {
    run_plan(&(struct plan){MIB, 0, 20000, 200, 200000, HASH_GOOD, REFUSES, 202, 0});
    run_plan(&(struct plan){MIB, 0, 4000, 20000, 100000, HASH_GOOD, REFUSES, 11, 0});
}

/* Most flushes by a prefix come when rules are in force already, some when there are too many. */
Test(store_random, flushed_by_prefixes) {
    run_plan(&(struct plan){MIB, 0, 20000, 2000, 100000, HASH_GOOD, EVICTS, 21, 300});
    run_plan(&(struct plan){MIB, 0, 4000, 20000, 100000, HASH_GOOD, EVICTS, 22, 50});
    run_plan(&(struct plan){64 * MIB, 0, 3000, 20000, 50000, HASH_GOOD, NEVER_FULL, 23, 100});
    run_plan(&(struct plan){MIB, 0, 3000, 20000, 50000, HASH_FEW, EVICTS, 24, 100});
}

Test(store_random, flushed_by_prefixes_without_eviction) {
    run_plan(&(struct plan){MIB, 0, 20000, 200, 100000, HASH_GOOD, REFUSES, 25, 300});
    run_plan(&(struct plan){MIB, 0, 4000, 20000, 100000, HASH_GOOD, REFUSES, 26, 300});
}

Test(store_random, flushed_by_prefixes_and_resized) {
    run_plan(&(struct plan){MIB, 3 * MIB, 20000, 1000, 100000, HASH_GOOD, EVICTS, 27, 200});
}
