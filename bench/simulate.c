/* simulate: the hit ratios that replacement policies would have in the memory of a cache. */
#include "bench/policy.h"
#include "bench/trace.h"

#include <stdlib.h>

#define ITEM_HEADER_BYTES 16
#define ITEM_ALIGN 4
#define INDEX_BYTES_PER_ITEM 14.5
#define GHOSTS_PERCENT 2

static const char help[] =
    "simulate: the hit ratios that replacement policies would have\n"
    "\n"
    "  simulate --trace cloudphysics.csv --memory 16\n"
    "  zcat oltp.lis.gz | simulate --trace - --blocks --requests 400000 --memory 32\n"
    "  simulate --zipf 1.2 --keys 500000 --memory 64 --shards 2\n"
    "\n"
    "A cache that is read through: a get, and on a miss a set. An item takes our store's bytes: a\n"
    "header of 16, key and value, rounded up to 4, and 14.5 in the index. 2 % of the memory are\n"
    "left to ghosts. Prints a line per policy, `name hit-ratio`:\n"
    "  lru          exact LRU\n"
    "  s3-fifo-1    exact S3-FIFO, small queue 10 %, promotion after one read\n"
    "  s3-fifo-2    the same after two reads\n"
    "  segments     S3-FIFO over segments, see below\n"
    "\n"
    "  --memory MB     as a cache's -m (default 64)\n"
    "Of segments:\n"
    "  --shards N      the keys divide over N equal parts of the memory (default 1)\n"
    "  --segments N    of a shard (default 256); their size is a power of two from 16 KiB\n"
    "  --small PERCENT the small queue's share (default 5)\n"
    "  --frequency N   reads that count for an item (default 2)\n" TRACE_HELP;

enum { MEMORY = 'm', SHARDS = 's', SEGMENTS = 'S', SMALL = 'p', FREQUENCY = 'f', HELP = 'h' };

struct options {
    struct trace_options trace;
    uint32_t memory_mb, shards, segments, small_percent, frequency;
};

static uint32_t number(const char *text, uint32_t min, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text && !*end && value >= min && value <= max) {
        return (uint32_t)value;
    }
    fprintf(stderr, "simulate: a number from %u to %u is wanted, not \"%s\"\n", min, max, text);
    exit(64);
}

static void take(struct options *options, int option, const char *argument) {
    if (option == MEMORY) {
        options->memory_mb = number(argument, 1, 1 << 20);
    } else if (option == SHARDS) {
        options->shards = number(argument, 1, 1024);
    } else if (option == SEGMENTS) {
        options->segments = number(argument, 8, 1 << 16);
    } else if (option == SMALL) {
        options->small_percent = number(argument, 0, 100);
    } else if (option == FREQUENCY) {
        options->frequency = number(argument, 1, 1 << 16);
    } else if (option == HELP) {
        fputs(help, stdout);
        exit(EXIT_SUCCESS);
    } else if (!trace_option_take(&options->trace, option, argument)) {
        fprintf(stderr, "simulate: see --help\n");
        exit(64);
    }
}

static void parse(struct options *options, int argc, char **argv) {
    static const struct option names[] = {
        {"memory", required_argument, NULL, MEMORY},
        {"shards", required_argument, NULL, SHARDS},
        {"segments", required_argument, NULL, SEGMENTS},
        {"small", required_argument, NULL, SMALL},
        {"frequency", required_argument, NULL, FREQUENCY},
        {"help", no_argument, NULL, HELP},
        TRACE_OPTION_ROWS,
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        take(options, option, optarg);
    }
    if (optind < argc) {
        take(options, '?', NULL);
    }
}

static double item_bytes(const struct trace_key *key) {
    uint32_t bytes = ITEM_HEADER_BYTES + key->length + key->value_bytes;
    return (bytes + ITEM_ALIGN - 1) / ITEM_ALIGN * ITEM_ALIGN + INDEX_BYTES_PER_ITEM;
}

static void print(const char *name, uint64_t hits, const struct policy_load *load) {
    printf("%-12s %.4f\n", name, (double)hits / (double)load->requests_count);
}

static void simulate(const struct trace *trace, const struct options *options) {
    double *bytes = calloc(trace->keys_count, sizeof(*bytes));
    uint64_t *hashes = calloc(trace->keys_count, sizeof(*hashes));
    if (!bytes || !hashes) {
        exit(EXIT_FAILURE);
    }
    for (uint32_t i = 0; i < trace->keys_count; i++) {
        bytes[i] = item_bytes(&trace->keys[i]);
        hashes[i] = trace->keys[i].hash;
    }
    struct policy_load load = {
        .requests = trace->requests,
        .requests_count = trace->requests_count,
        .item_bytes = bytes,
        .items_count = trace->keys_count,
        .capacity_bytes = options->memory_mb * 1048576.0 * (100 - GHOSTS_PERCENT) / 100,
    };
    struct policy_segments segments = {
        .hashes = hashes,
        .index_bytes = INDEX_BYTES_PER_ITEM,
        .shards = options->shards,
        .segments_per_shard = options->segments,
        .frequency_max = options->frequency,
        .small_share = options->small_percent / 100.0,
    };
    print("lru", policy_lru(&load), &load);
    print("s3-fifo-1", policy_s3fifo(&load, 0.1, 1), &load);
    print("s3-fifo-2", policy_s3fifo(&load, 0.1, 2), &load);
    print("segments", policy_segments(&load, &segments), &load);
    free(bytes);
    free(hashes);
}

int main(int argc, char **argv) {
    struct options options = {.trace = trace_options_default(),
                              .memory_mb = 64,
                              .shards = 1,
                              .segments = 256,
                              .small_percent = 5,
                              .frequency = 2};
    parse(&options, argc, argv);
    struct trace trace;
    const char *wrong = trace_load(&trace, &options.trace);
    if (wrong) {
        fprintf(stderr, "simulate: trace: %s\n", wrong);
        return EXIT_FAILURE;
    }
    printf("requests %zu, keys %u\n", trace.requests_count, trace.keys_count);
    simulate(&trace, &options);
    trace_finish(&trace);
    return EXIT_SUCCESS;
}
