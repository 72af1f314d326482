#include "core/stats/frequency.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int frequency_init(struct frequency *frequency, uint32_t row) {
    assert(row > 1 && (row & (row - 1)) == 0);
    *frequency = (struct frequency){.counters = calloc(FREQUENCY_ROWS, row), .mask = row - 1};
    return frequency->counters ? 0 : -ENOMEM;
}

void frequency_finish(struct frequency *frequency) {
    free(frequency->counters);
    *frequency = (struct frequency){0};
}

/* Different bits choose in each row. */
static int8_t *frequency_in(const struct frequency *frequency, uint64_t hash, uint32_t row) {
    uint32_t bits = row == 0 ? (uint32_t)hash : (uint32_t)(hash >> 24);
    return &frequency->counters[row * ((size_t)frequency->mask + 1) + (bits & frequency->mask)];
}

static void frequency_halve(struct frequency *frequency) {
    size_t count = FREQUENCY_ROWS * ((size_t)frequency->mask + 1);
    for (size_t i = 0; i < count; i++) {
        frequency->counters[i] /= 2;
    }
    frequency->added = 0;
}

void frequency_prefetch(const struct frequency *frequency, uint64_t hash) {
    for (uint32_t row = 0; row < FREQUENCY_ROWS; row++) {
        __builtin_prefetch(frequency_in(frequency, hash, row), 1);
    }
}

int frequency_add(struct frequency *frequency, uint64_t hash) {
    int8_t *first = frequency_in(frequency, hash, 0), *second = frequency_in(frequency, hash, 1);
    int8_t lowest = *first < *second ? *first : *second;
    if (lowest < INT8_MAX) {
        *first += *first == lowest;
        *second += *second == lowest;
        lowest++;
    }
    if (++frequency->added > frequency->mask / 2) {
        frequency_halve(frequency);
    }
    return lowest;
}

void frequency_punish(struct frequency *frequency, uint64_t hash, int times) {
    assert(times >= 0 && times <= INT8_MAX);
    for (uint32_t row = 0; row < FREQUENCY_ROWS; row++) {
        *frequency_in(frequency, hash, row) = (int8_t)-times;
    }
}
