/* load: a load generator that compares every value.
 *
 * load_options.c reads the command line, load_client.c holds the connections and sends,
 * load_exchange.c knows what is under way on each and takes the replies, load_protocol.c writes and
 * reads the three protocols, load_keys.c chooses keys and makes their values. Here is what is
 * measured, and what is told of it.
 */
#include "bench/load_client.h"
#include "bench/load_cpu.h"
#include "bench/load_tls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define BUSY_SHARE_MAX 0.95   /* beyond it the generator is what limits the load */
#define UNSENT_SHARE_MAX 0.01 /* beyond it the rate is more than can be had */

/* What is measured is the difference of two of these. */
struct moment {
    uint64_t now_ns, bytes_out, bytes_in, spun_ns;
    struct cpu_time own, server;
    struct exchange_counts counts;
};

struct load {
    struct load_options options;
    struct client client;
    struct moment begun, ended;
    struct histogram latency;
    uint64_t unsent; /* requests that were due before the end */
};

static struct moment look(const struct load *load) {
    const struct client *client = &load->client;
    struct moment moment = {.now_ns = client_clock_ns(),
                            .bytes_out = client->bytes_out,
                            .bytes_in = client->bytes_in,
                            .spun_ns = client->spun_ns,
                            .own = load_cpu_of((uint32_t)getpid()),
                            .counts = client->common.counts};
    if (load->options.server_pid > 0) {
        moment.server = load_cpu_of(load->options.server_pid);
    }
    return moment;
}

static double us(uint64_t ns) {
    return (double)ns / 1e3;
}

static uint64_t operations_of(const struct exchange_counts *counts) {
    return counts->gets + counts->sets;
}

/* The run. */

/* What the last second brought. */
static void print_progress(struct load *load, uint32_t second, uint64_t operations) {
    const struct histogram *latency = &load->client.common.latency;
    if (load->options.is_quiet) {
        return;
    }
    bool in_place = isatty(STDERR_FILENO);
    fprintf(stderr, "%s%u s: %" PRIu64 " operations, p50 %.0f, p99 %.0f, max %.0f us%s",
            in_place ? "\r\033[K" : "", second, operations, us(histogram_quantile_ns(latency, 0.5)),
            us(histogram_quantile_ns(latency, 0.99)), us(latency->max_ns), in_place ? "" : "\n");
}

/* Moves the times since the last call to those of the whole run. */
static void collect(struct load *load) {
    histogram_merge(&load->latency, &load->client.common.latency);
    memset(&load->client.common.latency, 0, sizeof(load->client.common.latency));
}

static void run(struct load *load, double seconds) {
    struct client *client = &load->client;
    uint64_t begun_ns = client_clock_ns(), end_ns = begun_ns + (uint64_t)(seconds * SECOND_NS);
    bool goes_on = seconds > 0;
    for (uint32_t second = 1; goes_on; second++) {
        uint64_t before = operations_of(&client->common.counts);
        uint64_t until_ns = begun_ns + second * (uint64_t)SECOND_NS;
        client_run(client, until_ns < end_ns ? until_ns : end_ns);
        print_progress(load, second, operations_of(&client->common.counts) - before);
        collect(load);
        goes_on = client->now_ns < end_ns && !client_is_done(client);
    }
    if (!load->options.is_quiet && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\n");
    }
}

/* What went before counts no more, but for wrong values. */
static void begin(struct load *load) {
    collect(load);
    memset(&load->latency, 0, sizeof(load->latency));
    memset(&load->client.lateness, 0, sizeof(load->client.lateness));
    load->begun = look(load);
}

/* Exits when the server doesn't answer. */
static void check_answered(const struct load *load, bool is_answered) {
    if (is_answered) {
        return;
    }
    fprintf(stderr, "load: %" PRIu64 " requests are not answered after %d s\n",
            load->client.under_way, CLIENT_PATIENCE_S);
    exit(EXIT_FAILURE);
}

static void measure(struct load *load) {
    struct client *client = &load->client;
    if (load->options.fill) {
        check_answered(load, client_fill(client));
    }
    run(load, load->options.warmup_s);
    begin(load);
    client->budget = load->options.requests_max;
    run(load, load->options.run_s);
    if (client->phase == CLIENT_OPEN && client->budget > 0 && client->now_ns > client->due_ns) {
        load->unsent =
            (uint64_t)((double)(client->now_ns - client->due_ns) / SECOND_NS * load->options.rate);
    }
    check_answered(load, client_drain(client));
    collect(load);
    load->ended = look(load);
}

/* The report. */

static void print_count(const char *name, uint64_t count) {
    printf("%s %" PRIu64 "\n", name, count);
}

static void print_latency(const struct histogram *latency) {
    printf("p50_us %.1f\n", us(histogram_quantile_ns(latency, 0.5)));
    printf("p90_us %.1f\n", us(histogram_quantile_ns(latency, 0.9)));
    printf("p99_us %.1f\n", us(histogram_quantile_ns(latency, 0.99)));
    printf("p99.9_us %.1f\n", us(histogram_quantile_ns(latency, 0.999)));
    printf("max_us %.1f\n", us(latency->max_ns));
}

/* The share of the time in which the generator worked or waited for a CPU. */
static double busy_share(const struct load *load) {
    const struct moment *begun = &load->begun, *ended = &load->ended;
    uint64_t running_ns = ended->own.running_ns - begun->own.running_ns;
    uint64_t waiting_ns = ended->own.waiting_ns - begun->own.waiting_ns;
    uint64_t spun_ns = ended->spun_ns - begun->spun_ns;
    double busy_ns = (double)(running_ns + waiting_ns) - (double)spun_ns;
    return busy_ns > 0 ? busy_ns / (double)(ended->now_ns - begun->now_ns) : 0;
}

static void print_costs(const struct load *load, double operations) {
    const struct moment *begun = &load->begun, *ended = &load->ended;
    printf("bytes_out_per_operation %.1f\n",
           (double)(ended->bytes_out - begun->bytes_out) / operations);
    printf("bytes_in_per_operation %.1f\n",
           (double)(ended->bytes_in - begun->bytes_in) / operations);
    if (load->options.server_pid > 0) {
        printf("server_cpu_us_per_operation %.3f\n",
               us(ended->server.running_ns - begun->server.running_ns) / operations);
    }
    printf("own_cpu_us_per_operation %.3f\n",
           us(ended->own.running_ns - begun->own.running_ns) / operations);
    printf("own_busy_share %.3f\n", busy_share(load));
}

static void print(const struct load *load) {
    const struct exchange_counts *before = &load->begun.counts, *after = &load->ended.counts;
    double seconds = (double)(load->ended.now_ns - load->begun.now_ns) / SECOND_NS;
    uint64_t operations = operations_of(after) - operations_of(before);
    uint64_t gets = after->gets - before->gets, hits = after->hits - before->hits;
    print_count("requests", after->requests - before->requests);
    print_count("operations", operations);
    printf("operations_per_s %.0f\n", (double)operations / seconds);
    print_count("gets", gets);
    print_count("sets", after->sets - before->sets);
    if (gets > 0) {
        printf("hit_ratio %.4f\n", (double)hits / (double)gets);
    }
    print_count("misses", gets - hits);
    print_count("errors", after->errors);
    print_count("wrong", after->wrong);
    if (load->options.rate > 0) {
        print_count("unsent", load->unsent);
    }
    print_latency(&load->latency);
    if (load->options.rate > 0) {
        printf("late_p99_us %.1f\n", us(histogram_quantile_ns(&load->client.lateness, 0.99)));
    }
    if (operations > 0) {
        print_costs(load, (double)operations);
    }
}

static void write_histogram(const struct load *load) {
    const char *path = load->options.histogram;
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file,
                "# microseconds, requests that took as long, share of those that took no more\n");
        histogram_write(&load->latency, file);
    }
    if (file && fclose(file) == 0) {
        return;
    }
    fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
    exit(EXIT_FAILURE);
}

/* What is wrong, and what to think of the figures, in words. False: something is wrong. */
static bool judge(const struct load *load) {
    const struct exchange_counts *counts = &load->ended.counts;
    uint64_t misses = counts->gets - counts->hits;
    uint64_t requests = counts->requests - load->begun.counts.requests;
    if (load->options.run_s > 0 && busy_share(load) > BUSY_SHARE_MAX) {
        fprintf(stderr,
                "load: the generator is the bottleneck: it worked or waited for a CPU %.0f %% of "
                "the time\n",
                100 * busy_share(load));
    }
    if ((double)load->unsent > UNSENT_SHARE_MAX * (double)requests) {
        fprintf(stderr, "load: the rate was too high: %" PRIu64 " requests were due and not sent\n",
                load->unsent);
    }
    if (counts->wrong > 0) {
        fprintf(stderr, "load: %" PRIu64 " values were wrong, the first that of %s%0*u\n",
                counts->wrong, load->options.keys.prefix, KEYS_DIGITS, counts->wrong_number);
    }
    if (counts->errors > 0) {
        fprintf(stderr, "load: %" PRIu64 " requests were refused\n", counts->errors);
    }
    if (misses > 0 && !load->options.may_miss) {
        fprintf(stderr,
                "load: %" PRIu64 " keys were missing (--fill stores them, --misses ok allows it)\n",
                misses);
    }
    return counts->wrong == 0 && counts->errors == 0 && (misses == 0 || load->options.may_miss);
}

int main(int argc, char **argv) {
    struct load *load = calloc(1, sizeof(*load));
    if (!load) {
        return EXIT_FAILURE;
    }
    load_options_read(&load->options, argc, argv);
    if (load->options.handshakes != HANDSHAKES_NONE) {
        load_tls_shake_hands(&load->options);
        free(load);
        return EXIT_SUCCESS;
    }
    client_init(&load->client, &load->options);
    measure(load);
    print(load);
    if (load->options.histogram) {
        write_histogram(load);
    }
    bool is_right = judge(load);
    client_finish(&load->client);
    free(load);
    return is_right ? EXIT_SUCCESS : EXIT_FAILURE;
}
