/* Commands of the meta protocol, and their answers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define KEY_SHOWN_BYTES 400

/* A mode of ms or ma. */
static char mode(enum command_kind kind) {
    switch (kind) {
    case COMMAND_ADD:
        return 'E';
    case COMMAND_REPLACE:
        return 'R';
    case COMMAND_APPEND:
        return 'A';
    case COMMAND_PREPEND:
        return 'P';
    case COMMAND_DECR:
        return 'D';
    default:
        return '\0';
    }
}

static const char *verb(const struct command *command) {
    if (command->value) {
        return "ms";
    }
    if (command->kind == COMMAND_DELETE) {
        return "md";
    }
    return command->kind == COMMAND_INCR || command->kind == COMMAND_DECR ? "ma" : "mg";
}

static void write_returns(struct client *client, const struct command *command) {
    struct bytes *out = &client->out;
    for (const char *at = command->returns; *at != '\0'; at++) {
        if (*at == 'O') {
            bytes_print(out, " O%u", command->opaque);
        } else {
            bytes_print(out, " %c", *at);
        }
    }
}

static void write_base64(char *to, const char *bytes, uint32_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < length; i += 3) {
        uint32_t left = length - i, three = (uint32_t)(unsigned char)bytes[i] << 16;
        three |= left > 1 ? (uint32_t)(unsigned char)bytes[i + 1] << 8 : 0;
        three |= left > 2 ? (unsigned char)bytes[i + 2] : 0;
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[three & 63] : '=';
    }
    *to = '\0';
}

/* The key as it is sent, with or without b. */
static void show_key(const struct client *client, uint32_t number, bool base64,
                     char shown[KEY_SHOWN_BYTES]) {
    char key[CLIENT_KEY_BYTES];
    uint32_t length = client_key(client, number, key);
    if (base64) {
        write_base64(shown, key, length);
    } else {
        memcpy(shown, key, length);
        shown[length] = '\0';
    }
}

/* Of b, E, I, x, R, T. */
static void write_changes(struct client *client, const struct command *command) {
    struct bytes *out = &client->out;
    bytes_print(out, "%s%s%s", command->base64 ? " b" : "", command->invalidate ? " I" : "",
                command->empty ? " x" : "");
    if (command->new_cas) {
        bytes_print(out, " E%" PRIu64, command->new_cas);
    }
    if (command->recache_s) {
        bytes_print(out, " R%u", command->recache_s);
    }
    if (command->touch) {
        bytes_print(out, " T%" PRId64, command->other_exptime);
    }
    if ((command->value || command->empty) && command->flags) {
        bytes_print(out, " F%u", command->flags);
    }
}

void meta_write(struct client *client, struct command *command) {
    struct bytes *out = &client->out;
    char key[KEY_SHOWN_BYTES];
    if (command->kind == COMMAND_FIXED) {
        return;
    }
    show_key(client, command->keys[0], command->base64, key);
    bytes_print(out, "%s %s", verb(command), key);
    if (command->value) {
        bytes_print(out, " %u", command->value->length);
    }
    write_returns(client, command);
    if (mode(command->kind)) {
        bytes_print(out, " M%c", mode(command->kind));
    }
    write_changes(client, command);
    if (command->kind == COMMAND_GAT || (command->value && command->exptime)) {
        bytes_print(out, " T%" PRId64, command->exptime);
    }
    if (command->cas) {
        bytes_print(out, " C%" PRIu64, command->cas);
    }
    if (command->kind == COMMAND_INCR || command->kind == COMMAND_DECR) {
        bytes_print(out, " D%" PRIu64, command->delta);
    }
    if (command->create && command->kind == COMMAND_GET) {
        bytes_print(out, " N%" PRId64, command->exptime);
    } else if (command->create && command->value) {
        bytes_print(out, " N%" PRId64, command->other_exptime);
    } else if (command->create) {
        bytes_print(out, " N%" PRId64 " J%" PRIu64, command->exptime, command->initial);
    }
    bytes_print(out, "%s\r\n", command->quiet ? " q" : "");
    if (command->value) {
        bytes_add(out, command->value->bytes, command->value->length);
        bytes_add(out, "\r\n", 2);
    }
}

/* Answers. */

__attribute__((noreturn)) static void fail_meta(const struct client *client,
                                                const struct command *command, const char *line,
                                                size_t length) {
    world_fail(client->world,
               "client %u: a meta command %d (sent at step %" PRIu64 ", opaque %u) is answered "
               "'%.*s'",
               client->id, command->kind, command->sent_step, command->opaque,
               (int)(length < 200 ? length : 200), line);
}

static bool has_opaque(const struct command *command, const char *line, size_t length) {
    char opaque[16];
    size_t count = (size_t)snprintf(opaque, sizeof(opaque), " O%u", command->opaque);
    const char *at = memmem(line, length, opaque, count);
    return at && (at + count == line + length || at[count] == ' ');
}

/* One returned flag: true when it is what was asked for. */
static bool take_return(const struct client *client, const struct command *command, char letter,
                        const char *token, struct observed *observed) {
    char key[KEY_SHOWN_BYTES];
    char *end = NULL;
    bool good = token[0] == letter;
    switch (letter) {
    case 'O':
        return good && strtoul(token + 1, NULL, 10) == command->opaque;
    case 'k':
        show_key(client, command->keys[0], false, key);
        observed->has_key = true;
        observed->base64 = strcmp(token + 1, key) != 0;
        show_key(client, command->keys[0], observed->base64, key);
        return good && strcmp(token + 1, key) == 0;
    case 'c':
        observed->has_cas = true;
        observed->cas = strtoull(token + 1, &end, 10);
        break;
    case 'f':
        observed->has_flags = true;
        observed->flags = (uint32_t)strtoul(token + 1, &end, 10);
        break;
    case 's':
        observed->has_length = true;
        observed->length = (uint32_t)strtoul(token + 1, &end, 10);
        break;
    case 't':
        observed->has_ttl = true;
        observed->ttl_s = strtoll(token + 1, &end, 10);
        break;
    default:
        return good;
    }
    return good && end != token + 1 && *end == '\0';
}

static bool take_returns(const struct client *client, const struct command *command, char *flags,
                         bool ok, struct observed *observed) {
    char *save = NULL;
    char *token = strtok_r(flags, " ", &save);
    for (const char *at = command->returns; *at != '\0'; at++) {
        if (*at == 'v' || !(ok || command->value || *at == 'O' || *at == 'k')) {
            continue;
        }
        if (!token || !take_return(client, command, *at, token, observed)) {
            return false;
        }
        token = strtok_r(NULL, " ", &save);
        if (*at == 'k' && observed->base64) {
            if (!token || strcmp(token, "b") != 0) {
                return false;
            }
            token = strtok_r(NULL, " ", &save);
        }
    }
    observed->has_tokens = observed->answer == ANSWER_HIT;
    if (token && observed->has_tokens && strcmp(token, "Z") == 0) {
        observed->token_sent = true;
        token = strtok_r(NULL, " ", &save);
    }
    if (token && observed->has_tokens && strcmp(token, "X") == 0) {
        observed->stale = true;
        token = strtok_r(NULL, " ", &save);
    }
    if (token && observed->has_tokens && strcmp(token, "W") == 0) {
        observed->won = true;
        token = strtok_r(NULL, " ", &save);
    }
    return !token;
}

static enum answer code_answer(const struct command *command, const char *code) {
    if (memcmp(code, "HD", 2) == 0 || memcmp(code, "VA", 2) == 0) {
        bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
        bool counts = command->kind == COMMAND_INCR || command->kind == COMMAND_DECR;
        return gets ? ANSWER_HIT : counts ? ANSWER_NUMBER : ANSWER_DONE;
    }
    if (memcmp(code, "EN", 2) == 0 || memcmp(code, "NF", 2) == 0) {
        return ANSWER_MISS;
    }
    if (memcmp(code, "NS", 2) == 0) {
        return ANSWER_NOT_STORED;
    }
    return memcmp(code, "EX", 2) == 0 ? ANSWER_EXISTS : ANSWER_SILENT;
}

/* The line has been copied to text. False when the value isn't all there yet. */
static bool read_item(struct client *client, struct command *command, struct reading *reading,
                      char *text, size_t length) {
    const char *line = reading->bytes + reading->used;
    struct observed observed = {.answer = code_answer(command, text)};
    bool value = memcmp(text, "VA ", 3) == 0;
    char *flags = text + 2;
    uint32_t value_length = 0;
    if (value) {
        value_length = (uint32_t)strtoul(text + 3, &flags, 10);
        if (reading->length - reading->used < length + 2 + value_length + 2) {
            return false;
        }
    }
    bool ok = observed.answer == ANSWER_HIT || observed.answer == ANSWER_DONE ||
              observed.answer == ANSWER_NUMBER;
    bool wants_value = strchr(command->returns, 'v');
    if (observed.answer == ANSWER_SILENT || (ok && value != wants_value) ||
        !take_returns(client, command, flags, ok, &observed)) {
        fail_meta(client, command, line, length);
    }
    if (observed.has_key && !observed.has_tokens && observed.base64 != command->base64) {
        fail_meta(client, command, line, length); /* a hit's is the item's */
    }
    if (!ok || command->value) {
        observed.has_cas &= observed.answer == ANSWER_DONE;
        observed.has_length &= observed.answer == ANSWER_DONE;
    }
    if (value) {
        if ((observed.has_length && observed.length != value_length) ||
            memcmp(line + length + 2 + value_length, "\r\n", 2) != 0) {
            fail_meta(client, command, line, length);
        }
        observed.length = value_length;
        observed.bytes = line + length + 2;
    }
    if (observed.answer == ANSWER_NUMBER) {
        char number[32] = "";
        memcpy(number, observed.bytes, value_length < 31 ? value_length : 31);
        observed.number = strtoull(number, NULL, 10);
        observed.bytes = NULL;
    }
    model_observe(&client->model, command, command->keys[0], &observed);
    reading->used += length + 2 + (value ? value_length + 2 : 0);
    return true;
}

bool meta_read(struct client *client, struct command *command, struct reading *reading) {
    char text[1024];
    size_t length;
    const char *line = reading_line(client, reading, &length);
    if (!line) {
        return false;
    }
    if (command->kind == COMMAND_FIXED) {
        if (length != strlen(command->fixed) || memcmp(line, command->fixed, length) != 0) {
            fail_meta(client, command, line, length);
        }
        reading->used += length + 2;
        return true;
    }
    struct observed observed = {.answer = reading_error(line, length)};
    if (command->quiet &&
        (observed.answer != ANSWER_SILENT || !has_opaque(command, line, length))) {
        observed.answer = ANSWER_SILENT;
        model_observe(&client->model, command, command->keys[0], &observed);
        return true;
    }
    if (observed.answer != ANSWER_SILENT) {
        model_observe(&client->model, command, command->keys[0], &observed);
        reading->used += length + 2;
        return true;
    }
    if (length < 2 || length >= sizeof(text)) {
        fail_meta(client, command, line, length);
    }
    memcpy(text, line, length);
    text[length] = '\0';
    return read_item(client, command, reading, text, length);
}
