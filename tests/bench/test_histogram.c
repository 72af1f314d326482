/* Histograms: every time in its bucket, and quantiles as of the sorted times. */
#include "bench/histogram.h"

#include "bench/random.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TIMES 5000

/* Times of all magnitudes below the limit. */
static uint64_t random_time(uint64_t *state) {
    return random_next(state) >> (64 - HISTOGRAM_BITS + random_below(state, HISTOGRAM_BITS));
}

Test(histogram, buckets_follow_each_other_without_gaps) {
    uint64_t start = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t end = histogram_bucket_end_ns(bucket);
        cr_assert(eq(u32, histogram_bucket(start), bucket));
        cr_assert(eq(u32, histogram_bucket(end), bucket));
        cr_assert(le(u64, end - start, start / 128));
        start = end + 1;
    }
    cr_assert(eq(u64, start, (uint64_t)1 << HISTOGRAM_BITS));
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

Test(histogram, quantiles_are_those_of_the_sorted_times) {
    static const double shares[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    uint64_t times[TIMES];
    for (uint64_t state = 1, count = 1; count <= TIMES; count = count * 3 + 1) {
        struct histogram *histogram = calloc(1, sizeof(*histogram));
        for (uint64_t i = 0; i < count; i++) {
            histogram_add(histogram, times[i] = random_time(&state));
        }
        qsort(times, count, sizeof(*times), compare);
        for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
            double rank = ceil(shares[i] * (double)count);
            uint64_t wanted = times[rank > 0 ? (uint64_t)rank - 1 : 0];
            uint64_t found = histogram_quantile_ns(histogram, shares[i]);
            cr_assert(le(u64, wanted, found));
            cr_assert(le(u64, found - wanted, wanted / 128));
        }
        cr_assert(eq(u64, histogram_quantile_ns(histogram, 1), times[count - 1]));
        free(histogram);
    }
}

Test(histogram, empty_and_beyond_the_last_bucket) {
    struct histogram histogram = {0};
    cr_assert(eq(u64, histogram_quantile_ns(&histogram, 0.99), 0));
    histogram_add(&histogram, UINT64_MAX);
    cr_assert(eq(u64, histogram.max_ns, UINT64_MAX));
    cr_assert(eq(u64, histogram.counts[HISTOGRAM_BUCKETS - 1], 1));
}

Test(histogram, merging_is_adding) {
    struct histogram both = {0}, one = {0}, other = {0};
    for (uint64_t state = 7, i = 0; i < TIMES; i++) {
        uint64_t ns = random_time(&state);
        histogram_add(&both, ns);
        histogram_add(i % 3 ? &one : &other, ns);
    }
    histogram_merge(&one, &other);
    cr_assert(eq(int, memcmp(&one, &both, sizeof(one)), 0));
}

Test(histogram, written_as_lines_that_add_up) {
    char text[200];
    struct histogram histogram = {0};
    for (uint64_t i = 0; i < 3; i++) {
        histogram_add(&histogram, 200);
    }
    histogram_add(&histogram, 1000000);
    FILE *file = fmemopen(text, sizeof(text), "w");
    histogram_write(&histogram, file);
    fclose(file);
    cr_assert(eq(int, strcmp(text, "0.200 3 0.750000000\n1003.519 1 1.000000000\n"), 0), "%s",
              text);
}
