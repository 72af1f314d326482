/* Commands of the binary protocol, and their answers. */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "client.h"

#define HEADER_BYTES 24
#define OPCODE_STAT 0x10

struct packet {
    uint8_t opcode;
    const char *key;
    uint32_t key_length;
    char extras[20];
    uint32_t extras_length;
    const char *value;
    uint32_t value_length;
    uint32_t opaque;
    uint64_t cas;
};

static void put16(char *at, uint16_t number) {
    number = htobe16(number);
    memcpy(at, &number, sizeof(number));
}

static void put32(char *at, uint32_t number) {
    number = htobe32(number);
    memcpy(at, &number, sizeof(number));
}

static void put64(char *at, uint64_t number) {
    number = htobe64(number);
    memcpy(at, &number, sizeof(number));
}

static uint32_t get32(const char *at) {
    uint32_t number;
    memcpy(&number, at, sizeof(number));
    return be32toh(number);
}

static uint64_t get64(const char *at) {
    uint64_t number;
    memcpy(&number, at, sizeof(number));
    return be64toh(number);
}

static void put_packet(struct bytes *out, const struct packet *packet) {
    char header[HEADER_BYTES] = {(char)0x80, (char)packet->opcode};
    put16(header + 2, (uint16_t)packet->key_length);
    header[4] = (char)packet->extras_length;
    put32(header + 8, packet->key_length + packet->extras_length + packet->value_length);
    put32(header + 12, packet->opaque);
    put64(header + 16, packet->cas);
    bytes_add(out, header, sizeof(header));
    bytes_add(out, packet->extras, packet->extras_length);
    bytes_add(out, packet->key, packet->key_length);
    bytes_add(out, packet->value, packet->value_length);
}

/* Each with its quiet form; those with a key are returned one. */
static uint8_t opcode_of(const struct command *command) {
    bool quiet = command->quiet, key = command->returns_key;
    switch (command->kind) {
    case COMMAND_GET:
        return (uint8_t)(key ? (quiet ? 0x0d : 0x0c) : (quiet ? 0x09 : 0x00));
    case COMMAND_GAT:
        return (uint8_t)(key ? (quiet ? 0x24 : 0x23) : (quiet ? 0x1e : 0x1d));
    case COMMAND_TOUCH:
        return 0x1c;
    case COMMAND_SET:
    case COMMAND_CAS:
        return quiet ? 0x11 : 0x01;
    case COMMAND_ADD:
        return quiet ? 0x12 : 0x02;
    case COMMAND_REPLACE:
        return quiet ? 0x13 : 0x03;
    case COMMAND_APPEND:
        return quiet ? 0x19 : 0x0e;
    case COMMAND_PREPEND:
        return quiet ? 0x1a : 0x0f;
    case COMMAND_DELETE:
        return quiet ? 0x14 : 0x04;
    case COMMAND_INCR:
        return quiet ? 0x15 : 0x05;
    case COMMAND_DECR:
        return quiet ? 0x16 : 0x06;
    case COMMAND_FLUSH:
        return quiet ? 0x18 : 0x08;
    case COMMAND_QUIT:
        return 0x07;
    case COMMAND_FIXED:
    case COMMAND_LINES:
        break;
    }
    return command->opcode;
}

static void put_extras(struct packet *packet, const struct command *command) {
    bool joins = command->kind == COMMAND_APPEND || command->kind == COMMAND_PREPEND;
    if (command->value && !joins) {
        put32(packet->extras, command->flags);
        put32(packet->extras + 4, (uint32_t)command->exptime);
        packet->extras_length = 8;
    } else if (command->kind == COMMAND_GAT || command->kind == COMMAND_TOUCH ||
               (command->kind == COMMAND_FLUSH && command->exptime)) {
        put32(packet->extras, (uint32_t)command->exptime);
        packet->extras_length = 4;
    } else if (command->kind == COMMAND_INCR || command->kind == COMMAND_DECR) {
        put64(packet->extras, command->delta);
        put64(packet->extras + 8, command->initial);
        put32(packet->extras + 16, command->create ? (uint32_t)command->exptime : UINT32_MAX);
        packet->extras_length = 20;
    }
}

void binary_write(struct client *client, struct command *command) {
    char key[CLIENT_KEY_BYTES];
    struct packet packet = {.opcode = opcode_of(command), .opaque = command->opaque};
    command->opcode = packet.opcode;
    if (command->kind == COMMAND_FIXED && command->opcode == 0x21) {
        static const char login[] = "\0anna\0secret";
        packet.key = "PLAIN";
        packet.key_length = 5;
        packet.value = login;
        packet.value_length = sizeof(login) - 1;
    }
    if (command->key_count > 0) {
        packet.key = key;
        packet.key_length = client_key(client, command->keys[0], key);
    }
    put_extras(&packet, command);
    if (command->value) {
        packet.value = command->value->bytes;
        packet.value_length = command->value->length;
    }
    packet.cas = command->cas;
    put_packet(&client->out, &packet);
}

/* Answers. */

struct answered {
    uint8_t opcode;
    uint32_t status;
    uint32_t key_length;
    uint32_t extras_length;
    uint32_t opaque;
    uint64_t cas;
    const char *body;
    uint32_t body_length;
};

__attribute__((noreturn)) static void fail_packet(const struct client *client,
                                                  const struct command *command,
                                                  const struct answered *packet) {
    world_fail(client->world,
               "client %u: command %d (sent at step %" PRIu64 ", opcode %02x, opaque %u) is "
               "answered by opcode %02x, opaque %u, status %x, %u bytes",
               client->id, command->kind, command->sent_step, command->opcode, command->opaque,
               packet->opcode, packet->opaque, packet->status, packet->body_length);
}

static bool parse_packet(const struct client *client, const struct reading *reading,
                         struct answered *packet) {
    const char *at = reading->bytes + reading->used;
    size_t left = reading->length - reading->used;
    if (left > 0 && (unsigned char)*at != 0x81) {
        world_fail(client->world, "client %u: a packet begins with %02x", client->id,
                   (unsigned char)*at);
    }
    if (left < HEADER_BYTES) {
        return false;
    }
    *packet = (struct answered){
        .opcode = (uint8_t)at[1],
        .key_length = get32(at) & 0xffff,
        .extras_length = (uint8_t)at[4],
        .status = get32(at + 4) & 0xffff,
        .body_length = get32(at + 8),
        .opaque = get32(at + 12),
        .cas = get64(at + 16),
        .body = at + HEADER_BYTES,
    };
    return left >= HEADER_BYTES + packet->body_length;
}

static const char *status_text(uint32_t status) {
    switch (status) {
    case 1:
        return "Not found";
    case 2:
        return "Data exists for key.";
    case 3:
        return "Too large.";
    case 5:
        return "Not stored.";
    case 6:
        return "Non-numeric server-side value for incr or decr";
    case 0x20:
        return "Auth failure.";
    case 0x81:
        return "Unknown command";
    case 0x82:
        return "Out of memory";
    default:
        return NULL;
    }
}

static enum answer answer_of(const struct command *command, uint32_t status) {
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    bool counts = command->kind == COMMAND_INCR || command->kind == COMMAND_DECR;
    switch (status) {
    case 0:
        return gets ? ANSWER_HIT : counts ? ANSWER_NUMBER : ANSWER_DONE;
    case 1:
        return command->kind == COMMAND_REPLACE ? ANSWER_NOT_STORED : ANSWER_MISS;
    case 2:
        return command->kind == COMMAND_ADD ? ANSWER_NOT_STORED : ANSWER_EXISTS;
    case 3:
        return ANSWER_TOO_LARGE;
    case 5:
        return ANSWER_NOT_STORED;
    case 6:
        return ANSWER_NON_NUMERIC;
    case 0x82:
        return ANSWER_NO_MEMORY;
    default:
        return ANSWER_SILENT;
    }
}

static bool is_returned_key(const struct client *client, const struct command *command,
                            const struct answered *packet) {
    char key[CLIENT_KEY_BYTES];
    uint32_t length = client_key(client, command->keys[0], key);
    return packet->key_length == length && packet->body_length >= packet->extras_length + length &&
           memcmp(packet->body + packet->extras_length, key, length) == 0;
}

/* A failure has its text for a body; a miss that returns keys its key. */
static bool is_failure_right(const struct client *client, const struct command *command,
                             const struct answered *packet) {
    const char *text = status_text(packet->status);
    if (packet->status == 1 && command->returns_key) {
        return packet->body_length == packet->key_length &&
               is_returned_key(client, command, packet);
    }
    return text && packet->key_length + packet->extras_length == 0 &&
           packet->body_length == strlen(text) &&
           memcmp(packet->body, text, packet->body_length) == 0;
}

static bool observe_success(const struct client *client, const struct command *command,
                            const struct answered *packet, struct observed *observed) {
    bool key = command->returns_key;
    observed->has_cas = command->kind != COMMAND_DELETE;
    observed->cas = packet->cas;
    if (observed->answer == ANSWER_NUMBER) {
        observed->number = packet->body_length == 8 ? get64(packet->body) : 0;
        return packet->body_length == 8 && packet->extras_length == 0;
    }
    if (observed->answer == ANSWER_HIT || command->kind == COMMAND_TOUCH) {
        uint32_t before = packet->extras_length + packet->key_length;
        if (packet->extras_length != 4 || packet->body_length < before ||
            (key ? !is_returned_key(client, command, packet) : packet->key_length != 0)) {
            return false;
        }
        observed->has_flags = true;
        observed->flags = get32(packet->body);
        observed->bytes = observed->answer == ANSWER_HIT ? packet->body + before : NULL;
        observed->length = packet->body_length - before;
        return command->kind != COMMAND_TOUCH || observed->length == 0;
    }
    return packet->body_length == 0;
}

static bool read_stats(struct client *client, struct command *command, struct reading *reading) {
    struct answered packet;
    while (parse_packet(client, reading, &packet)) {
        if (packet.opcode != OPCODE_STAT || packet.opaque != command->opaque ||
            packet.status != 0) {
            fail_packet(client, command, &packet);
        }
        reading->used += HEADER_BYTES + packet.body_length;
        if (packet.key_length == 0) {
            return packet.body_length == 0;
        }
    }
    return false;
}

static void observe_packet(struct client *client, const struct command *command,
                           const struct answered *packet) {
    struct observed observed = {.answer = answer_of(command, packet->status)};
    bool good = packet->status == 0 ? observe_success(client, command, packet, &observed)
                                    : is_failure_right(client, command, packet);
    if (!good || observed.answer == ANSWER_SILENT) {
        fail_packet(client, command, packet);
    }
    model_observe(&client->model, command, command->keys[0], &observed);
}

bool binary_read(struct client *client, struct command *command, struct reading *reading) {
    struct answered packet;
    if (command->kind == COMMAND_LINES) {
        return read_stats(client, command, reading);
    }
    if (!parse_packet(client, reading, &packet)) {
        return false;
    }
    if (command->quiet && packet.opaque != command->opaque) {
        const struct observed silent = {0};
        if (command->kind != COMMAND_FLUSH) {
            model_observe(&client->model, command, command->keys[0], &silent);
        }
        return true;
    }
    if (packet.opaque != command->opaque || packet.opcode != command->opcode) {
        fail_packet(client, command, &packet);
    }
    if (command->kind == COMMAND_FIXED || command->kind == COMMAND_FLUSH ||
        command->kind == COMMAND_QUIT) {
        if (packet.status != (uint32_t)command->initial) {
            fail_packet(client, command, &packet);
        }
    } else {
        observe_packet(client, command, &packet);
    }
    reading->used += HEADER_BYTES + packet.body_length;
    return true;
}
