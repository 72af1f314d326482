#include "bench/trace.h"

#include "bench/random.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024
#define LINE_BYTES_MAX 512
#define BLOCKS_MAX 1000000 /* of one line; more is no trace */

void trace_init(struct trace *trace) {
    memset(trace, 0, sizeof(*trace));
}

void trace_finish(struct trace *trace) {
    free(trace->requests);
    free(trace->keys);
    free(trace->text);
    free(trace->slots);
}

static void *room_for(void *array, size_t count, size_t bytes) {
    array = realloc(array, count * bytes);
    if (array) {
        return array;
    }
    fprintf(stderr, "no memory for the trace\n");
    exit(EXIT_FAILURE);
}

/* Keys. */

uint64_t trace_hash(const char *key, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, its end mixed */
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
    }
    return random_mixed(hash);
}

uint32_t trace_value_bytes(uint64_t hash) {
    uint64_t state = hash;
    uint64_t kind = random_below(&state, 10);
    if (kind < 6) {
        return 64 + (uint32_t)random_below(&state, 200 - 64 + 1);
    }
    if (kind < 9) {
        return 200 + (uint32_t)random_below(&state, 800 - 200 + 1);
    }
    return 800 + (uint32_t)random_below(&state, 4096 - 800 + 1);
}

void trace_put_value(char *out, const struct trace_key *key) {
    uint64_t state = key->hash, bits;
    uint32_t left = key->value_bytes;
    for (; left >= sizeof(bits); left -= sizeof(bits), out += sizeof(bits)) {
        bits = random_next(&state);
        memcpy(out, &bits, sizeof(bits));
    }
    bits = random_next(&state);
    memcpy(out, &bits, left);
}

/* The slot that names the key, or the empty one where it belongs. */
static uint32_t *find(const struct trace *trace, uint64_t hash, const char *key, size_t length) {
    size_t mask = trace->slots_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &trace->slots[i];
        if (*slot == 0) {
            return slot;
        }
        const struct trace_key *at = &trace->keys[*slot - 1];
        if (at->hash == hash && at->length == length &&
            memcmp(trace->text + at->text, key, length) == 0) {
            return slot;
        }
    }
}

/* Half of the slots stay empty. */
static void grow_slots(struct trace *trace) {
    if (trace->keys_count < trace->slots_count / 2) {
        return;
    }
    size_t count = trace->slots_count ? 2 * trace->slots_count : SLOTS_MIN;
    trace->slots = room_for(trace->slots, count, sizeof(*trace->slots));
    memset(trace->slots, 0, count * sizeof(*trace->slots));
    trace->slots_count = count;
    for (uint32_t number = 0; number < trace->keys_count; number++) {
        const struct trace_key *key = &trace->keys[number];
        *find(trace, key->hash, trace->text + key->text, key->length) = number + 1;
    }
}

static void add_key(struct trace *trace, const struct trace_key *key, const char *text) {
    if (trace->keys_count == trace->keys_room) {
        trace->keys_room = 2 * trace->keys_room + SLOTS_MIN;
        trace->keys = room_for(trace->keys, trace->keys_room, sizeof(*trace->keys));
    }
    if (trace->text_length + key->length > trace->text_room) {
        trace->text_room = 2 * trace->text_room + LINE_BYTES_MAX;
        trace->text = room_for(trace->text, trace->text_room, 1);
    }
    trace->keys[trace->keys_count++] = *key;
    memcpy(trace->text + trace->text_length, text, key->length);
    trace->text_length += key->length;
}

void trace_add(struct trace *trace, const char *key, size_t length, uint32_t value_bytes) {
    assert(length >= 1);
    assert(length <= TRACE_KEY_BYTES_MAX);
    uint64_t hash = trace_hash(key, length);
    grow_slots(trace);
    uint32_t *slot = find(trace, hash, key, length);
    if (*slot == 0) {
        add_key(trace,
                &(struct trace_key){.text = trace->text_length,
                                    .hash = hash,
                                    .value_bytes = value_bytes,
                                    .length = (uint8_t)length},
                key);
        *slot = trace->keys_count;
    }
    if (trace->requests_count == trace->requests_room) {
        trace->requests_room = 2 * trace->requests_room + SLOTS_MIN;
        trace->requests = room_for(trace->requests, trace->requests_room, sizeof(*trace->requests));
    }
    trace->requests[trace->requests_count++] = *slot - 1;
}

static void add_number(struct trace *trace, uint64_t number) {
    char text[24];
    size_t length = (size_t)sprintf(text, "%llu", (unsigned long long)number);
    trace_add(trace, text, length, trace_value_bytes(trace_hash(text, length)));
}

/* Files. */

static bool is_full(const struct trace *trace, const struct trace_options *options) {
    return options->requests_max > 0 && trace->requests_count >= options->requests_max;
}

/* first block, number of blocks, whatever */
static bool read_blocks(struct trace *trace, const char *line,
                        const struct trace_options *options) {
    unsigned long long first, count;
    if (sscanf(line, "%llu %llu", &first, &count) != 2 || count > BLOCKS_MAX) {
        return false;
    }
    for (unsigned long long i = 0; i < count && !is_full(trace, options); i++) {
        add_number(trace, first + i);
    }
    return true;
}

/* key or key,bytes: no more than that, and no key that the text protocol can't carry */
static bool read_key(struct trace *trace, const char *line, const struct trace_options *options) {
    size_t length = 0;
    while ((unsigned char)line[length] > ' ' && line[length] != 127 && line[length] != ',') {
        length++;
    }
    if (length < 1 || length > TRACE_KEY_BYTES_MAX) {
        return false;
    }
    uint64_t bytes = 0;
    int end = 0;
    if (line[length] == ',' &&
        sscanf(line + length, ",%lu%n", (unsigned long *)&bytes, &end) != 1) {
        return false;
    }
    if (line[length + (size_t)end] != '\0' || (options->own_sizes && end == 0)) {
        return false;
    }
    if (!options->own_sizes) {
        bytes = trace_value_bytes(trace_hash(line, length));
    }
    if (bytes > TRACE_VALUE_BYTES_MAX) {
        bytes = TRACE_VALUE_BYTES_MAX;
    }
    trace_add(trace, line, length, (uint32_t)bytes);
    return true;
}

uint64_t trace_read(struct trace *trace, FILE *file, const struct trace_options *options) {
    char line[LINE_BYTES_MAX];
    for (uint64_t number = 1; !is_full(trace, options) && fgets(line, sizeof(line), file);
         number++) {
        size_t length = strcspn(line, "\r\n");
        bool is_whole = line[length] != '\0' || feof(file);
        line[length] = '\0';
        if (!is_whole || !(options->blocks ? read_blocks : read_key)(trace, line, options)) {
            return number;
        }
    }
    return 0;
}

/* Generated requests: a table of cumulated weights, so that any exponent will do. */
void trace_generate(struct trace *trace, const struct trace_options *options) {
    uint32_t count = options->zipf_keys;
    double *sums = room_for(NULL, count, sizeof(*sums)), sum = 0;
    uint64_t state = options->seed, requests = options->requests_max;
    for (uint32_t rank = 0; rank < count; rank++) {
        sums[rank] = sum += pow(rank + 1.0, -options->zipf);
    }
    for (uint64_t i = 0; i < (requests ? requests : 1000000); i++) {
        add_number(trace, random_by_sums(&state, sums, count));
    }
    free(sums);
}

/* Options. */

struct trace_options trace_options_default(void) {
    return (struct trace_options){.zipf = 0.99, .zipf_keys = 100000, .seed = 1};
}

static bool take_number(uint64_t *number, const char *text, uint64_t min, uint64_t max) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *number = value;
    return errno == 0 && *text >= '0' && *text <= '9' && !*end && value >= min && value <= max;
}

static bool take_fraction(double *number, const char *text) {
    char *end;
    *number = strtod(text, &end);
    return *text && !*end && *number >= 0 && *number <= 10;
}

bool trace_option_take(struct trace_options *options, int option, const char *argument) {
    uint64_t keys;
    switch (option) {
    case TRACE_PATH:
        options->path = argument;
        return true;
    case TRACE_BLOCKS:
        return options->blocks = true;
    case TRACE_OWN_SIZES:
        return options->own_sizes = true;
    case TRACE_REQUESTS:
        return take_number(&options->requests_max, argument, 1, UINT32_MAX);
    case TRACE_ZIPF:
        return take_fraction(&options->zipf, argument);
    case TRACE_KEYS:
        if (!take_number(&keys, argument, 1, TRACE_ZIPF_KEYS_MAX)) {
            return false;
        }
        options->zipf_keys = (uint32_t)keys;
        return true;
    case TRACE_SEED:
        return take_number(&options->seed, argument, 0, UINT64_MAX);
    }
    return false;
}

const char *trace_load(struct trace *trace, const struct trace_options *options) {
    trace_init(trace);
    if (!options->path) {
        trace_generate(trace, options);
        return NULL;
    }
    bool is_stdin = strcmp(options->path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(options->path, "r");
    if (!file) {
        return strerror(errno);
    }
    uint64_t line = trace_read(trace, file, options);
    if (!is_stdin) {
        fclose(file);
    }
    if (line == 1) {
        return "the first line of the trace is no request (--blocks? --own-sizes?)";
    }
    if (line > 1) {
        return "a line of the trace is no request";
    }
    return trace->requests_count == 0 ? "the trace is empty" : NULL;
}
