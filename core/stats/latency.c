#include "core/stats/latency.h"

#include <assert.h>
#include <string.h>

#define OCTAVE 8 /* buckets in a power of two */

#define US ((uint64_t)1000)
#define MS (1000 * US)
#define S (1000 * MS)

const uint64_t latency_bounds_ns[LATENCY_BOUNDS] = {
    1 * US,   2 * US,   5 * US, 10 * US, 20 * US, 50 * US, 100 * US, 200 * US,
    500 * US, 1 * MS,   2 * MS, 5 * MS,  10 * MS, 20 * MS, 50 * MS,  100 * MS,
    200 * MS, 500 * MS, 1 * S,  2 * S,   5 * S,   10 * S,
};

uint64_t latency_bucket_begin_ns(uint32_t bucket) {
    assert(bucket < LATENCY_BUCKETS);
    if (bucket == 0) {
        return 0;
    }
    uint32_t exponent = (bucket + 63) / OCTAVE;
    uint64_t eighths = bucket + 71 - OCTAVE * exponent;
    return eighths << (exponent - 3);
}

/* The last one has no end, and is taken to have no width. */
static uint64_t latency_bucket_width_ns(uint32_t bucket) {
    if (bucket == LATENCY_BUCKETS - 1) {
        return 0;
    }
    return latency_bucket_begin_ns(bucket + 1) - latency_bucket_begin_ns(bucket);
}

uint64_t latency_bucket_ns(uint32_t bucket) {
    return latency_bucket_begin_ns(bucket) + latency_bucket_width_ns(bucket) / 2;
}

void latency_merge(struct latency *sum, const struct latency *part) {
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        for (uint32_t kind = 0; kind < LATENCY_KINDS; kind++) {
            sum->counts[bucket][kind] += part->counts[bucket][kind];
        }
    }
    for (uint32_t kind = 0; kind < LATENCY_KINDS; kind++) {
        if (part->max_ns[kind] > sum->max_ns[kind]) {
            sum->max_ns[kind] = part->max_ns[kind];
        }
    }
}

void latency_peek(struct latency *copy, const struct latency *latency) {
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        for (uint32_t kind = 0; kind < LATENCY_KINDS; kind++) {
            copy->counts[bucket][kind] =
                __atomic_load_n(&latency->counts[bucket][kind], __ATOMIC_RELAXED);
        }
    }
    for (uint32_t kind = 0; kind < LATENCY_KINDS; kind++) {
        copy->max_ns[kind] = __atomic_load_n(&latency->max_ns[kind], __ATOMIC_RELAXED);
    }
}

void latency_reset(struct latency *latency) {
    memset(latency, 0, sizeof(*latency));
}

uint64_t latency_count(const struct latency *latency, enum latency_kind kind) {
    uint64_t count = 0;
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        count += latency->counts[bucket][kind];
    }
    return count;
}

uint64_t latency_sum_ns(const struct latency *latency, enum latency_kind kind) {
    uint64_t sum = 0;
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        sum += latency->counts[bucket][kind] * latency_bucket_ns(bucket);
    }
    return sum;
}

uint64_t latency_percentile_ns(const struct latency *latency, enum latency_kind kind,
                               uint32_t of_10000) {
    assert(of_10000 <= 10000);
    uint64_t rank = (latency_count(latency, kind) * of_10000 + 9999) / 10000;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        seen += latency->counts[bucket][kind];
        if (seen > 0 && seen >= rank) {
            uint64_t ns = latency_bucket_ns(bucket);
            uint64_t max_ns = latency->max_ns[kind];
            return ns < max_ns ? ns : max_ns;
        }
    }
    return 0;
}

uint64_t latency_below(const struct latency *latency, enum latency_kind kind, uint64_t ns) {
    uint32_t divided = latency_bucket(ns);
    uint64_t count = 0;
    for (uint32_t bucket = 0; bucket < divided; bucket++) {
        count += latency->counts[bucket][kind];
    }
    uint64_t width_ns = latency_bucket_width_ns(divided);
    if (width_ns == 0) {
        return count + latency->counts[divided][kind];
    }
    /* Not the counts times the part: that is too large for 64 bits where widths are seconds. */
    uint64_t within_ns = ns - latency_bucket_begin_ns(divided);
    double part = (double)within_ns / (double)width_ns;
    return count + (uint64_t)((double)latency->counts[divided][kind] * part);
}

const char *latency_kind_name(enum latency_kind kind) {
    switch (kind) {
    case LATENCY_GET:
        return "get";
    case LATENCY_SET:
        return "set";
    case LATENCY_TOUCH:
        return "touch";
    case LATENCY_DELETE:
        return "delete";
    case LATENCY_ARITHMETIC:
        return "arithmetic";
    case LATENCY_OTHER:
        return "other";
    case LATENCY_TURN:
        return "turn";
    }
    assert(!"a kind that there is not");
    return "";
}
