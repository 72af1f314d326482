/* latency: how long one client's small gets take while others get or set large values.
 *
 *     latency --port 11211 --large get --clients 4 --bytes 1047552 --seconds 5
 *
 * Prints one line: gets made, their p50, p99, p99.9 and longest time in microseconds, and the large
 * values' MB per second. Each large client waits for its reply before it goes on. Where that is
 * allowed, the thread that measures runs before the others, so that it doesn't wait for them.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SMALL_BYTES 100
#define SAMPLES_MAX 10000000
#define CLIENTS_MAX 64
#define LINE_BYTES_MAX 64

enum large { LARGE_NONE, LARGE_GET, LARGE_SET };

struct options {
    uint32_t port, clients, bytes, seconds;
    enum large large;
};

/* The threads share this alone. */
struct shared {
    struct options options;
    _Atomic bool stop;
    _Atomic uint64_t values;
};

struct client {
    struct shared *shared;
    uint32_t number;
    pthread_t thread;
};

static void fail(const char *what) {
    fprintf(stderr, "latency: %s\n", what);
    exit(EXIT_FAILURE);
}

static int open_connection(const struct options *options) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)options->port)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (descriptor < 0 || connect(descriptor, (void *)&address, sizeof address) != 0)
        fail("can't connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static void send_all(int descriptor, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = write(descriptor, bytes, length);
        if (sent <= 0)
            fail("can't send");
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Replies are as long as they must be, or the run is none. */
static void receive_all(int descriptor, char *bytes, size_t length) {
    for (size_t at = 0; at < length;) {
        ssize_t got = read(descriptor, bytes + at, length - at);
        if (got <= 0)
            fail("can't receive");
        at += (size_t)got;
    }
}

/* "set <key> 0 0 <length>\r\n" and a value; *length becomes that of all. */
static char *make_set(const char *key, size_t *length) {
    char *set = malloc(*length + LINE_BYTES_MAX);
    if (!set)
        fail("no memory");
    size_t head = (size_t)sprintf(set, "set %s 0 0 %zu\r\n", key, *length);
    memset(set + head, 'v', *length);
    memcpy(set + head + *length, "\r\n", 2);
    *length += head + 2;
    return set;
}

static void store(int descriptor, const char *set, size_t length) {
    char reply[sizeof "STORED\r\n"] = "";
    send_all(descriptor, set, length);
    receive_all(descriptor, reply, sizeof reply - 1);
    if (strcmp(reply, "STORED\r\n") != 0)
        fail("a value is not stored");
}

/* Asks for a value of that many bytes; the reply begins as it must. */
static void get(int descriptor, const char *key, size_t bytes, char *reply) {
    char line[LINE_BYTES_MAX], head[LINE_BYTES_MAX];
    send_all(descriptor, line, (size_t)sprintf(line, "get %s\r\n", key));
    size_t length = (size_t)sprintf(head, "VALUE %s 0 %zu\r\n", key, bytes);
    receive_all(descriptor, reply, length + bytes + strlen("\r\nEND\r\n"));
    if (memcmp(reply, head, length) != 0)
        fail("not the value that was asked for");
}

static void *run_large(void *argument) {
    const struct client *client = argument;
    struct shared *shared = client->shared;
    char key[LINE_BYTES_MAX];
    size_t length = shared->options.bytes;
    sprintf(key, "large%u", client->number);
    char *set = make_set(key, &length), *reply = malloc(length + LINE_BYTES_MAX);
    int descriptor = open_connection(&shared->options);
    store(descriptor, set, length);
    while (!atomic_load(&shared->stop)) {
        if (shared->options.large == LARGE_GET)
            get(descriptor, key, shared->options.bytes, reply);
        else
            store(descriptor, set, length);
        atomic_fetch_add(&shared->values, 1);
    }
    close(descriptor);
    free(reply);
    free(set);
    return NULL;
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* How long each small get takes, in nanoseconds, sorted; returns how many there were. */
static uint32_t measure(const struct options *options, uint32_t *samples) {
    char reply[SMALL_BYTES + LINE_BYTES_MAX];
    size_t length = SMALL_BYTES;
    char *set = make_set("small", &length);
    int descriptor = open_connection(options);
    store(descriptor, set, length);
    uint32_t count = 0;
    uint64_t end_ns = now_ns() + options->seconds * (uint64_t)1000000000;
    for (uint64_t begun = now_ns(); begun < end_ns && count < SAMPLES_MAX;) {
        get(descriptor, "small", SMALL_BYTES, reply);
        uint64_t now = now_ns();
        samples[count++] = (uint32_t)(now - begun);
        begun = now;
    }
    close(descriptor);
    free(set);
    qsort(samples, count, sizeof *samples, compare);
    return count;
}

static void report(const struct shared *shared, const uint32_t *samples, uint32_t count) {
    double megabytes = (double)atomic_load(&shared->values) * shared->options.bytes / 1e6;
    printf("%u %.1f %.1f %.1f %.1f %.0f\n", count, samples[count / 2] / 1e3,
           samples[(uint64_t)count * 99 / 100] / 1e3, samples[(uint64_t)count * 999 / 1000] / 1e3,
           samples[count - 1] / 1e3, megabytes / shared->options.seconds);
}

static uint32_t number(const char *text, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || value > max)
        fail("a number is wrong");
    return (uint32_t)value;
}

static enum large large_of(const char *text) {
    static const char *const names[] = {"none", "get", "set"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum large)i;
    fail("--large is none, get or set");
    return LARGE_NONE;
}

static void read_options(struct options *options, int argc, char **argv) {
    static const struct option names[] = {{"port", 1, NULL, 'p'},    {"large", 1, NULL, 'l'},
                                          {"clients", 1, NULL, 'c'}, {"bytes", 1, NULL, 'b'},
                                          {"seconds", 1, NULL, 's'}, {0}};
    *options = (struct options){.port = 11211, .clients = 4, .bytes = 1047552, .seconds = 5};
    for (int letter; (letter = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (letter) {
        case 'p':
            options->port = number(optarg, UINT16_MAX);
            break;
        case 'l':
            options->large = large_of(optarg);
            break;
        case 'c':
            options->clients = number(optarg, CLIENTS_MAX);
            break;
        case 'b':
            options->bytes = number(optarg, 1 << 30);
            break;
        case 's':
            options->seconds = number(optarg, 3600);
            break;
        default:
            fail("unknown option");
        }
    }
    if (options->large == LARGE_NONE)
        options->clients = 0;
}

int main(int argc, char **argv) {
    struct shared shared = {0};
    struct client clients[CLIENTS_MAX];
    uint32_t *samples = malloc(SAMPLES_MAX * sizeof *samples);
    if (!samples)
        fail("no memory");
    read_options(&shared.options, argc, argv);
    for (uint32_t i = 0; i < shared.options.clients; i++) {
        clients[i] = (struct client){.shared = &shared, .number = i};
        if (pthread_create(&clients[i].thread, NULL, run_large, &clients[i]) != 0)
            fail("no thread");
    }
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    uint32_t count = measure(&shared.options, samples);
    atomic_store(&shared.stop, true);
    for (uint32_t i = 0; i < shared.options.clients; i++)
        pthread_join(clients[i].thread, NULL);
    report(&shared, samples, count);
    free(samples);
    return 0;
}
