/* store: nanoseconds per operation of the store library alone, no sockets and no threads.
 *
 * First sets of new keys with room to spare, hits, misses, overwriting sets and sets that evict, in
 * working sets that fit the caches of the CPU, the translation buffers, and neither; one by one,
 * and as the reactor does it: a group of keys is prefetched, first its buckets, then its items.
 * Keys and hashes are made before the clock starts.
 *
 * Then how long single sets of mixed sizes take in a full store, where they evict, beside the
 * same clock around nothing, and around waits as long as a set: what these show is the
 * machine's. */
#include "store/store.h"

#include "bench/random.h"
#include "bench/trace.h"

/* As the server does. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_BYTES 16
#define VALUE_BYTES 100
#define ITEM_BYTES 160       /* about, with its share of the index: to size a working set */
#define VALUE_BYTES_MAX 4096 /* of mixed sizes */
#define BLOCK 1024           /* operations between two looks at the clock */
#define GROUP 16             /* as many as the reactor prefetches at once */
#define NOW 1
#define SEED 1
#define MB ((size_t)1 << 20)

static const char help[] =
    "store: nanoseconds per operation of the store library alone\n"
    "\n"
    "  bench/store                     (or: meson test -C build --benchmark store)\n"
    "  bench/store --working-sets 1,100,4096 --operations 10000000\n"
    "\n"
    "  --working-sets MB,...  of items; default 1,100,4096. One that finds less than one and a "
    "half\n"
    "                         times as much memory free is left out, and a line says so\n"
    "  --operations N         per figure (default 4000000)\n"
    "  --full MB              the store of the histogram (default 64)\n";

enum operation { NEW, HIT, MISS, OVERWRITE, EVICT };

struct options {
    const char *working_sets;
    uint64_t operations;
    size_t full_mb;
};

/* Keys and their hashes, made ahead. */
struct keys {
    char text[BLOCK][KEY_BYTES];
    struct store_key key[BLOCK];
};

struct bench {
    struct store *store;
    struct keys *keys;
    char *value;
    uint64_t items;  /* numbers below this are, or were, stored */
    uint64_t random; /* state */
    uint64_t next;   /* number that no key has had yet */
    uint64_t found;
};

static void fail(const char *what) {
    fprintf(stderr, "store: %s\n", what);
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t hash(const char *key, uint32_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(key, length, seed);
}

static void bench_init(struct bench *bench, size_t memory_bytes) {
    struct store_config config = {.hash = hash,
                                  .seed = SEED,
                                  .memory_bytes = memory_bytes,
                                  .memory_bytes_max = memory_bytes,
                                  .item_bytes_max = MB,
                                  .shards = 1};
    *bench = (struct bench){.random = 1, .keys = malloc(sizeof(*bench->keys))};
    bench->value = malloc(VALUE_BYTES_MAX);
    if (!bench->keys || !bench->value || store_create(&bench->store, &config) != 0) {
        fail("no memory");
    }
    memset(bench->value, 'v', VALUE_BYTES_MAX);
}

static void bench_finish(struct bench *bench) {
    store_destroy(bench->store);
    free(bench->keys);
    free(bench->value);
}

static void make_key(struct keys *keys, size_t at, uint64_t number) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < KEY_BYTES; i++) {
        keys->text[at][i] = digits[number >> (60 - 4 * i) & 15];
    }
    keys->key[at] = (struct store_key){.bytes = keys->text[at],
                                       .length = KEY_BYTES,
                                       .hash = hash(keys->text[at], KEY_BYTES, SEED)};
}

/* The keys of one block of operations. */
static void make_keys(struct bench *bench, enum operation operation) {
    for (size_t i = 0; i < BLOCK; i++) {
        bool is_new = operation == NEW || operation == MISS || operation == EVICT;
        uint64_t number = is_new ? bench->next++ : random_next(&bench->random) % bench->items;
        make_key(bench->keys, i, number);
    }
}

static void prefetch(const struct bench *bench, size_t first) {
    for (size_t i = first; i < first + GROUP; i++) {
        store_prefetch_bucket(bench->store, bench->keys->key[i].hash);
    }
    for (size_t i = first; i < first + GROUP; i++) {
        store_prefetch_item(bench->store, bench->keys->key[i].hash);
    }
}

static void set(struct bench *bench, const struct store_key *key, uint32_t value_length) {
    uint64_t cas;
    struct store_write write = {
        .mode = STORE_SET, .value = bench->value, .value_length = value_length};
    if (store_write(bench->store, key, &write, NOW, &cas) != STORE_OK) {
        fail("a set is refused");
    }
}

/* A get reads the value's start, as the reply's copy would. */
static void get(struct bench *bench, const struct store_key *key) {
    struct store_item item;
    if (store_get(bench->store, key, NOW, &item) == STORE_OK) {
        bench->found += *(const volatile char *)item.value == 'v';
    }
}

static void run_block(struct bench *bench, enum operation operation, bool prefetched) {
    for (size_t i = 0; i < BLOCK; i++) {
        if (prefetched && i % GROUP == 0) {
            prefetch(bench, i);
        }
        if (operation == HIT || operation == MISS) {
            get(bench, &bench->keys->key[i]);
        } else {
            set(bench, &bench->keys->key[i], VALUE_BYTES);
        }
    }
}

/* Nanoseconds per operation. */
static double measure(struct bench *bench, enum operation operation, bool prefetched,
                      uint64_t operations) {
    uint64_t taken_ns = 0, done = 0;
    bench->found = 0;
    for (; done < operations; done += BLOCK) {
        make_keys(bench, operation);
        uint64_t begun_ns = now_ns();
        run_block(bench, operation, prefetched);
        taken_ns += now_ns() - begun_ns;
    }
    if ((operation == HIT && bench->found != done) || (operation == MISS && bench->found != 0)) {
        fail("a get does not find what it must, or finds what it mustn't");
    }
    return (double)taken_ns / (double)done;
}

static void print(size_t megabytes, enum operation operation, double plain_ns,
                  double prefetched_ns) {
    static const char *const names[] = {[NEW] = "set, new",
                                        [HIT] = "hit",
                                        [MISS] = "miss",
                                        [OVERWRITE] = "set, overwriting",
                                        [EVICT] = "set, evicting"};
    printf("%6zu  %-16s %8.1f %10.1f\n", megabytes, names[operation], plain_ns, prefetched_ns);
    fflush(stdout);
}

static size_t free_memory(void) {
    char line[256];
    size_t kb = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "MemAvailable: %zu kB", &kb) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return kb << 10;
}

static void measure_operations(size_t megabytes, bool evicting, uint64_t operations) {
    struct bench bench;
    bench_init(&bench, megabytes * MB * (evicting ? 4 : 5) / 4);
    uint64_t half = megabytes * MB / ITEM_BYTES * (evicting ? 3 : 2) / 4 / BLOCK * BLOCK;
    double plain_ns = measure(&bench, NEW, false, half);
    double prefetched_ns = measure(&bench, NEW, true, half);
    bench.items = bench.next;
    if (!evicting) {
        print(megabytes, NEW, plain_ns, prefetched_ns);
    }
    for (enum operation operation = evicting ? EVICT : HIT;
         operation <= (evicting ? EVICT : OVERWRITE); operation++) {
        plain_ns = measure(&bench, operation, false, operations);
        prefetched_ns = measure(&bench, operation, true, operations);
        print(megabytes, operation, plain_ns, prefetched_ns);
    }
    bench_finish(&bench);
}

/* What finds its items, in a store with room to spare; then sets into a full one. */
static void measure_working_set(size_t megabytes, uint64_t operations) {
    if (free_memory() < megabytes * MB * 3 / 2) {
        printf("%6zu  left out: %zu MB of memory are free\n", megabytes, free_memory() / MB);
        return;
    }
    measure_operations(megabytes, false, operations);
    measure_operations(megabytes, true, operations);
}

/* Times of single operations. */

static int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static void print_times(const char *name, uint32_t *times_ns, uint64_t count) {
    static const double parts[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999};
    qsort(times_ns, count, sizeof(*times_ns), by_size);
    printf("%-24s", name);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        printf(" %9u", times_ns[(size_t)(parts[i] * (double)count)]);
    }
    printf(" %9u\n", times_ns[count - 1]);
}

enum timed { NOTHING, WAITING, SETTING };

static void wait_ns(uint64_t since_ns, uint64_t wanted_ns) {
    while (now_ns() - since_ns < wanted_ns) {
        continue;
    }
}

/* Times sets of new keys, or nothing, or idle waits of wait_wanted_ns each. */
static void time_sets(struct bench *bench, enum timed timed, uint64_t wait_wanted_ns,
                      uint32_t *times_ns, uint64_t count) {
    for (uint64_t done = 0; done < count; done++) {
        if (done % BLOCK == 0) {
            make_keys(bench, EVICT);
        }
        const struct store_key *key = &bench->keys->key[done % BLOCK];
        uint32_t length = trace_value_bytes(key->hash);
        uint64_t begun_ns = now_ns();
        if (timed == SETTING) {
            set(bench, key, length);
        } else if (timed == WAITING) {
            wait_ns(begun_ns, wait_wanted_ns);
        }
        uint64_t taken_ns = now_ns() - begun_ns;
        times_ns[done] = taken_ns < UINT32_MAX ? (uint32_t)taken_ns : UINT32_MAX;
    }
}

/* Sets keys until the store must be full, whatever their sizes. */
static void fill_up(struct bench *bench, size_t megabytes) {
    for (uint64_t done = 0; done < megabytes * MB / 256; done += BLOCK) {
        make_keys(bench, EVICT);
        for (size_t i = 0; i < BLOCK; i++) {
            set(bench, &bench->keys->key[i], trace_value_bytes(bench->keys->key[i].hash));
        }
    }
}

/* What interrupts the program meets a longer operation more often: so there is an empty loop that
 * waits as long as the median set takes. */
static void measure_times(size_t megabytes, uint64_t count) {
    struct bench bench;
    bench_init(&bench, megabytes * MB);
    uint32_t *times_ns = calloc(count, sizeof(*times_ns));
    if (!times_ns) {
        fail("no memory");
    }
    memset(times_ns, 1, count * sizeof(*times_ns)); /* a first touch is not the store's time */
    time_sets(&bench, NOTHING, 0, times_ns, count);
    print_times("empty loop", times_ns, count);
    fill_up(&bench, megabytes);
    time_sets(&bench, SETTING, 0, times_ns, count);
    print_times("set in a full store", times_ns, count);
    time_sets(&bench, WAITING, times_ns[count / 2], times_ns, count); /* they are sorted */
    print_times("as long, doing nothing", times_ns, count);
    free(times_ns);
    bench_finish(&bench);
}

/* The command line. */

static uint64_t number(const char *text, uint64_t min, uint64_t max) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text && !*end && value >= min && value <= max) {
        return value;
    }
    fprintf(stderr, "store: \"%s\" is no number that will do, see --help\n", text);
    exit(64);
}

static void parse(struct options *options, int argc, char **argv) {
    static const struct option names[] = {
        {"working-sets", required_argument, NULL, 'w'},
        {"operations", required_argument, NULL, 'o'},
        {"full", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == '?') {
            exit(64);
        }
        if (option == 'w') {
            options->working_sets = optarg;
        } else if (option == 'o') {
            options->operations = number(optarg, BLOCK, 1000000000);
        } else if (option == 'f') {
            options->full_mb = number(optarg, 1, 1 << 16);
        } else {
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        }
    }
}

int main(int argc, char **argv) {
    struct options options = {.working_sets = "1,100,4096", .operations = 4000000, .full_mb = 64};
    parse(&options, argc, argv);
    printf("ns per operation, keys of %d bytes, values of %d; groups of %d prefetched\n"
           "%6s  %-16s %8s %10s\n",
           KEY_BYTES, VALUE_BYTES, GROUP, "MB", "", "plain", "prefetched");
    char *sets = strdup(options.working_sets), *rest;
    for (char *word = strtok_r(sets, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        measure_working_set(number(word, 1, 1 << 20), options.operations);
    }
    free(sets);
    printf(
        "\nns of single operations, values of 64 to 4096 bytes, -m %zu\n%-24s %9s %9s %9s %9s %9s "
        "%9s %9s\n",
        options.full_mb, "", "p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max");
    measure_times(options.full_mb, options.operations);
    return EXIT_SUCCESS;
}
