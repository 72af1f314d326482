/* Text and meta commands, which share their connections. */
#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 512
#define FILL_BYTES 1500u

static const char *name_of(const struct request *request, const struct keys *keys, uint32_t i) {
    return keys->keys[request->keys[i]].name;
}

static char *put_data(const struct request *request, char *out) {
    memcpy(out, request->bytes, request->length);
    memcpy(out + request->length, "\r\n", 2);
    return out + request->length + 2;
}

/* Requests. */

static char *text_put_gets(const struct request *request, const struct keys *keys, char *out) {
    out += sprintf(out, request->verb == VERB_GET ? "get" : "gets");
    for (uint32_t i = 0; i < request->count; i++) {
        out += sprintf(out, " %s", name_of(request, keys, i));
    }
    return out + sprintf(out, "\r\n");
}

static char *text_put_store(const struct request *request, const struct keys *keys, char *out) {
    static const char *const words[] = {
        [VERB_SET] = "set",       [VERB_ADD] = "add",         [VERB_REPLACE] = "replace",
        [VERB_APPEND] = "append", [VERB_PREPEND] = "prepend", [VERB_CAS] = "cas"};
    out += sprintf(out, "%s %s 0 %" PRIu32 " %" PRIu32, words[request->verb],
                   name_of(request, keys, 0), request->ttl_s, request->length);
    if (request->verb == VERB_CAS) {
        out += sprintf(out, " %" PRIu64, request->expected.cas);
    }
    return put_data(request, out + sprintf(out, "\r\n"));
}

/* One of many keys, with a value of dots. */
static char *text_put_fill(const struct keys *keys, char *out) {
    out += sprintf(out, "set fill%u 0 0 %u\r\n", (unsigned)(keys->random >> 48), FILL_BYTES);
    memset(out, '.', FILL_BYTES);
    return out + FILL_BYTES + sprintf(out + FILL_BYTES, "\r\n");
}

static char *text_put(const struct request *request, const struct keys *keys, char *out) {
    const char *name = name_of(request, keys, 0);
    switch (request->verb) {
    case VERB_GET:
    case VERB_GETS:
        return text_put_gets(request, keys, out);
    case VERB_GAT:
        return out + sprintf(out, "gat %" PRIu32 " %s\r\n", request->ttl_s, name);
    case VERB_DELETE:
        return out + sprintf(out, "delete %s\r\n", name);
    case VERB_INCR:
        return out + sprintf(out, "incr %s %" PRIu64 "\r\n", name, request->delta);
    case VERB_DECR:
        return out + sprintf(out, "decr %s %" PRIu64 "\r\n", name, request->delta);
    case VERB_TOUCH:
        return out + sprintf(out, "touch %s %" PRIu32 "\r\n", name, request->ttl_s);
    case VERB_FLUSH_ALL:
        return out + sprintf(out, "flush_all\r\n");
    case VERB_FLUSH_PREFIX: /* up to the letter */
        return out + sprintf(out, "flush_prefix %.*s\r\n", (int)strcspn(name, ":") + 2, name);
    case VERB_FILL:
        return text_put_fill(keys, out);
    default:
        return text_put_store(request, keys, out);
    }
}

static char *meta_put_store(const struct request *request, const struct keys *keys, char *out) {
    static const char modes[] = {[VERB_SET] = 'S',    [VERB_ADD] = 'E',     [VERB_REPLACE] = 'R',
                                 [VERB_APPEND] = 'A', [VERB_PREPEND] = 'P', [VERB_CAS] = 'S'};
    out += sprintf(out, "ms %s %" PRIu32 " c T%" PRIu32 " M%c", name_of(request, keys, 0),
                   request->length, request->ttl_s, modes[request->verb]);
    if (request->verb == VERB_CAS) {
        out += sprintf(out, " C%" PRIu64, request->expected.cas);
    }
    return put_data(request, out + sprintf(out, "\r\n"));
}

static char *meta_put_delta(const struct request *request, const struct keys *keys, char *out) {
    out += sprintf(out, "ma %s v c D%" PRIu64 "%s", name_of(request, keys, 0), request->delta,
                   request->verb == VERB_DECR ? " MD" : "");
    if (request->creates) {
        out += sprintf(out, " N%" PRIu32 " J%.*s", request->ttl_s, (int)request->length,
                       request->bytes);
    }
    return out + sprintf(out, "\r\n");
}

static char *meta_put(const struct request *request, const struct keys *keys, char *out) {
    const char *name = name_of(request, keys, 0);
    switch (request->verb) {
    case VERB_GET:
        return out + sprintf(out, "mg %s v\r\n", name);
    case VERB_GETS:
        return out + sprintf(out, "mg %s c v\r\n", name);
    case VERB_GAT:
        return out + sprintf(out, "mg %s v T%" PRIu32 "\r\n", name, request->ttl_s);
    case VERB_DELETE:
        return out + sprintf(out, "md %s\r\n", name);
    case VERB_INCR:
    case VERB_DECR:
        return meta_put_delta(request, keys, out);
    case VERB_TOUCH:
        return out + sprintf(out, "mg %s T%" PRIu32 "\r\n", name, request->ttl_s);
    default:
        return meta_put_store(request, keys, out);
    }
}

char *ascii_put(const struct request *request, const struct keys *keys, char *out) {
    return request->dialect == DIALECT_META ? meta_put(request, keys, out)
                                            : text_put(request, keys, out);
}

/* Answers. */

/* Lines that say all. */
static const struct {
    const char *line;
    enum outcome outcome;
    bool is_meta;
} lines[] = {
    {"END", OUTCOME_NOT_FOUND, false}, /* all keys that had no value before it */
    {"STORED", OUTCOME_DONE, false},
    {"NOT_STORED", OUTCOME_NOT_STORED, false},
    {"EXISTS", OUTCOME_EXISTS, false},
    {"NOT_FOUND", OUTCOME_NOT_FOUND, false},
    {"DELETED", OUTCOME_DONE, false},
    {"TOUCHED", OUTCOME_DONE, false},
    {"OK", OUTCOME_DONE, false},
    {"SERVER_ERROR too many prefixes being flushed", OUTCOME_REFUSED, false},
    {"HD", OUTCOME_DONE, true},
    {"EN", OUTCOME_NOT_FOUND, true},
    {"NF", OUTCOME_NOT_FOUND, true},
    {"NS", OUTCOME_NOT_STORED, true},
    {"EX", OUTCOME_EXISTS, true},
};

static void end_all(struct request *request, struct keys *keys, const struct answer *answer,
                    uint64_t now_ns) {
    while (request->answered < request->count) {
        request_end(request, keys, request->answered, answer, now_ns);
    }
}

static uint64_t meta_cas(const char *line) {
    const char *flag = strstr(line, " c");
    return flag ? strtoull(flag + 2, NULL, 10) : 0;
}

static bool is_read(const struct request *request) {
    return request->verb <= VERB_GAT;
}

/* A line without a value, which is all of the answer. */
static void take_line(struct request *request, struct keys *keys, const char *line,
                      uint64_t now_ns) {
    bool is_meta = request->dialect == DIALECT_META;
    size_t word = is_meta ? strcspn(line, " ") : strlen(line);
    request->is_whole = true;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (strlen(lines[i].line) == word && memcmp(lines[i].line, line, word) == 0 &&
            lines[i].is_meta == is_meta &&
            (!is_read(request) || lines[i].outcome == OUTCOME_NOT_FOUND)) {
            const struct answer answer = {.outcome = lines[i].outcome,
                                          .cas = is_meta ? meta_cas(line) : 0};
            end_all(request, keys, &answer, now_ns);
            return;
        }
    }
    char *end;
    const struct answer answer = {.outcome = OUTCOME_DONE, .number = strtoull(line, &end, 10)};
    if ((request->verb != VERB_INCR && request->verb != VERB_DECR) || end == line || *end) {
        request_fail(request, keys, "answered with", line, strlen(line));
    }
    end_all(request, keys, &answer, now_ns);
}

/* Goes on to the key of a line; those before it are misses. */
static void text_find_key(struct request *request, struct keys *keys, const char *line,
                          uint64_t now_ns) {
    const struct answer miss = {.outcome = OUTCOME_NOT_FOUND};
    const char *name = line + strlen("VALUE ");
    size_t length = strcspn(name, " ");
    while (request->answered < request->count) {
        const char *expected = name_of(request, keys, request->answered);
        if (strlen(expected) == length && memcmp(expected, name, length) == 0) {
            return;
        }
        request_end(request, keys, request->answered, &miss, now_ns);
    }
    request_fail(request, keys, "answered with another key", line, strlen(line));
}

static void read_value(struct request *request, struct keys *keys, const char *bytes, size_t length,
                       uint64_t cas, uint64_t now_ns) {
    struct answer answer = {.outcome = OUTCOME_HIT, .cas = cas};
    const struct key *key = &keys->keys[request->keys[request->answered]];
    if (memcmp(bytes + length, "\r\n", 2) != 0 ||
        !keys_read_value(key, bytes, length, &answer.value)) {
        request_fail(request, keys, "a value that nobody wrote", bytes, length);
    }
    if (!is_read(request)) { /* an incr or decr */
        answer.outcome = OUTCOME_DONE;
        answer.number = strtoull(bytes, NULL, 10);
    }
    request_end(request, keys, request->answered, &answer, now_ns);
}

/* Bytes of the value behind a line that announces one; 0: not all are there. */
static size_t take_value(struct request *request, struct keys *keys, const char *line,
                         const char *data, size_t length, uint64_t now_ns) {
    unsigned value_length = 0, flags = 0;
    uint64_t cas = 0;
    bool is_meta = request->dialect == DIALECT_META;
    int found = is_meta ? sscanf(line, "VA %u", &value_length)
                        : sscanf(line, "VALUE %*s %u %u %" SCNu64, &flags, &value_length, &cas);
    bool takes =
        is_read(request) || (is_meta && (request->verb == VERB_INCR || request->verb == VERB_DECR));
    if (found < (is_meta ? 1 : 2) || !takes) {
        request_fail(request, keys, "answered with", line, strlen(line));
    }
    if (length < value_length + 2) {
        return 0;
    }
    if (is_meta) {
        request->is_whole = true;
        cas = meta_cas(line);
    } else {
        text_find_key(request, keys, line, now_ns);
    }
    read_value(request, keys, data, value_length, cas, now_ns);
    return value_length + 2;
}

size_t ascii_take(struct request *request, struct keys *keys, const char *bytes, size_t length,
                  uint64_t now_ns) {
    const char *end = memchr(bytes, '\n', length < LINE_BYTES_MAX ? length : LINE_BYTES_MAX);
    if (!end && length < LINE_BYTES_MAX) {
        return 0;
    }
    if (!end || end == bytes || end[-1] != '\r') {
        request_fail(request, keys, "answered with", bytes, length);
    }
    char line[LINE_BYTES_MAX];
    size_t line_length = (size_t)(end - bytes) + 1;
    memcpy(line, bytes, line_length - 2);
    line[line_length - 2] = '\0';
    if (strncmp(line, "VALUE ", 6) != 0 && strncmp(line, "VA ", 3) != 0) {
        take_line(request, keys, line, now_ns);
        return line_length;
    }
    size_t data = take_value(request, keys, line, end + 1, length - line_length, now_ns);
    return data > 0 ? line_length + data : 0;
}
