/* What a dump of all keys must tell: each key that was there from its begin to its end, whosever it
 * is, and no key twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define KEYS_SEEN_MAX 64 /* of a client: bits */
#define KEY_BEGIN_BYTES 32

/* As much of a key as fits, and a zero. */
static void read_base64(char to[KEY_BEGIN_BYTES], const char *from) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t collected = 0, bits = 0, length = 0;
    const char *digit;
    for (; *from != ' ' && length + 1 < KEY_BEGIN_BYTES && (digit = strchr(digits, *from));
         from++) {
        collected = collected << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[length++] = (char)(collected >> bits);
        }
    }
    to[length] = '\0';
}

/* The begin of the key that a line of a dump is about. */
static bool key_of_line(char to[KEY_BEGIN_BYTES], const char *line, size_t length) {
    bool mgdump = length > 5 && memcmp(line, "mg ", 3) == 0;
    if (mgdump && memcmp(line + length - 2, " b", 2) == 0) {
        read_base64(to, line + 3);
        return true;
    }
    if (!mgdump && (length <= 4 || memcmp(line, "key=", 4) != 0)) {
        return false;
    }
    size_t begin = mgdump ? 3 : 4, count = length - begin;
    count = count < KEY_BEGIN_BYTES - 1 ? count : KEY_BEGIN_BYTES - 1;
    memcpy(to, line + begin, count);
    to[count] = '\0';
    return true;
}

void scan_note(const struct client *client, struct command *command, const char *line,
               size_t length) {
    char key[KEY_BEGIN_BYTES];
    unsigned id, incarnation, number;
    if (!key_of_line(key, line, length) ||
        sscanf(key, "c%u.%u.%u.", &id, &incarnation, &number) != 3 || id >= WORLD_CLIENTS_MAX ||
        number >= KEYS_SEEN_MAX) {
        return;
    }
    if (command->seen_incarnations[id] > incarnation) {
        return; /* of a connection that is over */
    }
    if (command->seen_incarnations[id] != incarnation) {
        command->seen_incarnations[id] = incarnation;
        command->seen[id] = 0;
    }
    uint64_t bit = (uint64_t)1 << number;
    if (command->seen[id] & bit) {
        world_fail(client->world, "client %u: a scan names key %u of client %u twice", client->id,
                   number, id);
    }
    command->seen[id] |= bit;
}

/* Whether a client has said something about a key that is not answered yet. */
static bool is_busy_with(const struct client *other, uint32_t key) {
    for (uint32_t i = 0; i < other->count; i++) {
        const struct command *command = &other->commands[(other->first + i) % CLIENT_COMMANDS_MAX];
        if (command->kind == COMMAND_FLUSH || memchr(command->keys, (int)key, command->key_count)) {
            return true;
        }
    }
    return false;
}

static void scan_check_other(const struct client *client, const struct command *command,
                             const struct client *other) {
    uint64_t seen =
        command->seen_incarnations[other->id] == other->incarnation ? command->seen[other->id] : 0;
    for (uint32_t i = 0; i < other->model.keys && i < KEYS_SEEN_MAX; i++) {
        if (!(seen & ((uint64_t)1 << i)) && model_is_there(&other->model, command, i) &&
            model_is_older(&other->model, i, command->sent_step) && !is_busy_with(other, i)) {
            world_fail(client->world, "client %u: a scan has left out key %u of client %u",
                       client->id, i, other->id);
        }
    }
}

void scan_check(const struct client *client, const struct command *command) {
    for (uint32_t i = 0; i < client->world->choices.clients; i++) {
        const struct client *other = client->world->clients[i];
        if (other->state == CLIENT_TALKS) {
            scan_check_other(client, command, other);
        }
    }
}
