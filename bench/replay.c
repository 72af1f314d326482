/* replay: uses a server as a read-through cache, get and on a miss set, and tells the hit ratio.
 *
 * One connection, in order: requests go in batches, each the gets of keys that are all different,
 * behind the sets of what the batch before it missed. So a get never overtakes the set of its key.
 * A value follows from its key, and every byte that comes back is compared.
 */
#include "bench/trace.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_MAX 1000
#define LINE_BYTES_MAX (TRACE_KEY_BYTES_MAX + 64)
#define RECEIVE_BYTES (256u << 10)

static const char help[] =
    "replay: uses a server as a read-through cache and tells the hit ratio\n"
    "\n"
    "  replay --port 11211 --trace cloudphysics.csv --pid 4711\n"
    "  zcat oltp.lis.gz | replay --port 11211 --trace - --blocks --requests 400000\n"
    "  replay --port 11211 --zipf 1.2 --keys 500000 --requests 5000000\n"
    "\n"
    "For each request a get, on a miss a set; every value that comes back is compared. Prints\n"
    "`name value` lines: requests, hits, hit_ratio, byte_hit_ratio (of the bytes of values asked\n"
    "for), refused (sets), wrong (values), and with --pid resident_mb. Exits with 1 when a value "
    "was wrong. bench/hits runs it beside memcached.\n"
    "\n"
    "  --port N        of the server, on this machine (default 11211)\n"
    "  --pid N         the server's process, to tell its resident size\n"
    "  --batch N       requests under way at once (default 32)\n" TRACE_HELP;

enum { PORT = 'p', PID = 'P', BATCH = 'b', HELP = 'h' };

struct options {
    struct trace_options trace;
    uint32_t port, pid, batch;
};

/* Bytes that grow at their end and are used up at their start. */
struct buffer {
    char *bytes;
    size_t start, end, room;
};

struct replay {
    const struct trace *trace;
    int descriptor;
    uint32_t batch;
    struct buffer output, input;
    uint32_t *seen; /* by key: the batch that asked for it last */
    uint32_t batch_number;
    uint32_t *gets, *sets; /* keys whose replies are to come; the sets come first */
    uint32_t gets_count, sets_count;
    char *expected;                           /* a value */
    uint64_t hits, hit_bytes, refused, wrong; /* bytes: of values */
};

static void fail(const char *what) {
    fprintf(stderr, "replay: %s\n", what);
    exit(EXIT_FAILURE);
}

static void *allocate(void *old, size_t count, size_t bytes) {
    void *array = realloc(old, count * bytes);
    if (!array) {
        fail("no memory");
    }
    return array;
}

/* Bytes. */

static char *buffer_room(struct buffer *buffer, size_t bytes) {
    if (buffer->start == buffer->end) {
        buffer->start = buffer->end = 0;
    }
    if (buffer->end + bytes > buffer->room && buffer->start > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->end + bytes > buffer->room) {
        buffer->room = 2 * (buffer->end + bytes);
        buffer->bytes = allocate(buffer->bytes, buffer->room, 1);
    }
    return buffer->bytes + buffer->end;
}

static void send_some(struct replay *replay) {
    struct buffer *output = &replay->output;
    ssize_t sent = send(replay->descriptor, output->bytes + output->start,
                        output->end - output->start, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        fail("the server has closed the connection");
    }
    if (sent > 0) {
        output->start += (size_t)sent;
    }
}

static void receive_some(struct replay *replay) {
    char *room = buffer_room(&replay->input, RECEIVE_BYTES);
    ssize_t length = recv(replay->descriptor, room, RECEIVE_BYTES, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN)) {
        fail("the server has closed the connection");
    }
    if (length > 0) {
        replay->input.end += (size_t)length;
    }
}

/* Sends what there is to send, meanwhile or at last receives. */
static void exchange(struct replay *replay) {
    bool has_output = replay->output.start < replay->output.end;
    struct pollfd wait = {.fd = replay->descriptor,
                          .events = (short)(has_output ? POLLIN | POLLOUT : POLLIN)};
    if (poll(&wait, 1, -1) < 0) {
        fail(strerror(errno));
    }
    if (wait.revents & POLLOUT) {
        send_some(replay);
    }
    if (wait.revents & ~POLLOUT) {
        receive_some(replay);
    }
}

/* At least this many bytes of input, at its start. */
static const char *await(struct replay *replay, size_t bytes) {
    while (replay->input.end - replay->input.start < bytes) {
        exchange(replay);
    }
    return replay->input.bytes + replay->input.start;
}

/* The next line, ended by a 0 in place of its \r\n; good until the next call. */
static const char *next_line(struct replay *replay) {
    size_t length = 0;
    for (;;) {
        const char *start = await(replay, length + 1);
        size_t there = replay->input.end - replay->input.start;
        char *end = memchr(start + length, '\n', there - length);
        if (end && end > start && end[-1] == '\r') {
            end[-1] = '\0';
            replay->input.start += (size_t)(end + 1 - start);
            return start;
        }
        if (end || there > LINE_BYTES_MAX) {
            fail("the server sends no line where one must be");
        }
        length = there;
    }
}

/* Requests. */

static const char *key_text(const struct replay *replay, const struct trace_key *key) {
    return replay->trace->text + key->text;
}

static void put_get(struct replay *replay, const struct trace_key *key) {
    char *out = buffer_room(&replay->output, LINE_BYTES_MAX);
    replay->output.end += (size_t)sprintf(out, "get %.*s\r\n", key->length, key_text(replay, key));
}

static void put_set(struct replay *replay, const struct trace_key *key) {
    char *out = buffer_room(&replay->output, LINE_BYTES_MAX + key->value_bytes);
    size_t length = (size_t)sprintf(out, "set %.*s 0 0 %u\r\n", key->length, key_text(replay, key),
                                    key->value_bytes);
    trace_put_value(out + length, key);
    memcpy(out + length + key->value_bytes, "\r\n", 2);
    replay->output.end += length + key->value_bytes + 2;
}

/* Replies. */

static void take_stored(struct replay *replay) {
    const char *line = next_line(replay);
    if (strncmp(line, "SERVER_ERROR ", 13) == 0) {
        replay->refused++;
    } else if (strcmp(line, "STORED") != 0) {
        fail(line);
    }
}

/* The value behind a VALUE line, with its \r\n. */
static bool is_right(struct replay *replay, const struct trace_key *key, const char *line) {
    char wanted[LINE_BYTES_MAX];
    uint32_t length;
    sprintf(wanted, "VALUE %.*s 0 %u", key->length, key_text(replay, key), key->value_bytes);
    bool is_same = strcmp(line, wanted) == 0;
    if (sscanf(line, "VALUE %*s %*u %u", &length) != 1) {
        fail(line);
    }
    const char *value = await(replay, (size_t)length + 2);
    trace_put_value(replay->expected, key);
    is_same = is_same && memcmp(value, replay->expected, length) == 0 &&
              memcmp(value + length, "\r\n", 2) == 0;
    replay->input.start += (size_t)length + 2;
    return is_same;
}

/* True: a hit. */
static bool take_value(struct replay *replay, const struct trace_key *key) {
    const char *line = next_line(replay);
    if (strcmp(line, "END") == 0) {
        return false;
    }
    replay->wrong += !is_right(replay, key, line);
    line = next_line(replay);
    if (strcmp(line, "END") != 0) {
        fail(line);
    }
    return true;
}

/* Takes the replies of a batch; what it missed is set with the next one. */
static void take_replies(struct replay *replay) {
    for (uint32_t i = 0; i < replay->sets_count; i++) {
        take_stored(replay);
    }
    replay->sets_count = 0;
    for (uint32_t i = 0; i < replay->gets_count; i++) {
        uint32_t key = replay->gets[i];
        if (take_value(replay, &replay->trace->keys[key])) {
            replay->hits++;
            replay->hit_bytes += replay->trace->keys[key].value_bytes;
        } else {
            replay->sets[replay->sets_count++] = key;
        }
    }
    replay->gets_count = 0;
    for (uint32_t i = 0; i < replay->sets_count; i++) {
        put_set(replay, &replay->trace->keys[replay->sets[i]]);
    }
}

static void play(struct replay *replay) {
    const struct trace *trace = replay->trace;
    replay->batch_number = 1;
    for (size_t i = 0; i < trace->requests_count; i++) {
        uint32_t key = trace->requests[i];
        if (replay->gets_count == replay->batch || replay->seen[key] == replay->batch_number) {
            take_replies(replay);
            replay->batch_number++;
        }
        replay->seen[key] = replay->batch_number;
        replay->gets[replay->gets_count++] = key;
        put_get(replay, &trace->keys[key]);
    }
    take_replies(replay); /* of the last batch */
    take_replies(replay); /* and of its sets */
}

/* The program. */

static int connect_to(uint32_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fail("the server does not accept connections");
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return descriptor;
}

static double resident_mb(uint32_t pid) {
    char path[64], line[256];
    unsigned long kb = 0;
    sprintf(path, "/proc/%u/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail("--pid names no process");
    }
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "VmRSS: %lu kB", &kb) == 1) {
            break;
        }
    }
    fclose(file);
    return (double)kb / 1024;
}

static void print(const struct replay *replay, uint32_t pid) {
    const struct trace *trace = replay->trace;
    size_t requests = trace->requests_count;
    uint64_t bytes = 0;
    for (size_t i = 0; i < requests; i++) {
        bytes += trace->keys[trace->requests[i]].value_bytes;
    }
    printf(
        "requests %zu\nhits %llu\nhit_ratio %.4f\nbyte_hit_ratio %.4f\nrefused %llu\nwrong %llu\n",
        requests, (unsigned long long)replay->hits, (double)replay->hits / (double)requests,
        (double)replay->hit_bytes / (double)bytes, (unsigned long long)replay->refused,
        (unsigned long long)replay->wrong);
    if (pid > 0) {
        printf("resident_mb %.1f\n", resident_mb(pid));
    }
}

static void finish(struct replay *replay, struct trace *trace) {
    close(replay->descriptor);
    free(replay->output.bytes);
    free(replay->input.bytes);
    free(replay->seen);
    free(replay->gets);
    free(replay->sets);
    free(replay->expected);
    trace_finish(trace);
}

static uint32_t number(const char *text, uint32_t min, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text && !*end && value >= min && value <= max) {
        return (uint32_t)value;
    }
    fprintf(stderr, "replay: a number from %u to %u is wanted, not \"%s\"\n", min, max, text);
    exit(64);
}

static void parse(struct options *options, int argc, char **argv) {
    static const struct option names[] = {
        {"port", required_argument, NULL, PORT},
        {"pid", required_argument, NULL, PID},
        {"batch", required_argument, NULL, BATCH},
        {"help", no_argument, NULL, HELP},
        TRACE_OPTION_ROWS,
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == PORT) {
            options->port = number(optarg, 1, 65535);
        } else if (option == PID) {
            options->pid = number(optarg, 1, INT32_MAX);
        } else if (option == BATCH) {
            options->batch = number(optarg, 1, BATCH_MAX);
        } else if (option == HELP) {
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        } else if (!trace_option_take(&options->trace, option, optarg)) {
            fprintf(stderr, "replay: see --help\n");
            exit(64);
        }
    }
}

int main(int argc, char **argv) {
    struct options options = {.trace = trace_options_default(), .port = 11211, .batch = 32};
    parse(&options, argc, argv);
    struct trace trace;
    const char *wrong = trace_load(&trace, &options.trace);
    if (wrong) {
        fprintf(stderr, "replay: trace: %s\n", wrong);
        return EXIT_FAILURE;
    }
    struct replay replay = {.trace = &trace,
                            .descriptor = connect_to(options.port),
                            .batch = options.batch,
                            .seen = calloc(trace.keys_count, sizeof(*replay.seen)),
                            .gets = allocate(NULL, options.batch, sizeof(*replay.gets)),
                            .sets = allocate(NULL, options.batch, sizeof(*replay.sets)),
                            .expected = allocate(NULL, TRACE_VALUE_BYTES_MAX, 1)};
    if (!replay.seen) {
        fail("no memory");
    }
    play(&replay);
    print(&replay, options.pid);
    finish(&replay, &trace);
    return replay.wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
