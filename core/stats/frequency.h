/* frequency: roughly how often each of very many keys is asked for, in little memory: a count-min
 * sketch (Cormode, Muthukrishnan: "An Improved Data Stream Summary", 2005) with conservative
 * updates, whose counts are halved after every window (as in Einziger, Friedman, Manes: "TinyLFU",
 * 2017). core/stats/hotkeys.h knows few keys by name, those that have more than a hundredth of the
 * requests; here a key with one of ten thousand stands out from those with one of a hundred
 * thousand, and none is named.
 *
 *     row 0   | . | 3 | . | . | 1 | …     a key has a counter in each row, chosen by its hash;
 *     row 1   | 7 | . | . | 3 | . | …     its count is at most the lower one of both
 *
 * Thread: that of whoever has what it counts for.
 */
#ifndef CORE_STATS_FREQUENCY_H
#define CORE_STATS_FREQUENCY_H

#include <stdint.h>

#define FREQUENCY_ROWS 2

struct frequency {
    int8_t *counters; /* FREQUENCY_ROWS rows of them */
    uint32_t mask;    /* counters of a row, less one */
    uint32_t added;   /* in this window, of half as many as a row has counters */
};

/* Bytes for rows of so many counters, a power of two. */
static inline uint64_t frequency_bytes(uint32_t row) {
    return (uint64_t)FREQUENCY_ROWS * row;
}

/* Returns 0 or -ENOMEM. */
int frequency_init(struct frequency *frequency, uint32_t row);
void frequency_finish(struct frequency *frequency);

/* Counts a key by its hash, and returns how often it was counted lately: no less than that, but for
 * halving and frequency_punish(). */
int frequency_add(struct frequency *frequency, uint64_t hash);

/* Prefetches what frequency_add() needs. */
void frequency_prefetch(const struct frequency *frequency, uint64_t hash);

/* Puts a key back so far that it has to be counted as often again before it is at 0, or half as
 * often behind the end of a window, and so on. `times`: 0 to 127. */
void frequency_punish(struct frequency *frequency, uint64_t hash, int times);

#endif
