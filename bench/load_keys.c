#include "bench/load_keys.h"

#include "bench/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES sizeof(uint64_t)
#define WORD_STEP 0x9e3779b97f4a7c15u /* odd: no word comes twice in a value */

/* The distribution. */

/* The integral of x^-exponent, 0 at 1, and its inverse. Near an exponent of 1 the power is a
 * logarithm; expm1 and log1p go over to it without a step. */
static double integral(double exponent, double x) {
    double log_x = log(x), slope = 1 - exponent;
    return fabs(slope * log_x) < 1e-12 ? log_x : expm1(slope * log_x) / slope;
}

static double integral_inverse(double exponent, double area) {
    double slope = 1 - exponent;
    return fabs(slope * area) < 1e-12 ? exp(area) : exp(log1p(slope * area) / slope);
}

void keys_init(struct keys *keys, const char *prefix, uint32_t count, double exponent) {
    assert(count >= 1);
    assert(count <= KEYS_COUNT_MAX);
    *keys = (struct keys){.prefix = prefix, .prefix_length = (uint32_t)strlen(prefix)};
    assert(keys->prefix_length <= KEYS_PREFIX_BYTES_MAX);
    keys->count = count;
    for (const char *at = prefix; *at; at++) {
        keys->seed = random_mixed(keys->seed + (unsigned char)*at);
    }
    keys->zipf =
        (struct keys_zipf){.exponent = exponent,
                           .top = integral(exponent, count + 0.5),
                           .bottom = integral(exponent, 1.5) - 1,
                           .squeeze = 2 - integral_inverse(exponent, integral(exponent, 2.5) -
                                                                         exp(-exponent * log(2)))};
}

/* A point under the curve is drawn by its area; its column is the rank, accepted when the point is
 * within the bar that stands for it, which it nearly always is. */
static uint32_t next_of_zipf(const struct keys_zipf *zipf, uint32_t count, uint64_t *random) {
    for (;;) {
        double area = zipf->top + random_fraction(random) * (zipf->bottom - zipf->top);
        double x = integral_inverse(zipf->exponent, area);
        double rank = floor(x + 0.5);
        if (rank < 1) {
            rank = 1;
        }
        if (rank > count) {
            rank = count;
        }
        if (rank - x <= zipf->squeeze ||
            area >= integral(zipf->exponent, rank + 0.5) - exp(-zipf->exponent * log(rank))) {
            return (uint32_t)rank - 1;
        }
    }
}

uint32_t keys_next(const struct keys *keys, uint64_t *random) {
    if (keys->zipf.exponent > 0) {
        return next_of_zipf(&keys->zipf, keys->count, random);
    }
    return (uint32_t)random_below(random, keys->count);
}

/* Keys. */

char *keys_put(const struct keys *keys, char *out, uint32_t number) {
    memcpy(out, keys->prefix, keys->prefix_length);
    out += keys->prefix_length;
    for (int at = KEYS_DIGITS - 1; at >= 0; at--, number /= 10) {
        out[at] = (char)('0' + number % 10);
    }
    return out + KEYS_DIGITS;
}

uint32_t keys_number(const struct keys *keys, const char *bytes, size_t length) {
    if (length != keys_key_bytes(keys) || memcmp(bytes, keys->prefix, keys->prefix_length) != 0) {
        return KEYS_NONE;
    }
    uint32_t number = 0;
    for (size_t at = keys->prefix_length; at < length; at++) {
        uint32_t digit = (unsigned char)bytes[at] - (uint32_t)'0';
        if (digit > 9) {
            return KEYS_NONE;
        }
        number = 10 * number + digit;
    }
    return number;
}

/* Sizes. */

bool keys_take_sizes(struct keys *keys, const char *text) {
    double sum = 0;
    keys->sizes_count = 0;
    for (;;) {
        char *end;
        unsigned long bytes = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || bytes > KEYS_VALUE_BYTES_MAX) {
            return false;
        }
        double weight = 1;
        if (*end == ':') {
            weight = strtod(text = end + 1, &end);
        }
        if (end == text || !(weight > 0 && weight < 1e9) || keys->sizes_count == KEYS_SIZES_MAX) {
            return false;
        }
        keys->sizes[keys->sizes_count++] =
            (struct keys_size){.bytes = (uint32_t)bytes, .weights_sum = sum += weight};
        if (*end != ',') {
            return *end == '\0';
        }
        text = end + 1;
    }
}

static uint64_t first_word(const struct keys *keys, uint32_t number) {
    return random_mixed(keys->seed + (number + 1) * WORD_STEP);
}

uint32_t keys_value_bytes(const struct keys *keys, uint32_t number) {
    const struct keys_size *size = keys->sizes, *last = &keys->sizes[keys->sizes_count - 1];
    if (size == last) {
        return size->bytes;
    }
    uint64_t random = first_word(keys, number);
    double wanted = random_fraction(&random) * last->weights_sum;
    while (size < last && size->weights_sum <= wanted) {
        size++;
    }
    return size->bytes;
}

uint32_t keys_value_bytes_max(const struct keys *keys) {
    uint32_t max = 0;
    for (uint32_t i = 0; i < keys->sizes_count; i++) {
        if (keys->sizes[i].bytes > max) {
            max = keys->sizes[i].bytes;
        }
    }
    return max;
}

/* Values. */

char *keys_put_value(const struct keys *keys, char *out, uint32_t number, size_t length) {
    uint64_t word = first_word(keys, number);
    size_t words = length / WORD_BYTES;
    for (size_t i = 0; i < words; i++, word += WORD_STEP) {
        memcpy(out + i * WORD_BYTES, &word, WORD_BYTES);
    }
    memcpy(out + words * WORD_BYTES, &word, length % WORD_BYTES);
    return out + length;
}

bool keys_value_matches(const struct keys *keys, uint32_t number, size_t at, const char *bytes,
                        size_t length) {
    uint64_t word = first_word(keys, number) + at / WORD_BYTES * WORD_STEP, difference = 0, got;
    size_t skipped = at % WORD_BYTES, begun = skipped > 0 ? WORD_BYTES - skipped : 0;
    if (begun > length) {
        begun = length;
    }
    if (memcmp(bytes, (const char *)&word + skipped, begun) != 0) {
        return false;
    }
    word += begun > 0 ? WORD_STEP : 0;
    bytes += begun;
    length -= begun;
    size_t words = length / WORD_BYTES;
    for (size_t i = 0; i < words; i++, word += WORD_STEP) {
        memcpy(&got, bytes + i * WORD_BYTES, WORD_BYTES);
        difference |= got ^ word;
    }
    return difference == 0 && memcmp(bytes + words * WORD_BYTES, &word, length % WORD_BYTES) == 0;
}
