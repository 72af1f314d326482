/* What a client says next. */
#include <string.h>

#include "client.h"
#include "server.h"

static void add_text(struct client *client, const char *text) {
    bytes_add(&client->out, text, strlen(text));
}

static void fill(struct random *random, char *bytes, uint32_t length) {
    uint64_t number = random_next(random) | 1;
    uint32_t at = 0;
    for (; at + 8 <= length; at += 8) {
        memcpy(bytes + at, &number, 8);
        number = number * 6364136223846793005u + 1442695040888963407u;
    }
    memcpy(bytes + at, &number, length - at);
    if (length > 0) {
        bytes[0] = 'x'; /* no number */
    }
}

static struct value *make_number(struct random *random) {
    char digits[24];
    uint32_t length = random_between(random, 1, 20);
    for (uint32_t i = 0; i < length; i++) {
        digits[i] = (char)(i == 0 && length == 20 ? '1' : '0' + (char)random_below(random, 10));
    }
    struct value *value = value_create(length);
    memcpy(value->bytes, digits, length);
    return value;
}

/* Most are short, as everywhere; some lie at the bounds of what is treated alike. */
static uint32_t make_length(struct client *client) {
    struct random *random = &client->world->random;
    const struct choices *choices = &client->world->choices;
    uint32_t most = choices->value_bytes_max;
    switch (random_below(random, 12)) {
    case 0:
        return random_below(random, most + 1);
    case 1:
        return most > 16500 ? 16000 + random_below(random, 800) : most;
    case 2:
        return random_below(random, 3);
    case 3:
        if (choices->item_bytes_max < most + 1000000 && random_one_in(random, 8)) {
            return (uint32_t)choices->item_bytes_max - 200 + random_below(random, 400);
        }
        return 460 + random_below(random, 10);
    default:
        return choices->crowded ? random_below(random, most + 1) : random_size(random, most);
    }
}

static struct value *make_value(struct client *client) {
    struct random *random = &client->world->random;
    if (random_one_in(random, 5)) {
        return make_number(random);
    }
    struct value *value = value_create(make_length(client));
    fill(random, value->bytes, value->length);
    return value;
}

int64_t make_exptime(const struct client *client, bool negative) {
    struct world *world = client->world;
    if (!world->choices.expires || random_one_in(&world->random, 2)) {
        return 0;
    }
    switch (random_below(&world->random, negative ? 6 : 5)) {
    case 0:
        return 2592000;
    case 1:
        return world->wall_s + 100000000;
    case 2:
        return random_between(&world->random, 2592001, 1000000000);
    case 5:
        return -1;
    default:
        return random_between(&world->random, 1, 5);
    }
}

static void make_write(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    char key[CLIENT_KEY_BYTES];
    uint32_t key_length = client_key(client, command->keys[0], key);
    command->value = make_value(client);
    command->flags = random_one_in(random, 2) ? 0 : (uint32_t)random_next(random);
    command->exptime = make_exptime(client, command->speech != SPEECH_BINARY);
    command->too_large =
        command->value->length > server_value_length_max(client->world, key_length);
    if (command->kind == COMMAND_CAS) {
        command->cas = model_cas(&client->model, command->keys[0]);
    }
}

static void make_binary(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    command->opaque = client->opaque++;
    command->quiet = command->kind != COMMAND_TOUCH && random_one_in(random, 3);
    command->returns_key = gets && random_one_in(random, 2);
    if ((command->kind == COMMAND_INCR || command->kind == COMMAND_DECR) &&
        random_one_in(random, 3)) {
        command->create = true;
        command->initial = random_below(random, 1000);
        command->exptime = make_exptime(client, false);
    }
}

static void make_text(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    bool gets = command->kind == COMMAND_GET || command->kind == COMMAND_GAT;
    command->quiet = !gets && random_one_in(random, 5);
    command->wants_cas = command->kind == COMMAND_CAS || (gets && random_one_in(random, 2));
    uint32_t more =
        gets && random_one_in(random, 2) ? random_size(random, COMMAND_KEYS_MAX - 1) : 0;
    bool long_values = client->world->choices.value_bytes_max > 1000;
    if ((client->key_is_long || long_values) && more > 7) {
        more = 7;
    }
    for (uint32_t i = 0; i < more; i++) {
        command->keys[command->key_count++] =
            (uint8_t)random_below(random, client->world->choices.keys);
    }
}

/* Of one of its own keys, of all that it has had, or of all clients' keys. */
static void make_prefix(struct client *client, char prefix[WORLD_PREFIX_BYTES]) {
    struct random *random = &client->world->random;
    char key[CLIENT_KEY_BYTES];
    uint32_t length =
        client_key(client, (uint32_t)random_below(random, client->world->choices.keys), key);
    if (random_one_in(random, 4)) {
        length = 1;
    } else if (random_one_in(random, 3)) {
        length = 1 + (uint32_t)random_below(random, length);
    }
    memcpy(prefix, key, length);
    prefix[length] = '\0';
}

static void make_flush(struct client *client, struct command *command) {
    struct world *world = client->world;
    command->kind = COMMAND_FLUSH;
    command->fixed = "OK";
    command->opaque = client->opaque++;
    command->quiet = random_one_in(&world->random, 4);
    command->exptime = random_one_in(&world->random, 4) ? random_between(&world->random, 1, 3) : 0;
    world->flushes[world->flush_count++] = (struct flush){
        .sent_step = world->step,
        .done_step = UINT64_MAX,
        .due_s = command->exptime ? UINT32_MAX : 0,
    };
    command->flush = world->flush_count;
    if (!client->binary && random_one_in(&world->random, 2)) {
        make_prefix(client, world->flushes[world->flush_count - 1].prefix);
    }
}

/* Before it may say anything else. */
static void make_login(struct client *client, struct command *command) {
    struct random *random = &client->world->random;
    command->kind = COMMAND_FIXED;
    if (client->binary) {
        command->opaque = client->opaque++;
        command->opcode = 0x21;
        client->logged_in = true;
        return;
    }
    client->logged_in = random_one_in(random, 2);
    if (client->logged_in) {
        add_text(client, "set any 0 0 11\r\nanna secret\r\n");
        command->fixed = "STORED";
    } else if (random_one_in(random, 2)) {
        add_text(client, "set any 0 0 10\r\nanna wrong\r\n");
        command->fixed = "CLIENT_ERROR authentication failure";
    } else {
        add_text(client, "get any_key\r\n");
        command->fixed = "CLIENT_ERROR unauthenticated";
    }
}

static void make_item(struct client *client, struct command *command) {
    static const enum command_kind kinds[] = {
        COMMAND_GET,     COMMAND_GET,    COMMAND_GET,     COMMAND_GET,  COMMAND_GET,
        COMMAND_GAT,     COMMAND_TOUCH,  COMMAND_SET,     COMMAND_SET,  COMMAND_SET,
        COMMAND_SET,     COMMAND_ADD,    COMMAND_REPLACE, COMMAND_CAS,  COMMAND_APPEND,
        COMMAND_PREPEND, COMMAND_DELETE, COMMAND_INCR,    COMMAND_DECR,
    };
    struct random *random = &client->world->random;
    command->kind = kinds[random_below(random, sizeof(kinds) / sizeof(kinds[0]))];
    bool renews = client->world->choices.renews_items && !client->binary;
    if (renews && random_one_in(random, 2)) {
        static const enum command_kind renewals[] = {COMMAND_GET, COMMAND_CAS, COMMAND_DELETE};
        command->kind = renewals[random_below(random, 3)];
    }
    if (client->world->choices.crowded && random_one_in(random, 2)) {
        command->kind = COMMAND_SET;
    }
    command->key_count = 1;
    command->keys[0] = (uint8_t)random_below(random, client->world->choices.keys);
    bool metas =
        command->kind != COMMAND_TOUCH && !client->binary && (renews || random_one_in(random, 3));
    command->speech = metas ? SPEECH_META : command->speech;
    if (command->kind >= COMMAND_SET && command->kind <= COMMAND_CAS) {
        make_write(client, command);
    }
    if (client->binary) {
        make_binary(client, command);
    } else if (metas) {
        make_meta(client, command);
    } else {
        make_text(client, command);
    }
    bool joins = command->kind == COMMAND_APPEND || command->kind == COMMAND_PREPEND;
    command->cas_ignored =
        client->world->choices.no_cas && (joins || (client->binary && command->value));
    if (command->kind == COMMAND_GAT || command->kind == COMMAND_TOUCH) {
        command->exptime = make_exptime(client, !client->binary);
    }
    if (command->kind == COMMAND_INCR || command->kind == COMMAND_DECR) {
        command->delta = random_one_in(random, 3) ? random_next(random) : random_size(random, 100);
    }
}

/* Nothing quiet is last: whoever closes then does not know what has been run. */
static void make_last(struct client *client, struct command *command) {
    if (client->ending != ENDING_QUIT) {
        command->kind = COMMAND_FIXED;
        command->opcode = 0x0a;
        command->opaque = client->opaque++;
        command->speech = client->binary ? SPEECH_BINARY : SPEECH_META;
        command->fixed = "MN";
        if (!client->binary) {
            add_text(client, "mn\r\n");
        }
        return;
    }
    command->kind = COMMAND_QUIT;
    command->opaque = client->opaque++;
    client->said_quit = true;
}

void command_make(struct client *client, struct command *command) {
    struct world *world = client->world;
    struct random *random = &world->random;
    command->speech = client->binary ? SPEECH_BINARY : SPEECH_TEXT;
    if (world->choices.logins && !client->logged_in) {
        make_login(client, command);
    } else if (client->commands_left == 0) {
        make_last(client, command);
    } else if (random_one_in(random, 20)) {
        make_fixed(client, command);
    } else if (world->choices.scans && random_one_in(random, 12)) {
        make_lines(client, command);
    } else if (world->choices.administers && !client->binary && random_one_in(random, 20)) {
        make_administration(client, command);
    } else if (world->choices.flushes && !world->choices.no_flush &&
               world->flush_count < WORLD_FLUSHES_MAX && random_one_in(random, 20)) {
        make_flush(client, command);
    } else {
        make_item(client, command);
    }
}
