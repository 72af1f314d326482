/* Commands of the text protocol, and their answers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define LINE_BYTES_MAX 4096

static const char *verb(enum command_kind kind) {
    switch (kind) {
    case COMMAND_GET:
        return "get";
    case COMMAND_GAT:
        return "gat";
    case COMMAND_TOUCH:
        return "touch";
    case COMMAND_SET:
        return "set";
    case COMMAND_ADD:
        return "add";
    case COMMAND_REPLACE:
        return "replace";
    case COMMAND_APPEND:
        return "append";
    case COMMAND_PREPEND:
        return "prepend";
    case COMMAND_CAS:
        return "cas";
    case COMMAND_DELETE:
        return "delete";
    case COMMAND_INCR:
        return "incr";
    case COMMAND_DECR:
        return "decr";
    case COMMAND_FLUSH:
        return "flush_all";
    case COMMAND_QUIT:
        return "quit";
    case COMMAND_FIXED:
    case COMMAND_LINES:
        break;
    }
    return "";
}

static void write_keys(struct client *client, const struct command *command) {
    char key[CLIENT_KEY_BYTES];
    for (uint32_t i = 0; i < command->key_count; i++) {
        uint32_t length = client_key(client, command->keys[i], key);
        bytes_add(&client->out, " ", 1);
        bytes_add(&client->out, key, length);
    }
}

/* Of a flush, if it has one. */
static void write_prefix(struct client *client, const struct command *command) {
    const char *prefix = client->world->flushes[command->flush - 1].prefix;
    if (prefix[0] != '\0') {
        client->out.length -= strlen("all");
        bytes_print(&client->out, "prefix %s", prefix);
    }
}

static void write_store(struct client *client, const struct command *command) {
    struct bytes *out = &client->out;
    bytes_print(out, " %u %" PRId64 " %u", command->flags, command->exptime,
                command->value->length);
    if (command->kind == COMMAND_CAS) {
        bytes_print(out, " %" PRIu64, command->cas);
    }
    bytes_print(out, "%s\r\n", command->quiet ? " noreply" : "");
    bytes_add(out, command->value->bytes, command->value->length);
    bytes_add(out, "\r\n", 2);
}

void text_write(struct client *client, struct command *command) {
    struct bytes *out = &client->out;
    if (command->kind == COMMAND_FIXED || command->kind == COMMAND_LINES) {
        return; /* make.c has put its words there */
    }
    bytes_print(out, "%s%s", verb(command->kind),
                command->wants_cas && command->kind != COMMAND_CAS ? "s" : "");
    if (command->kind == COMMAND_GAT) {
        bytes_print(out, " %" PRId64, command->exptime);
    }
    if (command->kind == COMMAND_FLUSH) {
        write_prefix(client, command);
    }
    write_keys(client, command);
    if (command->value) {
        write_store(client, command);
        return;
    }
    if (command->kind == COMMAND_TOUCH || (command->kind == COMMAND_FLUSH && command->exptime)) {
        bytes_print(out, " %" PRId64, command->exptime);
    }
    if (command->kind == COMMAND_INCR || command->kind == COMMAND_DECR) {
        bytes_print(out, " %" PRIu64, command->delta);
    }
    bytes_print(out, "%s\r\n", command->quiet ? " noreply" : "");
}

/* Answers. */

const char *reading_line(const struct client *client, const struct reading *reading,
                         size_t *length) {
    const char *start = reading->bytes + reading->used;
    size_t left = reading->length - reading->used;
    const char *end = left > 0 ? memchr(start, '\n', left) : NULL;
    if (!end) {
        if (left > LINE_BYTES_MAX) {
            world_fail(client->world, "client %u reads a line without an end: '%.60s'", client->id,
                       start);
        }
        return NULL;
    }
    /* Those of a metadump end so, as in memcached. */
    bool bare = end - start > 4 && memcmp(start, "key=", 4) == 0;
    if (!bare && (end == start || end[-1] != '\r')) {
        world_fail(client->world, "client %u reads a line that ends without \\r: '%.*s'",
                   client->id, (int)(end - start), start);
    }
    *length = (size_t)(end - start) - !bare;
    return start;
}

static bool is_line(const char *line, size_t length, const char *text) {
    return length == strlen(text) && memcmp(line, text, length) == 0;
}

enum answer reading_error(const char *line, size_t length) {
    if (is_line(line, length, "SERVER_ERROR out of memory storing object")) {
        return ANSWER_NO_MEMORY;
    }
    if (is_line(line, length, "SERVER_ERROR object too large for cache")) {
        return ANSWER_TOO_LARGE;
    }
    if (is_line(line, length, "CLIENT_ERROR cannot increment or decrement non-numeric value")) {
        return ANSWER_NON_NUMERIC;
    }
    return ANSWER_SILENT;
}

__attribute__((noreturn)) static void fail_line(const struct client *client,
                                                const struct command *command, const char *line,
                                                size_t length) {
    world_fail(client->world, "client %u: command %d (sent at step %" PRIu64 ") is answered '%.*s'",
               client->id, command->kind, command->sent_step, (int)(length < 200 ? length : 200),
               line);
}

static void observe_misses(struct client *client, struct command *command, uint32_t until) {
    const struct observed miss = {.answer = ANSWER_MISS};
    for (; command->keys_answered < until; command->keys_answered++) {
        model_observe(&client->model, command, command->keys[command->keys_answered], &miss);
    }
}

/* Which of the keys still to be answered a line is about. */
static uint32_t find_key(const struct client *client, const struct command *command,
                         const char *word, size_t length) {
    char key[CLIENT_KEY_BYTES];
    for (uint32_t i = command->keys_answered; i < command->key_count; i++) {
        if (client_key(client, command->keys[i], key) == length && memcmp(key, word, length) == 0) {
            return i;
        }
    }
    world_fail(client->world, "client %u is told of a key that isn't due: '%.*s'", client->id,
               (int)(length < 100 ? length : 100), word);
}

/* VALUE <key> <flags> <bytes> [<cas>]: checked by writing it once more. */
static bool parse_value_line(const struct command *command, const char *line, size_t length,
                             struct observed *observed, size_t *key_length) {
    char again[LINE_BYTES_MAX], copy[LINE_BYTES_MAX];
    unsigned long long cas = 0;
    memcpy(copy, line, length);
    copy[length] = '\0';
    const char *space = strchr(copy + 6, ' ');
    if (!space) {
        return false;
    }
    *key_length = (size_t)(space - copy) - 6;
    if (sscanf(space, " %u %u %llu", &observed->flags, &observed->length, &cas) !=
        (command->wants_cas ? 3 : 2)) {
        return false;
    }
    int count = snprintf(again, sizeof(again), "VALUE %.*s %u %u", (int)*key_length, copy + 6,
                         observed->flags, observed->length);
    if (command->wants_cas) {
        count += snprintf(again + count, sizeof(again) - (size_t)count, " %llu", cas);
    }
    observed->has_flags = true;
    observed->has_cas = command->wants_cas;
    observed->cas = cas;
    return is_line(line, length, again);
}

/* One item, or the end. */
static bool read_values(struct client *client, struct command *command, struct reading *reading) {
    size_t length, key_length;
    const char *line;
    while ((line = reading_line(client, reading, &length))) {
        struct observed observed = {.answer = ANSWER_HIT};
        if (is_line(line, length, "END")) {
            observe_misses(client, command, command->key_count);
            reading->used += length + 2;
            return true;
        }
        if (length < 6 || memcmp(line, "VALUE ", 6) != 0 ||
            !parse_value_line(command, line, length, &observed, &key_length)) {
            fail_line(client, command, line, length);
        }
        if (reading->length - reading->used < length + 2 + observed.length + 2) {
            return false;
        }
        observed.bytes = line + length + 2;
        if (memcmp(observed.bytes + observed.length, "\r\n", 2) != 0) {
            world_fail(client->world, "client %u: a value has no end", client->id);
        }
        observe_misses(client, command, find_key(client, command, line + 6, key_length));
        model_observe(&client->model, command, command->keys[command->keys_answered++], &observed);
        reading->used += length + 2 + observed.length + 2;
    }
    return false;
}

static enum answer outcome_of(const struct command *command, const char *line, size_t length) {
    static const struct {
        const char *text;
        enum answer answer;
    } lines[] = {
        {"STORED", ANSWER_DONE},           {"DELETED", ANSWER_DONE},  {"TOUCHED", ANSWER_DONE},
        {"NOT_STORED", ANSWER_NOT_STORED}, {"EXISTS", ANSWER_EXISTS}, {"NOT_FOUND", ANSWER_MISS},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (is_line(line, length, lines[i].text)) {
            bool right = lines[i].answer != ANSWER_DONE ||
                         is_line(line, length,
                                 command->value                    ? "STORED"
                                 : command->kind == COMMAND_DELETE ? "DELETED"
                                                                   : "TOUCHED");
            return right ? lines[i].answer : ANSWER_SILENT;
        }
    }
    return reading_error(line, length);
}

static bool is_number(const char *line, size_t length, uint64_t *number) {
    char text[32], again[32];
    if (length == 0 || length > 20) {
        return false;
    }
    memcpy(text, line, length);
    text[length] = '\0';
    *number = strtoull(text, NULL, 10);
    snprintf(again, sizeof(again), "%" PRIu64, *number);
    return strcmp(text, again) == 0;
}

static bool read_lines(struct client *client, struct command *command, struct reading *reading) {
    size_t length;
    const char *line;
    while ((line = reading_line(client, reading, &length))) {
        reading->used += length + 1 + (line[length] == '\r');
        if (is_line(line, length, command->fixed)) {
            return true;
        }
        if (command->create && command->keys_answered++ == 0 && is_line(line, length, "OK")) {
            continue;
        }
        if (length < 3 || (memcmp(line, "STAT ", 5) != 0 && memcmp(line, "key=", 4) != 0 &&
                           memcmp(line, "mg ", 3) != 0 && memcmp(line, "ITEM ", 5) != 0 &&
                           memcmp(line, "PREFIX ", 7) != 0)) {
            fail_line(client, command, line, length);
        }
        scan_note(client, command, line, length);
    }
    return false;
}

bool text_read(struct client *client, struct command *command, struct reading *reading) {
    struct observed observed = {0};
    size_t length;
    if (command->quiet) {
        if (command->kind != COMMAND_FLUSH) {
            model_observe(&client->model, command, command->keys[0], &observed);
        }
        return true;
    }
    if (command->kind == COMMAND_LINES) {
        return read_lines(client, command, reading);
    }
    if (command->kind == COMMAND_GET || command->kind == COMMAND_GAT) {
        return read_values(client, command, reading);
    }
    const char *line = reading_line(client, reading, &length);
    if (!line) {
        return false;
    }
    reading->used += length + 2;
    if (command->kind == COMMAND_FIXED || command->kind == COMMAND_FLUSH) {
        if (!is_line(line, length, command->fixed)) {
            fail_line(client, command, line, length);
        }
        return true;
    }
    observed.answer = outcome_of(command, line, length);
    if ((command->kind == COMMAND_INCR || command->kind == COMMAND_DECR) &&
        is_number(line, length, &observed.number)) {
        observed.answer = ANSWER_NUMBER;
    }
    if (observed.answer == ANSWER_SILENT) {
        fail_line(client, command, line, length);
    }
    model_observe(&client->model, command, command->keys[0], &observed);
    return true;
}
