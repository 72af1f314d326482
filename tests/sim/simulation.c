/* simulation: the whole server, its I/O and its clients in one thread, driven by a seed.
 *
 *     simulation [--from N] [--seeds N]     runs so many seeds, from that one on (1, and 1000)
 *     simulation --seed N [--trace]         runs one again; --trace tells all that happens
 *     simulation --twice --seeds N          runs each twice: the same to the last step
 *     simulation --tls …                    the same, with TLS on all connections
 *     simulation --epoll …                  the same, with the server's engine on epoll
 *
 * A simulation has some reactors, which are the product's (reactor_init(), reactor_run()), and some
 * clients. Each reactor has a stack of its own; when it enters the kernel by io_enter(), it comes
 * here instead, and the scheduler picks what happens next: a reactor goes on, an operation of one
 * completes (well, in part, or with an error), a client says, sends or reads something, a reactor
 * stands still, time passes or leaps. Nothing else decides anything, so a seed is the same each
 * time.
 *
 *     world                chance, time, the choices of a seed
 *     scheduler            what happens next
 *     server               the product's reactors, and checks of them
 *     engine, completions  io.h's engine; what comes of an operation
 *     kernel, calls        what the engine on epoll asks of the kernel, in place of both
 *     sockets              streams in between
 *     wrap                 libc's clocks and malloc()
 *     credit               our own count of the messages between reactors
 *     secure               the clients' side of TLS
 *     memory               little of it for connections
 *     lending              our own count of who has which shard, and reactors that stand still
 *     client, make         what clients do; what they say
 *     text, meta, binary   how it is written and read; scan: what dumps must tell
 *     model, predict       what they may be told; by what rules
 *
 * What is checked: after each turn the invariants of connections, pipelines, rings and (now and
 * then) stores; whoever sleeps with messages in its rings has been forgotten; each answer, to the
 * byte, by the client's model; dumps, by all of them; each message between reactors, and
 * who has which shard, by our own count; a connection ends early only for a reason that the
 * simulation has made or the server has counted; when all clients are gone nothing is held any
 * more; when the server has ended no memory, buffer, message or descriptor is left; and nobody
 * waits for ever.
 *
 * Suites: the gate runs 1,000 seeds; `meson test --suite long` 100,000; by hand any. finds.c has
 * what simulations have found.
 *
 * How to debug: run the seed with --trace 2>trace. Each line has the step, the time since the start
 * and what happens: "asks" (reactor, operation, descriptor), "completes" (reactor and operation,
 * descriptor, result), "says" (client and command, key, bytes). In gdb break on world_fail(), or on
 * scheduler_step() with the condition world->step == N. A failed assertion of the product is told
 * with its seed. A change of what is chosen (world.c), or of the order of what is asked of chance,
 * makes other simulations of the same seeds: whatever was found by one needs a test of its own.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scheduler.h"
#include "world.h"

/* What a signal handler may look at. */
static uint64_t current_seed;

static void on_signal(int number) {
    char text[160];
    int length = snprintf(text, sizeof(text),
                          "# signal %d\n# again: simulation --seed %" PRIu64 " [--trace]\n"
                          "not ok 1 - seed %" PRIu64 "\n",
                          number, current_seed, current_seed);
    wrap_world(NULL);
    ssize_t written = write(STDOUT_FILENO, text, (size_t)length);
    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

struct arguments {
    uint64_t from;
    uint64_t seeds;
    bool trace;
    bool twice;
    bool tls;
    bool epoll;
};

struct sums {
    uint64_t operations;
    uint64_t turns;
    uint64_t completions;
    uint64_t injected;
    uint64_t steps;
    uint64_t connections;
    uint64_t evictions;
    uint64_t refusals;
    uint64_t kicks;
    uint64_t mallocs_failed;
    uint64_t borrows;
    uint64_t moves;
    uint64_t copied;
};

static bool parse_arguments(struct arguments *arguments, int argc, char **argv) {
    *arguments = (struct arguments){.from = 1, .seeds = 1000};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--trace") == 0) {
            arguments->trace = true;
        } else if (strcmp(argv[i], "--tls") == 0) {
            arguments->tls = true;
        } else if (strcmp(argv[i], "--epoll") == 0) {
            arguments->epoll = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            arguments->twice = true;
        } else if (more && strcmp(argv[i], "--from") == 0) {
            arguments->from = strtoull(argv[++i], NULL, 10);
        } else if (more && strcmp(argv[i], "--seeds") == 0) {
            arguments->seeds = strtoull(argv[++i], NULL, 10);
        } else if (more && strcmp(argv[i], "--seed") == 0) {
            arguments->from = strtoull(argv[++i], NULL, 10);
            arguments->seeds = 1;
        } else {
            return false;
        }
    }
    return true;
}

/* Returns the hash of all that has happened. */
static uint64_t run_seed(const struct arguments *arguments, uint64_t seed, bool trace,
                         struct sums *sums) {
    struct world *world = malloc(sizeof(*world));
    current_seed = seed;
    world_init(world, seed, trace);
    world->tls = arguments->tls;
    world->epoll = arguments->epoll;
    wrap_world(world);
    scheduler_run(world);
    wrap_world(NULL);
    sums->operations += world->operations;
    sums->turns += world->turns;
    sums->completions += world->completions;
    sums->injected += world->injected;
    sums->steps += world->step;
    sums->connections += world->connections;
    sums->evictions += world->evictions;
    sums->refusals += world->refusals;
    sums->kicks += world->kicks;
    sums->mallocs_failed += world->mallocs_failed;
    sums->borrows += world->borrows;
    sums->moves += world->moves;
    sums->copied += world->copied;
    uint64_t hash = world->hash;
    free(world);
    return hash;
}

static double seconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run_seeds(const struct arguments *arguments, struct sums *sums) {
    double begin = seconds_now(), told = begin;
    for (uint64_t i = 0; i < arguments->seeds; i++) {
        uint64_t seed = arguments->from + i;
        uint64_t hash = run_seed(arguments, seed, arguments->trace, sums);
        if (arguments->twice && run_seed(arguments, seed, false, sums) != hash) {
            printf("# seed %" PRIu64 " is not the same when it is run again\nnot ok 1 - seeds\n",
                   seed);
            exit(EXIT_FAILURE);
        }
        if (arguments->seeds == 1) {
            printf("# hash %016" PRIx64 "\n", hash);
        }
        if (seconds_now() - told > 60) {
            told = seconds_now();
            printf("# %" PRIu64 " seeds, to %" PRIu64 ", %.1f a second\n", i + 1, seed,
                   (double)(i + 1) / (told - begin));
            fflush(stdout);
        }
    }
    double took = seconds_now() - begin;
    printf("# %" PRIu64 " seeds in %.1f s, %.1f a second: %" PRIu64 " steps, %" PRIu64
           " turns, %" PRIu64 " completions, %" PRIu64 " commands, %" PRIu64 " faults\n",
           arguments->seeds, took, (double)arguments->seeds / took, sums->steps, sums->turns,
           sums->completions, sums->operations, sums->injected);
    printf("# %" PRIu64 " connections, %" PRIu64 " items evicted, %" PRIu64
           " writes refused, %" PRIu64 " connections closed for their idleness, %" PRIu64
           " allocations refused, %" PRIu64 " shards borrowed, %" PRIu64
           " connections moved, %" PRIu64 " gets from copies\n",
           sums->connections, sums->evictions, sums->refusals, sums->kicks, sums->mallocs_failed,
           sums->borrows, sums->moves, sums->copied);
}

int main(int argc, char **argv) {
    struct arguments arguments;
    struct sums sums = {0};
    if (!parse_arguments(&arguments, argc, argv)) {
        fprintf(
            stderr,
            "simulation [--from N] [--seeds N] [--seed N] [--trace] [--twice] [--tls] [--epoll]\n");
        return 64;
    }
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (arguments.tls) { /* what OpenSSL does once takes random bytes, too */
        struct sums unused = {0};
        run_seed(&arguments, 1, false, &unused);
    }
    printf("1..1\n");
    run_seeds(&arguments, &sums);
    printf("ok 1 - %s from %" PRIu64 " on\n", arguments.twice ? "the same seeds twice" : "seeds",
           arguments.from);
    return EXIT_SUCCESS;
}
