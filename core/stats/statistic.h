/* statistic: the rows of `stats`, each with its type, its unit and what it means in one sentence,
 * so that the answer to the command and the man page (section STATISTICS) come from the same place.
 *
 * Thread: any; the table is constant.
 */
#ifndef CORE_STATS_STATISTIC_H
#define CORE_STATS_STATISTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stats_sources;

enum statistic_type {
    /* Only grows, but for a restart or `stats reset`. */
    STATISTIC_COUNT,
    /* How it is now: it may grow and shrink. */
    STATISTIC_GAUGE,
    /* Stays the same while the server runs. */
    STATISTIC_FACT,
};

#define STATISTIC_TEXT_BYTES 48

struct statistic {
    const char *name;
    enum statistic_type type;
    /* In words, as the man page has it: "bytes", "seconds", "keys". */
    const char *unit;
    /* What it counts or measures; begins with a capital letter unless with the name of a command,
     * ends with a full stop. */
    const char *sentence;
    /* What becomes of items; `stats items` lists these, too. */
    bool is_outcome;
    /* Told with -Z alone. */
    bool is_tls;
    /* Where the value comes from: `text` writes it, NUL-terminated, when it is no whole number;
     * else `number` returns it, if there is such a function; else it is the uint64_t at `offset` in
     * the struct shard_stats of all shards together. */
    void (*text)(const struct stats_sources *sources, char value[STATISTIC_TEXT_BYTES]);
    uint64_t (*number)(const struct stats_sources *sources);
    size_t offset;
};

/* All rows, in the order of the answer. */
extern const struct statistic statistic_table[];
extern const size_t statistic_count;

/* The value of a row without `text`. */
uint64_t statistic_number(const struct statistic *statistic, const struct stats_sources *sources);

/* "count", "gauge" or "fact". */
const char *statistic_type_name(enum statistic_type type);

#endif
