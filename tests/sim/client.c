#include "client.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/config.h"
#include "secure.h"
#include "server.h"

void bytes_add(struct bytes *bytes, const char *more, size_t length) {
    if (bytes->length + length > bytes->capacity) {
        bytes->capacity = 2 * (bytes->length + length);
        bytes->bytes = realloc(bytes->bytes, bytes->capacity);
    }
    if (length > 0) {
        memcpy(bytes->bytes + bytes->length, more, length);
    }
    bytes->length += length;
}

void bytes_print(struct bytes *bytes, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    bytes_add(bytes, text, (size_t)length);
}

static void bytes_drop_done(struct bytes *bytes) {
    bytes->length -= bytes->done;
    memmove(bytes->bytes, bytes->bytes + bytes->done, bytes->length);
    bytes->done = 0;
}

static void bytes_free(struct bytes *bytes) {
    free(bytes->bytes);
    *bytes = (struct bytes){0};
}

uint32_t client_key(const struct client *client, uint32_t number, char key[CLIENT_KEY_BYTES]) {
    uint32_t length = (uint32_t)snprintf(key, CLIENT_KEY_BYTES, "c%u.%u.%u.", client->id,
                                         client->incarnation, number);
    uint32_t whole = client->key_is_long ? 250 - number % 7 : length + number % 3;
    for (; length < whole; length++) {
        key[length] = '_';
    }
    return length;
}

struct client *client_create(struct world *world, uint32_t id) {
    struct client *client = calloc(1, sizeof(*client));
    client->world = world;
    client->id = id;
    client->connections_left = world->choices.connections;
    client->wake_ns = world->now_ns + random_size(&world->random, 1 << 20);
    return client;
}

void client_destroy(struct client *client) {
    if (client->state == CLIENT_TALKS) {
        model_finish(&client->model);
        for (; client->count > 0; client->count--) {
            value_release(client->commands[client->first++ % CLIENT_COMMANDS_MAX].value);
        }
    }
    bytes_free(&client->out);
    bytes_free(&client->in);
    secure_destroy(client->secure);
    free(client);
}

bool client_has_later(const struct client *client, uint32_t key) {
    for (uint32_t i = 1; i < client->count; i++) {
        const struct command *command =
            &client->commands[(client->first + i) % CLIENT_COMMANDS_MAX];
        if (command->kind == COMMAND_FLUSH || (command->key_count > 0 && command->keys[0] == key)) {
            return true;
        }
    }
    return false;
}

/* The beginning and the end of a connection. */

static bool client_connect(struct client *client) {
    struct world *world = client->world;
    struct random *random = &world->random;
    if (world->now_ns < client->wake_ns) {
        return false;
    }
    client->socket = world->stopping ? NULL : socket_connect(world);
    if (!client->socket) {
        WORLD_CHECK(world, world->stopping);
        client->state = CLIENT_DONE;
        return true;
    }
    client->state = CLIENT_TALKS;
    client->secure = world->tls ? secure_create(world) : NULL;
    client->connections_left--;
    client->incarnation++;
    world->connections++;
    client->binary = random_one_in(random, 3);
    if (world->choices.binding != BINDING_AUTO) {
        client->binary = world->choices.binding == BINDING_BINARY;
    }
    client->key_is_long = random_one_in(random, 6);
    client->ending = (enum ending)random_below(random, 3);
    client->said_quit = client->ended = client->logged_in = client->was_quiet = false;
    client->commands_left = random_between(random, 1, world->choices.operations);
    client->opaque = 1;
    client->stalls_until = client->pauses_until_ns = 0;
    client->last_sent_ns = world->now_ns;
    client->in.length = client->in.done = client->out.length = client->out.done = 0;
    model_init(&client->model, client, world->choices.keys);
    world_note(world, "connects", client->id, (uint64_t)client->socket->descriptor, client->binary);
    world_progress(world);
    return true;
}

static void client_leave(struct client *client) {
    struct world *world = client->world;
    world_note(world, "leaves", client->id, client->count, client->commands_left);
    world_progress(world);
    model_finish(&client->model);
    for (; client->count > 0; client->count--) {
        value_release(client->commands[client->first].value);
        client->first = (client->first + 1) % CLIENT_COMMANDS_MAX;
    }
    client->socket = NULL;
    secure_destroy(client->secure);
    client->secure = NULL;
    client->state = client->connections_left > 0 ? CLIENT_AWAY : CLIENT_DONE;
    client->wake_ns = world->now_ns + random_size(&world->random, 1 << 24);
}

/* The client goes without a word, or with one that nobody wants to hear. */
static void client_vanish(struct client *client) {
    struct world *world = client->world;
    struct socket *socket = client->socket;
    switch (random_below(&world->random, 3)) {
    case 0:
        socket_reset(socket, "its client has reset it");
        break;
    case 1:
        socket_freeze(world, socket, (uint64_t)random_size(&world->random, 100000) * 1000000);
        break;
    default:
        /* It closes; what is sent to it from then on comes back as a reset. */
        socket->excuse = "its client has closed";
        socket_end(socket);
        socket_freeze(world, socket, random_size(&world->random, 1000000));
        break;
    }
    client_leave(client);
}

/* Sending. */

/* Nothing comes of those that are under way until there is one behind them that is answered. */
static bool is_silent(const struct client *client) {
    for (uint32_t i = 0; i < client->count; i++) {
        if (!client->commands[(client->first + i) % CLIENT_COMMANDS_MAX].quiet) {
            return false;
        }
    }
    return true;
}

static bool has_scan(const struct client *client) {
    for (uint32_t i = 0; i < client->count; i++) {
        const struct command *command =
            &client->commands[(client->first + i) % CLIENT_COMMANDS_MAX];
        if (command->kind == COMMAND_LINES) {
            return true;
        }
    }
    return false;
}

static bool may_make(const struct client *client) {
    return !client->said_quit && !client->ended && client->count < CLIENT_COMMANDS_MAX &&
           (client->count < client->world->choices.pipelined || is_silent(client)) &&
           client->out.length < ((size_t)1 << 23) && !has_scan(client);
}

/* False once all has been said. */
static bool client_make(struct client *client) {
    struct world *world = client->world;
    bool last = client->commands_left == 0;
    struct command *command =
        &client->commands[(client->first + client->count) % CLIENT_COMMANDS_MAX];
    *command = (struct command){
        .sent_step = world->step,
        .sent_tick = server_oldest_tick(world),
        .sent_unix_s = world->wall_s,
        .evictions = server_evictions(world),
        .refusals = server_refusals(world),
    };
    command_make(client, command);
    switch (command->speech) {
    case SPEECH_TEXT:
        text_write(client, command);
        break;
    case SPEECH_META:
        meta_write(client, command);
        break;
    case SPEECH_BINARY:
        binary_write(client, command);
        break;
    }
    world_note(world, "says", (uint64_t)client->id << 32 | command->kind, command->keys[0],
               command->value ? command->value->length : 0);
    client->count++;
    client->commands_left -= !last && (!world->choices.logins || client->logged_in);
    client->ended |= last; /* nothing more is said */
    world->operations++;
    return true;
}

/* By TLS all or nothing of a fragment is taken, and what it becomes goes when it can. */
static bool client_send_secure(struct client *client) {
    struct bytes *out = &client->out;
    struct random *random = &client->world->random;
    uint32_t most = client->world->choices.fragment_bytes;
    size_t left = out->length - out->done;
    size_t length = left > 0 ? random_size(random, (uint32_t)(left < most ? left : most)) : 0;
    uint64_t before = secure_moved(client->secure);
    size_t taken = secure_send(client->secure, client->socket, out->bytes + out->done, length,
                               random_size(random, most));
    out->done += taken;
    if (out->done == out->length) {
        out->done = out->length = 0;
    }
    bool moved = secure_moved(client->secure) > before;
    if (moved) {
        client->last_sent_ns = client->world->now_ns;
        world_progress(client->world);
    }
    return moved || taken > 0;
}

static bool client_send(struct client *client) {
    struct bytes *out = &client->out;
    struct random *random = &client->world->random;
    size_t left = out->length - out->done;
    if (client->secure) {
        return client_send_secure(client);
    }
    if (left == 0) {
        return false;
    }
    size_t most = client->world->choices.fragment_bytes;
    size_t length = random_size(random, (uint32_t)(left < most ? left : most));
    size_t sent = socket_write(client->socket, out->bytes + out->done, length);
    out->done += sent;
    if (sent > 0) {
        client->last_sent_ns = client->world->now_ns;
        world_progress(client->world);
    }
    if (out->done == out->length) {
        out->done = out->length = 0;
    }
    return sent > 0;
}

/* Reading. */

static void finish_command(struct client *client, struct command *command) {
    struct world *world = client->world;
    if (command->kind == COMMAND_FLUSH) {
        struct flush *flush = &world->flushes[command->flush - 1];
        flush->done_step = command->quiet ? UINT64_MAX : world->step;
        if (flush->due_s == 0) {
            model_flush(&client->model, flush);
        }
    }
    if (command->kind == COMMAND_LINES && command->create) {
        scan_check(client, command);
    }
    client->was_quiet = command->quiet;
    value_release(command->value);
    client->first = (client->first + 1) % CLIENT_COMMANDS_MAX;
    client->count--;
}

static bool read_answer(struct client *client, struct command *command, struct reading *reading) {
    switch (command->speech) {
    case SPEECH_TEXT:
        return text_read(client, command, reading);
    case SPEECH_META:
        return meta_read(client, command, reading);
    case SPEECH_BINARY:
        return binary_read(client, command, reading);
    }
    return false;
}

static void client_read_answers(struct client *client) {
    struct bytes *in = &client->in;
    struct reading reading = {.bytes = in->bytes, .length = in->length};
    static const char refused[] = "ERROR Too many open connections\r\n";
    size_t begin = in->length < 9 ? in->length : 9;
    if (client->socket->excuse && begin > 0 && memcmp(in->bytes, refused, begin) == 0) {
        return;
    }
    while (client->count > 0) {
        struct command *command = &client->commands[client->first];
        bool says_nothing = command->kind == COMMAND_QUIT && command->speech == SPEECH_TEXT;
        if (!says_nothing && reading.used == reading.length) {
            break; /* what is quiet has run once there is an answer to one behind it */
        }
        if (!says_nothing && !read_answer(client, command, &reading)) {
            break;
        }
        finish_command(client, command);
        world_progress(client->world);
    }
    if (client->count == 0 && reading.used < reading.length) {
        world_fail(client->world, "client %u is sent %zu bytes too many: '%.*s'", client->id,
                   reading.length - reading.used, (int)(reading.length - reading.used),
                   reading.bytes + reading.used);
    }
    in->done = reading.used;
    bytes_drop_done(in);
}

/* Nothing more comes: whatever is left says nothing. */
static void client_read_silence(struct client *client) {
    while (client->count > 0 && client->ended && client->in.length == 0) {
        struct command *command = &client->commands[client->first];
        bool quits = command->kind == COMMAND_QUIT && command->speech == SPEECH_TEXT;
        if (!quits && !command->quiet) {
            return;
        }
        command->kind = COMMAND_QUIT; /* nobody knows what came of it */
        finish_command(client, command);
    }
}

/* The server ends the connection: it must have a reason. */
static void client_is_left(struct client *client) {
    struct world *world = client->world;
    client_read_silence(client);
    bool expected = client->ended && client->count == 0 && client->ending != ENDING_CLOSE &&
                    client->in.length == 0;
    if (!expected && !client->socket->excuse && !world->stopping) {
        world->broken_unexplained++;
        uint64_t explained = server_kicks(world) + server_malloc_fails(world);
        if (world->broken_unexplained > explained) {
            world_fail(world,
                       "client %u: the connection %d ends for no reason, with %u answers owed "
                       "and %zu bytes of one read",
                       client->id, client->socket->descriptor, client->count, client->in.length);
        }
    }
    client_leave(client);
}

static bool client_read(struct client *client) {
    char fragment[1 << 16];
    struct random *random = &client->world->random;
    uint32_t most = client->world->choices.fragment_bytes;
    most = most < sizeof(fragment) ? most : (uint32_t)sizeof(fragment);
    uint64_t before = client->secure ? secure_moved(client->secure) : 0;
    long length = client->secure ? secure_receive(client->secure, client->socket, fragment,
                                                  sizeof(fragment), random_size(random, most))
                                 : socket_read(client->socket, fragment, random_size(random, most));
    if (length < 0) {
        client_is_left(client);
        return true;
    }
    if (length == 0) {
        return client->secure && secure_moved(client->secure) > before;
    }
    world_progress(client->world);
    bytes_add(&client->in, fragment, (size_t)length);
    client_read_answers(client);
    return true;
}

/* Steps. */

/* It has said all. */
static bool client_end(struct client *client) {
    struct socket *socket = client->socket;
    if (!client->ended || client->out.length > 0 || socket->in.ended ||
        (client->secure && secure_pending(client->secure) > 0)) {
        return false;
    }
    if (client->ending == ENDING_HALF_CLOSE) {
        socket_end(socket);
        return true;
    }
    if (client->ending == ENDING_CLOSE && client->count == 0) {
        socket->excuse = "its client has closed";
        socket_end(socket);
        client_leave(client);
        return true;
    }
    return false;
}

static bool client_talk(struct client *client) {
    struct world *world = client->world;
    const struct faults *faults = &world->choices.faults;
    bool pauses = world->step < client->stalls_until || world->now_ns < client->pauses_until_ns;
    if (pauses && !world->settled) {
        return false;
    }
    if (world_fault(world, faults->client_stalls)) {
        if (random_one_in(&world->random, 8)) {
            client->pauses_until_ns =
                world->now_ns + (uint64_t)random_size(&world->random, 60000) * 1000000;
            return false;
        }
        client->stalls_until = world->step + random_size(&world->random, 20000);
        return false;
    }
    switch (random_below(&world->random, 3)) {
    case 0:
        if (!may_make(client)) {
            return client_end(client);
        }
        if (world_fault(world, faults->client_vanishes)) {
            client_vanish(client);
            return true;
        }
        return client_make(client);
    case 1:
        return client_send(client);
    default:
        return client_read(client);
    }
}

bool client_step(struct client *client) {
    switch (client->state) {
    case CLIENT_AWAY:
        return client_connect(client);
    case CLIENT_TALKS:
        return client_talk(client);
    case CLIENT_DONE:
        break;
    }
    return false;
}

uint64_t client_deadline_ns(const struct client *client) {
    bool pauses = client->state == CLIENT_TALKS && client->world->now_ns < client->pauses_until_ns;
    if (pauses) {
        return client->pauses_until_ns;
    }
    return client->state == CLIENT_AWAY ? client->wake_ns : UINT64_MAX;
}

void client_describe(const struct client *client, char *text, size_t bytes) {
    const struct command *command = &client->commands[client->first];
    if (client->state != CLIENT_TALKS) {
        snprintf(text, bytes, "client %u %s", client->id,
                 client->state == CLIENT_AWAY ? "is away" : "is done");
        return;
    }
    snprintf(text, bytes,
             "client %u on %d: %u under way, the first is command %d (speech %d, step %" PRIu64
             "), %u to come, %zu bytes to send, %zu read",
             client->id, client->socket->descriptor, client->count,
             client->count ? (int)command->kind : -1, (int)command->speech, command->sent_step,
             client->commands_left, client->out.length - client->out.done, client->in.length);
}
