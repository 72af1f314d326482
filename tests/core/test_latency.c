/* The histogram of latencies: its buckets, and what it tells beside the exact numbers. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/stats/latency.h"

#define TIMES 20000

static void add(struct latency *latency, enum latency_kind kind, uint64_t ns, uint64_t n) {
    latency_add(latency, kind, latency_bucket(ns), ns, n);
}

/* One after the other, without a gap, from 0 on. */
Test(latency, buckets_meet) {
    cr_assert(zero(u64, latency_bucket_begin_ns(0)));
    for (uint32_t bucket = 1; bucket < LATENCY_BUCKETS; bucket++) {
        uint64_t begin_ns = latency_bucket_begin_ns(bucket);
        cr_assert(lt(u64, latency_bucket_begin_ns(bucket - 1), begin_ns));
        cr_assert(eq(u32, latency_bucket(begin_ns), bucket));
        cr_assert(eq(u32, latency_bucket(begin_ns - 1), bucket - 1));
    }
    cr_assert(eq(u32, latency_bucket(0), 0));
    cr_assert(eq(u32, latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1));
    cr_assert(lt(u64, (uint64_t)10000000000, latency_bucket_begin_ns(LATENCY_BUCKETS - 1)));
}

static void assert_near(uint64_t told, uint64_t exact) {
    uint64_t off = told > exact ? told - exact : exact - told;
    cr_assert(le(u64, off * 16, exact), "%lu for %lu", (unsigned long)told, (unsigned long)exact);
}

/* From 1 µs to 10 s what is told of a time is off by at most 1/16. */
Test(latency, the_error_is_bounded) {
    for (uint64_t ns = 1000; ns <= 10000000000; ns += 1 + ns / 1000) {
        assert_near(latency_bucket_ns(latency_bucket(ns)), ns);
    }
}

static int compare(const void *one, const void *other) {
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* A tail as of real servers: most within microseconds, few for up to seconds. */
static uint64_t some_time(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    uint64_t random = *state >> 33;
    return 1000 + random % ((uint64_t)1000 << (random >> 20) % 23);
}

Test(latency, percentiles_beside_exact_ones) {
    static const uint32_t percentiles[] = {1, 5000, 9000, 9900, 9990, 10000};
    struct latency *latency = calloc(1, sizeof(*latency));
    uint64_t *times = calloc(TIMES, sizeof(*times)), state = 7, sum = 0;
    for (uint32_t i = 0; i < TIMES; i++) {
        times[i] = some_time(&state);
        sum += times[i];
        add(latency, LATENCY_SET, times[i], 1);
    }
    qsort(times, TIMES, sizeof(*times), compare);
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(*percentiles); i++) {
        uint64_t rank = ((uint64_t)TIMES * percentiles[i] + 9999) / 10000;
        assert_near(latency_percentile_ns(latency, LATENCY_SET, percentiles[i]), times[rank - 1]);
    }
    assert_near(latency_sum_ns(latency, LATENCY_SET), sum);
    cr_assert(eq(u64, latency_count(latency, LATENCY_SET), TIMES));
    cr_assert(eq(u64, latency->max_ns[LATENCY_SET], times[TIMES - 1]));
    cr_assert(zero(u64, latency_count(latency, LATENCY_GET)));
    cr_assert(zero(u64, latency_percentile_ns(latency, LATENCY_GET, 9900)));
    free(times);
    free(latency);
}

/* As Prometheus wants buckets: cumulative, growing with every time, the last bound with nearly all.
 */
Test(latency, counts_within_bounds) {
    struct latency *latency = calloc(1, sizeof(*latency));
    uint64_t *times = calloc(TIMES, sizeof(*times)), state = 3;
    for (uint32_t i = 0; i < TIMES; i++) {
        uint64_t before[LATENCY_BOUNDS];
        for (uint32_t j = 0; j < LATENCY_BOUNDS; j++) {
            before[j] = latency_below(latency, LATENCY_GET, latency_bounds_ns[j]);
            cr_assert(j == 0 || before[j] >= before[j - 1]);
        }
        times[i] = some_time(&state);
        add(latency, LATENCY_GET, times[i], 1);
        for (uint32_t j = 0; j < LATENCY_BOUNDS && i % 100 == 0; j++) {
            cr_assert(
                ge(u64, latency_below(latency, LATENCY_GET, latency_bounds_ns[j]), before[j]));
        }
    }
    for (uint32_t j = 0; j < LATENCY_BOUNDS; j++) {
        uint64_t bound_ns = latency_bounds_ns[j], least = 0, most = 0;
        for (uint32_t i = 0; i < TIMES; i++) {
            least += times[i] + times[i] / 7 <= bound_ns;
            most += times[i] <= bound_ns + bound_ns / 7;
        }
        uint64_t told = latency_below(latency, LATENCY_GET, bound_ns);
        cr_assert(ge(u64, told, least));
        cr_assert(le(u64, told, most));
    }
    cr_assert(eq(u64, latency_bounds_ns[0], 1000));
    cr_assert(eq(u64, latency_bounds_ns[LATENCY_BOUNDS - 1], (uint64_t)10000000000));
    cr_assert(eq(u64, latency_below(latency, LATENCY_GET, UINT64_MAX), TIMES));
    free(times);
    free(latency);
}

Test(latency, merge_and_reset) {
    struct latency *one = calloc(1, sizeof(*one)), *other = calloc(1, sizeof(*other));
    add(one, LATENCY_GET, 5000, 3);
    add(other, LATENCY_GET, 5000000, 1);
    add(other, LATENCY_TURN, 650, 9);
    latency_merge(one, other);
    cr_assert(eq(u64, latency_count(one, LATENCY_GET), 4));
    cr_assert(eq(u64, latency_count(one, LATENCY_TURN), 9));
    cr_assert(eq(u64, one->max_ns[LATENCY_GET], 5000000));
    assert_near(latency_percentile_ns(one, LATENCY_GET, 5000), 5000);
    assert_near(latency_percentile_ns(one, LATENCY_GET, 10000), 5000000);
    cr_assert(eq(u64, latency_percentile_ns(one, LATENCY_TURN, 9900), 650), "the exact maximum");
    latency_reset(one);
    cr_assert(zero(u64, latency_count(one, LATENCY_GET)));
    cr_assert(zero(u64, one->max_ns[LATENCY_GET]));
    free(one);
    free(other);
}
