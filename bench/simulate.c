/* simulate: the hit ratios that replacement policies would have in the memory of a cache. */
#include "bench/policy.h"
#include "bench/trace.h"

#include <stdlib.h>

#define ITEM_HEADER_BYTES 16
#define ITEM_ALIGN 4
#define INDEX_BYTES_PER_ITEM 14.5
#define GHOSTS_PERCENT 2
#define ITEMS_OF_MEMORY_MIN 4 /* the largest item is this part of a shard */

static const char help[] =
    "simulate: the hit ratios that replacement policies would have\n"
    "\n"
    "  simulate --trace cloudphysics.csv --memory 16\n"
    "  zcat oltp.lis.gz | simulate --trace - --blocks --requests 400000 --memory 32\n"
    "  simulate --zipf 1.2 --keys 500000 --memory 64 --shards 2\n"
    "\n"
    "A cache that is read through: a get, and on a miss a set. An item takes our store's bytes: a\n"
    "header of 16, key and value, rounded up to 4, and 14.5 in the index. 2 % of the memory are\n"
    "left to ghosts. Prints a line per policy: its name, hits per request, and bytes of values "
    "hit\n"
    "per byte asked for:\n"
    "  lru          exact LRU\n"
    "  gdsf         GDSF, which weighs an item's reads against its bytes\n"
    "  s3-fifo-1    exact S3-FIFO, small queue 10 %, promotion after one read\n"
    "  s3-fifo-2    the same after two reads\n"
    "  size-blind   exact S3-FIFO as our store has it, with -o hits=bytes: small queue 5 %,\n"
    "               frequencies to 2\n"
    "  store        the same as our store has it: an item that is dropped unread leaves no ghost\n"
    "               if it is larger than 2 m (m: the mean of all that are held) and larger than\n"
    "               the mean of the small queue, but for each 32nd of them\n"
    "  no-ghost     as size-blind, but items above 2 m leave no ghost\n"
    "  credit       as no-ghost, and new items below m/2 count as read once\n"
    "  twice        as no-ghost, and items above 2 m need two reads to leave the small queue\n"
    "  all-three    no-ghost, credit, and twice\n"
    "  twice-main   as no-ghost, and items above 2 m need two reads to stay in the main queue\n"
    "  segments     size-blind over segments, see below\n"
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

/* Exact S3-FIFOs: that of the paper, with promotion after one read and after two, and our store's
 * with rules about size. */
#define PAPER(reads)                                                                               \
    .small_share = .1, .promote_min = (reads), .frequency_max = 3, .ghosts_percent = 90
#define OURS .small_share = .05, .promote_min = 1, .frequency_max = 2, .ghosts_percent = 100
static const struct {
    const char *name;
    struct policy_s3fifo policy;
} s3fifos[] = {
    {"s3-fifo-1", {PAPER(1)}},
    {"s3-fifo-2", {PAPER(2)}},
    {"size-blind", {OURS}},
    {"store", {OURS, .size = {.no_ghost_from = 2, .above_small = true, .ghost_every = 32}}},
    {"no-ghost", {OURS, .size = {.no_ghost_from = 2}}},
    {"credit", {OURS, .size = {.no_ghost_from = 2, .read_below = .5}}},
    {"twice", {OURS, .size = {.no_ghost_from = 2, .promote_twice_from = 2}}},
    {"all-three", {OURS, .size = {.no_ghost_from = 2, .read_below = .5, .promote_twice_from = 2}}},
    {"twice-main", {OURS, .size = {.no_ghost_from = 2, .main_twice_from = 2}}},
};

static void print(const char *name, struct policy_hits hits, const struct policy_load *load) {
    double bytes = 0;
    for (size_t i = 0; i < load->requests_count; i++) {
        bytes += load->value_bytes[load->requests[i]];
    }
    printf("%-12s %.4f %.4f\n", name, (double)hits.requests / (double)load->requests_count,
           hits.value_bytes / bytes);
}

static void simulate_s3fifos(const struct policy_load *load) {
    for (size_t i = 0; i < sizeof(s3fifos) / sizeof(s3fifos[0]); i++) {
        print(s3fifos[i].name, policy_s3fifo(load, &s3fifos[i].policy), load);
    }
}

static void *room_for(size_t count, size_t bytes) {
    void *array = calloc(count, bytes);
    if (!array) {
        fprintf(stderr, "simulate: no memory\n");
        exit(EXIT_FAILURE);
    }
    return array;
}

static void simulate(const struct trace *trace, const struct options *options) {
    double *bytes = room_for(trace->keys_count, sizeof(*bytes));
    double *value_bytes = room_for(trace->keys_count, sizeof(*value_bytes));
    uint64_t *hashes = room_for(trace->keys_count, sizeof(*hashes));
    for (uint32_t i = 0; i < trace->keys_count; i++) {
        bytes[i] = item_bytes(&trace->keys[i]);
        value_bytes[i] = trace->keys[i].value_bytes;
        hashes[i] = trace->keys[i].hash;
    }
    double memory_bytes = options->memory_mb * 1048576.0;
    struct policy_load load = {
        .requests = trace->requests,
        .requests_count = trace->requests_count,
        .item_bytes = bytes,
        .value_bytes = value_bytes,
        .items_count = trace->keys_count,
        .capacity_bytes = memory_bytes * (100 - GHOSTS_PERCENT) / 100,
        .item_bytes_max = memory_bytes / options->shards / ITEMS_OF_MEMORY_MIN,
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
    print("gdsf", policy_gdsf(&load), &load);
    simulate_s3fifos(&load);
    print("segments", policy_segments(&load, &segments), &load);
    free(bytes);
    free(value_bytes);
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
