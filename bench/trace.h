/* trace: the requests that a cache gets, one key after another, read from a file or generated.
 *
 * A key has one size of value: that of the trace's own column in its first request, or one that
 * follows from the key, 60 % of 64 to 200 bytes, 30 % of 200 to 800, 10 % of 800 to 4096. What a
 * value holds follows from the key, too, so that a value of another key is noticed.
 *
 * One thread. When there is no memory, the program ends: this is for benchmarks.
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_KEY_BYTES_MAX 250
#define TRACE_VALUE_BYTES_MAX 1000000 /* larger ones of the trace's own are cut to this */
#define TRACE_ZIPF_KEYS_MAX 100000000

struct trace_key {
    size_t text; /* where its bytes begin in trace.text */
    uint64_t hash;
    uint32_t value_bytes;
    uint8_t length;
};

struct trace {
    uint32_t *requests; /* each the number of a key */
    size_t requests_count;
    size_t requests_room;
    struct trace_key *keys;
    uint32_t keys_count;
    uint32_t keys_room;
    char *text;
    size_t text_length;
    size_t text_room;
    uint32_t *slots; /* finds keys by hash: number + 1, 0 is empty; a power of two of them */
    size_t slots_count;
};

struct trace_options {
    const char *path;      /* NULL: generate; "-": standard input */
    bool blocks;           /* a line holds the first block and the number of blocks */
    bool own_sizes;        /* a line holds key,bytes, and these bytes count */
    uint64_t requests_max; /* 0: all of a file, or a million generated ones */
    double zipf;           /* exponent of what is generated */
    uint32_t zipf_keys;
    uint64_t seed;
};

/* For programs that take a trace on their command line: rows of their option table, with values
 * that are no letters, and lines of their help. */
#define TRACE_OPTION_ROWS                                                                          \
    {"trace", required_argument, NULL, TRACE_PATH}, {"blocks", no_argument, NULL, TRACE_BLOCKS},   \
        {"own-sizes", no_argument, NULL, TRACE_OWN_SIZES},                                         \
        {"requests", required_argument, NULL, TRACE_REQUESTS},                                     \
        {"zipf", required_argument, NULL, TRACE_ZIPF},                                             \
        {"keys", required_argument, NULL, TRACE_KEYS}, {                                           \
        "seed", required_argument, NULL, TRACE_SEED                                                \
    }
#define TRACE_HELP                                                                                 \
    "The requests:\n"                                                                              \
    "  --trace FILE    a key per line, or key,bytes; - is standard input, as in\n"                 \
    "                  zcat trace.gz | ... --trace -\n"                                            \
    "  --blocks        lines are: first block, number of blocks, ... (ARC's traces)\n"             \
    "  --own-sizes     the bytes of the first key,bytes line of a key are its value's\n"           \
    "                  (at most 1000000); otherwise the size follows from the key: 60 % of\n"      \
    "                  64 to 200 bytes, 30 % of 200 to 800, 10 % of 800 to 4096\n"                 \
    "  --requests N    the first N only\n"                                                         \
    "  --zipf ALPHA    without --trace: generated, the key of rank r in proportion to\n"           \
    "                  1/r^ALPHA (default 0.99), of --keys N (default 100000), --requests N\n"     \
    "                  (default 1000000), from --seed N (default 1)\n"

enum trace_option {
    TRACE_PATH = 256,
    TRACE_BLOCKS,
    TRACE_OWN_SIZES,
    TRACE_REQUESTS,
    TRACE_ZIPF,
    TRACE_KEYS,
    TRACE_SEED,
};

/* What counts when no option is given. */
struct trace_options trace_options_default(void);

/* Takes one of TRACE_OPTION_ROWS with its argument. False: the argument is none, or the option is
 * not of these. */
bool trace_option_take(struct trace_options *options, int option, const char *argument);

/* Reads or generates what the options say. NULL, or what is wrong, in words that last as long as
 * the program. *trace is to be finished in either case. */
const char *trace_load(struct trace *trace, const struct trace_options *options);

/* The parts of it. trace_read() returns 0, or the number of the first line that is no request. */
void trace_init(struct trace *trace);
void trace_finish(struct trace *trace);
uint64_t trace_read(struct trace *trace, FILE *file, const struct trace_options *options);
void trace_generate(struct trace *trace, const struct trace_options *options);

/* Adds a request for a key; value_bytes counts when it is new. Key bytes: 1 to
 * TRACE_KEY_BYTES_MAX. */
void trace_add(struct trace *trace, const char *key, size_t length, uint32_t value_bytes);

/* The hash that sizes and contents follow from, and the size. */
uint64_t trace_hash(const char *key, size_t length);
uint32_t trace_value_bytes(uint64_t hash);

/* Writes the value of a key. */
void trace_put_value(char *out, const struct trace_key *key);

#endif
