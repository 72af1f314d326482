#include "bench/histogram.h"

#include <inttypes.h>
#include <math.h>

void histogram_merge(struct histogram *histogram, const struct histogram *other) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram->counts[i] += other->counts[i];
    }
    histogram->count += other->count;
    if (other->max_ns > histogram->max_ns) {
        histogram->max_ns = other->max_ns;
    }
}

uint64_t histogram_bucket_end_ns(uint32_t bucket) {
    uint32_t group = bucket >> HISTOGRAM_FINE_BITS;
    uint32_t dropped = group > 1 ? group - 1 : 0;
    return ((uint64_t)(bucket - (dropped << HISTOGRAM_FINE_BITS) + 1) << dropped) - 1;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share) {
    double wanted = ceil(share * (double)histogram->count);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end_ns = histogram_bucket_end_ns(i);
            return end_ns < histogram->max_ns ? end_ns : histogram->max_ns;
        }
    }
    return 0;
}

void histogram_write(const struct histogram *histogram, FILE *file) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] == 0) {
            continue;
        }
        seen += histogram->counts[i];
        fprintf(file, "%.3f %" PRIu64 " %.9f\n", (double)histogram_bucket_end_ns(i) / 1e3,
                histogram->counts[i], (double)seen / (double)histogram->count);
    }
}
