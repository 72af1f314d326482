/* mesh: hops between two reactors a second, and how long one takes, by the number of messages that
 * are published together.
 *
 * A hop is a get that goes to another shard, in a message of the server's own with its key, and
 * comes back with a value of 100 bytes; what the owner would do to find it is left out. Two threads
 * on two CPUs turn as reactors do: take replies, take requests, send, publish. They are two of as
 * many shards as --shards says, and look at the rings of all.
 *
 *     alone    one side sends a batch and waits for all its replies: how long that takes
 *     both     both sides send batches as fast as their credit allows: how many come back
 *     asleep   as alone, but whoever has nothing to do sleeps in its io_uring and is woken by
 * MSG_RING
 */
#include "core/mesh/mesh.h"

#include "core/base/clock.h"
#include "core/io/uring.h"

#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS_MAX 64
#define BATCH_MAX 64
#define TAKE_MAX 32 /* messages from one ring in a row, as the server takes them */
#define VALUE_BYTES 100
#define SAMPLES_MAX (1 << 20)
#define ROUNDS_MAX 99

static const char help[] =
    "mesh: hops between two reactors a second and the time they take, by batch size\n"
    "\n"
    "  bench/mesh\n"
    "  bench/mesh --shards 64 --milliseconds 1000\n"
    "\n"
    "  --shards N        of which two do something (default 2, at most 64)\n"
    "  --milliseconds N  for each figure (default 300)\n"
    "  --rounds N        of which the median is printed (default 5)\n";

struct options {
    uint32_t shards, milliseconds, rounds;
};

enum mode { ALONE, BOTH, ASLEEP };

/* One measurement, and all that its two sides share. */
struct bench {
    const struct options *options;
    enum mode mode;
    uint32_t batch;
    struct mesh *mesh;
    struct side *sides;
    pthread_barrier_t ready; /* the rings are made; and in the end: nobody wakes anybody any more */
    _Atomic bool stopping;   /* sequentially consistent, as the mesh's flags of those that sleep */
};

struct side {
    struct bench *bench;
    uint32_t id;
    int cpu;
    pthread_t thread;
    struct mesh_port *port;
    struct io *io;
    struct message_pool pool;
    uint32_t out;     /* requests that have not come back */
    uint64_t sent_ns; /* when the last batch went */
    uint64_t hops, cpu_ns;
    uint32_t *times_ns; /* of batches */
    uint32_t times;
};

/* What a measurement has found. */
enum figure { HOPS_PER_S, CPU_NS /* of both threads, for a hop */, P50_NS, P99_NS, FIGURES };

static void fail(const char *what) {
    fprintf(stderr, "mesh: %s\n", what);
    exit(EXIT_FAILURE);
}

static void wake(void *context, uint32_t shard) {
    struct side *side = context;
    io_wake(side->io, side->bench->sides[shard].io);
}

/* The parts of a turn; each returns how many messages it has moved. */

static uint32_t collect(struct side *side) {
    uint32_t sum = 0;
    for (uint32_t from = 0; from < side->bench->options->shards; from++) {
        struct message *messages[TAKE_MAX];
        uint32_t count = mesh_take_replies(side->port, from, messages, TAKE_MAX);
        for (uint32_t i = 0; i < count; i++) {
            mesh_release(side->port, from);
            message_give(&side->pool, messages[i]);
        }
        sum += count;
    }
    side->out -= sum;
    side->hops += sum;
    return sum;
}

static uint32_t serve(struct side *side) {
    static const char value[VALUE_BYTES];
    const struct result hit = {.status = RESULT_OK, .value = value, .value_length = sizeof(value)};
    uint32_t sum = 0;
    for (uint32_t from = 0; from < side->bench->options->shards; from++) {
        struct message *messages[TAKE_MAX];
        uint32_t count = mesh_take_requests(side->port, from, messages, TAKE_MAX);
        for (uint32_t i = 0; i < count; i++) {
            __builtin_prefetch(messages[i]);
        }
        for (uint32_t i = 0; i < count; i++) {
            message_set_result(messages[i], &hit);
            mesh_send_reply(side->port, from, messages[i]);
        }
        sum += count;
    }
    return sum;
}

static void send_batch(struct side *side) {
    static const char key[] = "key12345678";
    const struct request get = {.op = OP_GET, .key = key, .key_length = sizeof(key) - 1};
    for (uint32_t i = 0; i < side->bench->batch; i++) {
        struct message *message = message_take(&side->pool);
        message_set_request(message, &get, i);
        mesh_send_request(side->port, !side->id, message);
    }
    side->out += side->bench->batch;
}

static void note_time(struct side *side) {
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    if (side->sent_ns > 0 && side->times < SAMPLES_MAX) {
        side->times_ns[side->times++] = (uint32_t)(now_ns - side->sent_ns);
    }
    side->sent_ns = now_ns;
}

static uint32_t send_some(struct side *side) {
    const struct bench *bench = side->bench;
    if (bench->mode == BOTH ? side->out + bench->batch > MESH_CAPACITY_DEFAULT
                            : side->id > 0 || side->out > 0) {
        return 0;
    }
    if (bench->mode != BOTH) {
        note_time(side);
    }
    send_batch(side);
    return bench->batch;
}

static void sleep_until_woken(struct side *side) {
    if (!mesh_may_sleep(side->port)) {
        return;
    }
    if (!atomic_load(&side->bench->stopping)) {
        io_enter(side->io, IO_FOREVER);
    }
    mesh_awake(side->port);
    io_take(side->io, side);
}

static void turn(struct side *side) {
    uint32_t moved = collect(side);
    moved += serve(side);
    uint32_t sent = send_some(side);
    moved += sent;
    mesh_publish(side->port, true, wake, side);
    if (sent > 0 && mesh_claim_wake(mesh_of(side->port), !side->id)) {
        wake(side, !side->id); /* nobody lends here: the owner is to serve */
    }
    if (side->bench->mode != ASLEEP) {
        return;
    }
    io_enter(side->io, 0);
    if (moved == 0) {
        sleep_until_woken(side);
    }
}

static void side_init(struct side *side) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(side->cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0 || uring_engine.open(&side->io, NULL) != 0 ||
        message_pool_init(&side->pool, 2 * MESH_CAPACITY_DEFAULT) != 0) {
        fail("can't prepare a thread");
    }
    side->port = mesh_port(side->bench->mesh, side->id);
}

/* The other one may be asleep, and its ring must be there until nobody wakes it any more. */
static void *run_side(void *argument) {
    struct side *side = argument;
    struct bench *bench = side->bench;
    side_init(side);
    pthread_barrier_wait(&bench->ready);
    uint64_t end_ns =
        clock_monotonic_ns(&clock_system) + bench->options->milliseconds * (uint64_t)1000000;
    while (!atomic_load(&bench->stopping)) {
        turn(side);
        if (side->id == 0 && clock_monotonic_ns(&clock_system) > end_ns) {
            atomic_store(&bench->stopping, true);
        }
    }
    if (side->id == 0 && mesh_claim_wake(bench->mesh, 1)) {
        wake(side, 1);
    }
    io_enter(side->io, 0);
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    side->cpu_ns = (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
    pthread_barrier_wait(&bench->ready);
    uring_engine.close(side->io);
    message_pool_finish(&side->pool);
    return NULL;
}

/* The first two CPUs of those that the program may use. */
static void choose_cpus(struct side sides[2]) {
    cpu_set_t allowed;
    uint32_t chosen = 0;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) {
        fail("two CPUs are needed");
    }
    for (int cpu = 0; chosen < 2; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            sides[chosen++].cpu = cpu;
        }
    }
}

static int compare_times(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static void sum_up(const struct bench *bench, double figures[FIGURES]) {
    struct side *sides = bench->sides;
    double hops = (double)(sides[0].hops + sides[1].hops);
    figures[HOPS_PER_S] = hops * 1000 / bench->options->milliseconds;
    figures[CPU_NS] = (double)(sides[0].cpu_ns + sides[1].cpu_ns) / hops;
    qsort(sides[0].times_ns, sides[0].times, sizeof(*sides[0].times_ns), compare_times);
    figures[P50_NS] = sides[0].times_ns[sides[0].times / 2];
    figures[P99_NS] = sides[0].times_ns[(uint64_t)sides[0].times * 99 / 100];
}

static void measure_once(const struct options *options, enum mode mode, uint32_t batch,
                         double figures[FIGURES]) {
    struct bench bench = {.options = options, .mode = mode, .batch = batch};
    struct side sides[2] = {{.bench = &bench}, {.bench = &bench, .id = 1}};
    bench.sides = sides;
    choose_cpus(sides);
    sides[0].times_ns = calloc(SAMPLES_MAX, sizeof(*sides[0].times_ns));
    if (!sides[0].times_ns ||
        mesh_create(&bench.mesh, options->shards, MESH_CAPACITY_DEFAULT) != 0) {
        fail("no memory");
    }
    pthread_barrier_init(&bench.ready, NULL, 2);
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&sides[i].thread, NULL, run_side, &sides[i]) != 0) {
            fail("no thread");
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(sides[i].thread, NULL);
    }
    sum_up(&bench, figures);
    mesh_destroy(bench.mesh);
    free(sides[0].times_ns);
}

static int compare_figures(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The medians of all rounds. */
static void measure(const struct options *options, enum mode mode, uint32_t batch,
                    double medians[FIGURES]) {
    double all[FIGURES][ROUNDS_MAX], figures[FIGURES];
    for (uint32_t round = 0; round < options->rounds; round++) {
        measure_once(options, mode, batch, figures);
        for (int i = 0; i < FIGURES; i++) {
            all[i][round] = figures[i];
        }
    }
    for (int i = 0; i < FIGURES; i++) {
        qsort(all[i], options->rounds, sizeof(all[i][0]), compare_figures);
        medians[i] = all[i][options->rounds / 2];
    }
}

static void print_batch(const struct options *options, uint32_t batch) {
    double alone[FIGURES], both[FIGURES], asleep[FIGURES];
    measure(options, ALONE, batch, alone);
    measure(options, BOTH, batch, both);
    measure(options, ASLEEP, batch, asleep);
    printf("%5u %10.2f %8.2f %12.1f %8.0f %12.1f %8.1f %8.0f\n", batch, alone[P50_NS] / 1e3,
           alone[P99_NS] / 1e3, both[HOPS_PER_S] / 1e6, both[CPU_NS], asleep[P50_NS] / 1e3,
           asleep[P99_NS] / 1e3, asleep[CPU_NS]);
    fflush(stdout);
}

/* The command line. */

static uint32_t number(const char *text, uint32_t min, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text && !*end && value >= min && value <= max) {
        return (uint32_t)value;
    }
    fprintf(stderr, "mesh: \"%s\" is no number that will do, see --help\n", text);
    exit(64);
}

static void parse(struct options *options, int argc, char **argv) {
    static const struct option names[] = {
        {"shards", required_argument, NULL, 's'},
        {"milliseconds", required_argument, NULL, 'm'},
        {"rounds", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == '?') {
            exit(64);
        }
        if (option == 's') {
            options->shards = number(optarg, 2, SHARDS_MAX);
        } else if (option == 'm') {
            options->milliseconds = number(optarg, 1, 60000);
        } else if (option == 'r') {
            options->rounds = number(optarg, 1, ROUNDS_MAX);
        } else {
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        }
    }
}

int main(int argc, char **argv) {
    struct options options = {.shards = 2, .milliseconds = 300, .rounds = 5};
    parse(&options, argc, argv);
    printf("%u shards; times of a batch in µs, CPU time of both sides in ns for a hop\n"
           "%5s %10s %8s %12s %8s %12s %8s %8s\n",
           options.shards, "batch", "alone p50", "p99", "both Mhops/s", "CPU ns", "asleep p50",
           "p99", "CPU ns");
    for (uint32_t batch = 1; batch <= BATCH_MAX; batch *= 2) {
        print_batch(&options, batch);
    }
    return EXIT_SUCCESS;
}
