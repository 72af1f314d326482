/* linear: random reads and writes of a few keys by many connections, and whether what was answered
 * is linearizable: whether all operations on a key can be put into one order that explains each
 * answer, in which each stands between the moment when it was sent and the moment when it was
 * answered.
 *
 *     linear --port 11211 --seconds 5 --seed 1 [--requests 500000] [--connections 40]
 *            [--fills PERCENT]
 *
 * It goes by rounds, each with a few keys of its own, whose histories are checked at its end. What
 * is asked follows from the seed and the order in which answers come. The first answer that can't
 * be explained is told, with what was under way then, and the exit status is 1.
 * --fills: of the requests by text so many store other keys, so that in a small memory the keys are
 * evicted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/random.h"
#include "checker.h"
#include "client.h"

#define NANOSECONDS 1000000000u
#define ROUND_NS_MAX ((uint64_t)4 * NANOSECONDS) /* time for items to expire */
#define NEIGHBORS 40 /* operations that are told before one that can't be explained */

struct options {
    uint16_t port;
    double seconds;
    uint64_t seed, requests; /* of a round */
    uint32_t connections, fills;
};

struct totals {
    uint64_t requests, operations, rounds;
    uint32_t ways_max;
};

/* The report. */

static void print_value(const char *word, struct value value) {
    printf(" %s %016" PRIx64 "/%" PRIu32, word, value.hash, value.tokens);
}

static void print_operation(const struct operation *operation, uint64_t from_ns) {
    static const char *const needs[] = {"", " absent", " present", "", " other than"};
    printf("  %10.1f to %10.1f us, connection %2" PRIu32 ": %s",
           ((double)operation->sent_ns - (double)from_ns) / 1000,
           ((double)operation->answered_ns - (double)from_ns) / 1000, operation->connection,
           operation->verb);
    printf("%s", needs[operation->need]);
    if (operation->need >= NEED_VALUE) {
        print_value("was", operation->before);
    }
    if (operation->act == ACT_CLEAR) {
        printf(" now absent");
    } else if (operation->act != ACT_NOTHING) {
        print_value(operation->act == ACT_SET ? "now" : "joined with", operation->after);
    }
    printf("\n");
}

/* The operations that overlap with the one, and the last that were answered before it; by the times
 * at which they were sent. */
static void print_failure(const struct key *key, uint32_t number) {
    const struct operation *operations = key->history.operations;
    const struct operation *at = &operations[number];
    printf("%s%s: this answer can't be explained:\n", key->name,
           key->history.vanishes ? ", which expires or is evicted" : "");
    print_operation(at, at->sent_ns);
    printf("what was sent before its answer came:\n");
    for (uint32_t i = number > NEIGHBORS ? number - NEIGHBORS : 0; i < key->history.count; i++) {
        if (operations[i].sent_ns > at->answered_ns) {
            break;
        }
        print_operation(&operations[i], at->sent_ns);
    }
}

/* Rounds. */

static bool check_key(struct key *key, struct totals *totals) {
    uint64_t cas;
    if (!keys_check_cas(key, &cas)) {
        printf("%s: CAS value %" PRIu64 " was told with two values\n", key->name, cas);
        return false;
    }
    struct verdict verdict = checker_check(&key->history);
    totals->operations += key->history.count;
    if (verdict.ways_max > totals->ways_max) {
        totals->ways_max = verdict.ways_max;
    }
    if (!verdict.is_linearizable) {
        print_failure(key, verdict.operation);
    }
    return verdict.is_linearizable;
}

static bool run_round(const struct options *options, struct totals *totals, uint64_t until_ns) {
    struct keys keys;
    struct client client;
    uint64_t now_ns = client_clock_ns();
    keys_init(&keys, (uint32_t)totals->rounds++, options->seed, options->fills);
    uint32_t connections = 2 + (uint32_t)random_below(&keys.random, options->connections - 1);
    client_init(&client, &keys, options->port, connections);
    client_run(&client, options->requests,
               now_ns + ROUND_NS_MAX < until_ns ? now_ns + ROUND_NS_MAX : until_ns);
    client_finish(&client);
    totals->requests += client.requests;
    bool is_linearizable = true;
    for (uint32_t i = 0; i < keys.count && is_linearizable; i++) {
        is_linearizable = check_key(&keys.keys[i], totals);
    }
    keys_finish(&keys);
    return is_linearizable;
}

/* Options. */

static double number_of(const char *name, const char *text, double min, double max) {
    char *end;
    double number = text ? strtod(text, &end) : min - 1;
    if (!text || !*text || *end || !(number >= min && number <= max)) {
        fprintf(stderr, "linear: %s takes a number from %g to %g\n", name, min, max);
        exit(EXIT_FAILURE);
    }
    return number;
}

static void take_option(struct options *options, const char *name, const char *text) {
    if (strcmp(name, "--port") == 0) {
        options->port = (uint16_t)number_of(name, text, 1, UINT16_MAX);
    } else if (strcmp(name, "--seconds") == 0) {
        options->seconds = number_of(name, text, 0, 1e6);
    } else if (strcmp(name, "--seed") == 0) {
        options->seed = (uint64_t)number_of(name, text, 0, UINT32_MAX);
    } else if (strcmp(name, "--requests") == 0) {
        options->requests = (uint64_t)number_of(name, text, 1, 1e7);
    } else if (strcmp(name, "--connections") == 0) {
        options->connections = (uint32_t)number_of(name, text, 2, CLIENT_CONNECTIONS_MAX);
    } else if (strcmp(name, "--fills") == 0) {
        options->fills = (uint32_t)number_of(name, text, 0, 100);
    } else {
        fprintf(stderr, "linear: %s is no option\n", name);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv) {
    struct options options = {
        .port = 11211, .seconds = 5, .seed = 1, .requests = 500000, .connections = 40};
    struct totals totals = {0};
    for (int i = 1; i < argc; i += 2) {
        take_option(&options, argv[i], argv[i + 1]);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t until_ns = client_clock_ns() + (uint64_t)(options.seconds * NANOSECONDS);
    bool is_linearizable = true;
    do {
        is_linearizable = run_round(&options, &totals, until_ns);
    } while (is_linearizable && client_clock_ns() < until_ns);
    printf("requests %" PRIu64 "\noperations %" PRIu64 "\nrounds %" PRIu64 "\nways_max %" PRIu32
           "\n",
           totals.requests, totals.operations, totals.rounds, totals.ways_max);
    return is_linearizable ? EXIT_SUCCESS : EXIT_FAILURE;
}
