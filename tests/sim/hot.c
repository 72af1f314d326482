/* hot: few keys that all clients ask for, of which reactors keep copies (core/shard/copies.h). Each
 * key has one client that writes it; all read, and nobody may see an older value than one that was
 * answered before (history.h). Reactors stand still in the middle of turns, with a shard, and
 * before they look for a copy and answer from it.
 *
 *     simulation_hot [--from N] [--seeds N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "engine.h"
#include "history.h"
#include "server.h"
#include "sockets.h"

#define KEYS 3
#define CLIENTS_MAX 6
#define PIPELINED_MAX 24
#define STEPS 6000
#define FILL_BYTES 12000
#define KEY_BYTES 16
#define BYTES_MAX 65536

enum kind { KIND_GET, KIND_SET, KIND_DELETE, KIND_TOUCH, KIND_FLUSH, KIND_FLUSH_LATER, KIND_FILL };

struct request_sent {
    enum kind kind;
    uint32_t key;
    uint32_t number; /* of a write */
    uint32_t ttl_s;
    struct asked asked[KEYS]; /* of a flush: of all; else of the key */
};

struct hot_client {
    struct socket *socket;
    char out[BYTES_MAX];
    size_t out_length;
    char in[BYTES_MAX];
    size_t in_length;
    struct request_sent sent[PIPELINED_MAX];
    uint32_t first, count;
    uint32_t pipelined;
    uint32_t floors[KEYS];
};

struct hot {
    struct world *world;
    struct hot_client *clients;
    uint32_t client_count;
    struct history histories[KEYS];
    uint32_t set_every; /* one of so many requests of a key's client for it is a write */
    bool flushes, expires, fills;
    bool flushes_later; /* once */
};

/* Sending. */

static void hot_put(struct hot_client *client, const char *bytes, size_t length) {
    memcpy(client->out + client->out_length, bytes, length);
    client->out_length += length;
}

static void hot_put_line(struct hot_client *client, const char *word, uint32_t key,
                         const char *rest) {
    char line[200];
    int length = snprintf(line, sizeof(line), "%s hot%u%s\r\n", word, key, rest);
    hot_put(client, line, (size_t)length);
}

/* A value is its number, with dots up to a length. */
static void hot_put_set(struct hot *hot, struct hot_client *client, struct request_sent *sent) {
    struct random *random = &hot->world->random;
    char value[700], rest[100];
    int digits = snprintf(value, sizeof(value), "%u", sent->number);
    uint32_t length = random_one_in(random, 4) ? random_between(random, 20, 600) : (uint32_t)digits;
    memset(value + digits, '.', sizeof(value) - (size_t)digits);
    snprintf(rest, sizeof(rest), " 0 %u %u", sent->ttl_s, length);
    hot_put_line(client, "set", sent->key, rest);
    hot_put(client, value, length);
    hot_put(client, "\r\n", 2);
}

static void hot_put_fill(struct hot *hot, struct hot_client *client) {
    char line[100];
    int length = snprintf(line, sizeof(line), "set fill%u 0 0 %u\r\n",
                          random_below(&hot->world->random, 2000), FILL_BYTES);
    hot_put(client, line, (size_t)length);
    memset(client->out + client->out_length, 'f', FILL_BYTES);
    client->out_length += FILL_BYTES;
    hot_put(client, "\r\n", 2);
}

static enum kind hot_choose(struct hot *hot, uint32_t key, const struct hot_client *client) {
    struct random *random = &hot->world->random;
    bool writer = &hot->clients[key % hot->client_count] == client;
    if (hot->flushes && random_one_in(random, 200)) {
        return KIND_FLUSH;
    }
    if (hot->flushes_later && random_one_in(random, 30)) {
        hot->flushes_later = false;
        return KIND_FLUSH_LATER;
    }
    if (hot->fills && random_one_in(random, 6)) {
        return KIND_FILL;
    }
    if (!writer || !random_one_in(random, hot->set_every) ||
        hot->histories[key].sent + 1 >= HISTORY_WRITES_MAX) {
        return KIND_GET;
    }
    if (hot->expires && random_one_in(random, 6)) {
        return KIND_TOUCH;
    }
    return random_one_in(random, 5) ? KIND_DELETE : KIND_SET;
}

static void hot_note_asked(struct hot *hot, struct request_sent *sent) {
    for (uint32_t key = 0; key < KEYS; key++) {
        sent->asked[key] = (struct asked){.floor = hot->histories[key].floor,
                                          .oldest_tick = server_oldest_tick(hot->world)};
    }
}

static void hot_number(struct hot *hot, struct request_sent *sent, enum history_write write) {
    struct history *history = &hot->histories[sent->key];
    sent->number = ++history->sent;
    history->writes[sent->number] = (uint8_t)write;
    history->gone_at[sent->number] = 0;
}

static void hot_ask(struct hot *hot, struct hot_client *client) {
    struct random *random = &hot->world->random;
    uint32_t key = random_below(random, KEYS);
    struct request_sent *sent = &client->sent[(client->first + client->count++) % PIPELINED_MAX];
    *sent = (struct request_sent){.kind = hot_choose(hot, key, client), .key = key};
    hot_note_asked(hot, sent);
    bool expires = hot->expires && random_one_in(random, 2);
    sent->ttl_s = expires ? random_between(random, 1, 2) : 0;
    char ttl[20];
    snprintf(ttl, sizeof(ttl), " %u", sent->ttl_s);
    switch (sent->kind) {
    case KIND_GET:
        hot_put_line(client, random_one_in(random, 4) ? "gets" : "get", key, "");
        return;
    case KIND_SET:
        hot_number(hot, sent, HISTORY_SET);
        hot_put_set(hot, client, sent);
        return;
    case KIND_DELETE:
        hot_number(hot, sent, HISTORY_DELETED);
        hot_put_line(client, "delete", key, "");
        return;
    case KIND_TOUCH: /* it is not known any more when its value expires */
        hot->histories[key].gone_at[hot->histories[key].sent] = UINT32_MAX;
        hot_put_line(client, "touch", key, ttl);
        return;
    case KIND_FLUSH:
        if (random_one_in(random, 2)) {
            hot_put(client, "flush_all\r\n", 11);
        } else {
            hot_put(client, "flush_prefix hot\r\n", 18);
        }
        return;
    case KIND_FLUSH_LATER:
        hot_put(client, "flush_all 1\r\n", 13);
        return;
    case KIND_FILL:
        hot_put_fill(hot, client);
        return;
    }
}

/* Receiving. */

/* The length of the answer at the front, when it is whole; else 0. */
static size_t hot_answer_length(const struct hot_client *client, enum kind kind) {
    const char *end = memmem(client->in, client->in_length, "\r\n", 2);
    if (!end) {
        return 0;
    }
    size_t line = (size_t)(end - client->in) + 2;
    if (kind != KIND_GET || client->in[0] != 'V') {
        return line;
    }
    unsigned length = 0;
    sscanf(client->in, "VALUE %*s %*u %u", &length);
    size_t whole = line + length + 2 + 5;
    return client->in_length >= whole ? whole : 0;
}

static void hot_got(struct hot *hot, struct hot_client *client, const struct request_sent *sent) {
    struct history *history = &hot->histories[sent->key];
    uint32_t *floor = &client->floors[sent->key];
    if (client->in[0] == 'E') {
        history_missed(hot->world, history, &sent->asked[sent->key], floor);
        return;
    }
    WORLD_CHECK(hot->world, client->in[0] == 'V');
    const char *value = (const char *)memchr(client->in, '\n', client->in_length) + 1;
    history_saw(hot->world, history, &sent->asked[sent->key], floor,
                (uint32_t)strtoul(value, NULL, 10));
}

static void hot_stored(struct hot *hot, struct hot_client *client,
                       const struct request_sent *sent) {
    struct history *history = &hot->histories[sent->key];
    WORLD_CHECK(hot->world, client->in[0] == 'S' && client->in[1] == 'T');
    if (sent->ttl_s > 0 && history->gone_at[sent->number] == 0) {
        history->gone_at[sent->number] =
            world_tick(hot->world) + sent->ttl_s * CLOCK_TICKS_PER_SECOND + 2;
    }
    history_wrote(hot->world, history, &client->floors[sent->key], sent->number);
}

/* What had been stored before it was sent is gone when it has come. */
static void hot_flushed_later(struct hot *hot, const struct request_sent *sent) {
    uint32_t gone_at = world_tick(hot->world) + CLOCK_TICKS_PER_SECOND + 2;
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t *at = hot->histories[key].gone_at;
        for (uint32_t i = 1; i <= sent->asked[key].floor / 2; i++) {
            at[i] = at[i] == 0 || at[i] > gone_at ? gone_at : at[i];
        }
    }
}

static void hot_answered(struct hot *hot, struct hot_client *client,
                         const struct request_sent *sent) {
    switch (sent->kind) {
    case KIND_GET:
        hot_got(hot, client, sent);
        return;
    case KIND_SET:
        hot_stored(hot, client, sent);
        return;
    case KIND_DELETE:
        WORLD_CHECK(hot->world, client->in[0] == 'D' || client->in[0] == 'N');
        history_wrote(hot->world, &hot->histories[sent->key], &client->floors[sent->key],
                      sent->number);
        return;
    case KIND_TOUCH:
        WORLD_CHECK(hot->world, client->in[0] == 'T' || client->in[0] == 'N');
        return;
    case KIND_FLUSH:
        WORLD_CHECK(hot->world, client->in[0] == 'O');
        for (uint32_t key = 0; key < KEYS; key++) {
            history_flushed(hot->world, &hot->histories[key], &sent->asked[key],
                            &client->floors[key]);
        }
        return;
    case KIND_FLUSH_LATER:
        hot_flushed_later(hot, sent);
        return;
    case KIND_FILL:
        WORLD_CHECK(hot->world, client->in[0] == 'S');
        return;
    }
}

static bool hot_receive(struct hot *hot, struct hot_client *client) {
    size_t most = random_size(&hot->world->random, 4096);
    if (most > BYTES_MAX - client->in_length) {
        most = BYTES_MAX - client->in_length;
    }
    long count = socket_read(client->socket, client->in + client->in_length, most);
    if (count < 0) {
        WORLD_CHECK(hot->world, client->count == 0);
        return false; /* the server has ended */
    }
    client->in_length += (size_t)count;
    while (client->count > 0) {
        const struct request_sent sent = client->sent[client->first];
        size_t length = hot_answer_length(client, sent.kind);
        if (length == 0) {
            break;
        }
        hot_answered(hot, client, &sent);
        client->first = (client->first + 1) % PIPELINED_MAX;
        client->count--;
        client->in_length -= length;
        memmove(client->in, client->in + length, client->in_length);
    }
    return count > 0;
}

static bool hot_send(struct hot *hot, struct hot_client *client) {
    size_t most = random_size(&hot->world->random, 2000);
    most = most < client->out_length ? most : client->out_length;
    size_t count = socket_write(client->socket, client->out, most);
    client->out_length -= count;
    memmove(client->out, client->out + count, client->out_length);
    return count > 0;
}

/* A seed. */

static bool hot_step_client(struct hot *hot, bool asks) {
    struct hot_client *client = &hot->clients[random_below(&hot->world->random, hot->client_count)];
    if (asks && client->count < client->pipelined && client->out_length < BYTES_MAX / 2) {
        hot_ask(hot, client);
    }
    bool sent = hot_send(hot, client);
    return hot_receive(hot, client) || sent;
}

static void hot_step(struct hot *hot, bool asks) {
    struct world *world = hot->world;
    struct random *random = &world->random;
    uint32_t reactor = random_below(random, world->choices.reactors);
    world->step++;
    world->now_ns += world->choices.step_ns;
    if (hot->expires && random_one_in(random, 64)) {
        world->now_ns += random_below(random, 300) * (uint64_t)1000000;
    }
    switch (random_below(random, 4)) {
    case 0:
        if (world->step >= world->engines[reactor]->stands_until || world->settled) {
            server_run(world, reactor);
        }
        return;
    case 1:
        engine_step(world->engines[reactor]);
        return;
    case 2:
        engine_step_any(world->engines[reactor]);
        return;
    default:
        hot_step_client(hot, asks);
        return;
    }
}

static bool hot_is_answered(const struct hot *hot) {
    for (uint32_t i = 0; i < hot->client_count; i++) {
        if (hot->clients[i].count > 0) {
            return false;
        }
    }
    return true;
}

static void hot_prepare(struct hot *hot, struct world *world, uint64_t seed) {
    world_init(world, seed * 2 + !!getenv("NOCOPY"),
               false); /* of those that copy at once, see copies.c */
    struct random *random = &world->random;
    uint32_t stands = random_one_in(random, 2) ? random_size(random, 400) : 0;
    world->choices = (struct choices){
        .reactors = random_between(random, 2, 4),
        .ring_capacity = 1u << random_below(random, 8),
        .memory_bytes = (size_t)random_between(random, 2, 3) << 20,
        .item_bytes_max = 100000,
        .turn_requests = 128,
        .connections_max = 32,
        .buffers = 32,
        .stream_bytes = random_between(random, 100, 30000),
        .step_ns = random_size(random, 20000),
        .check_every = random_between(random, 20, 400),
        .faults = {.lending_stands = stands, .yields = stands},
    };
    world->choices.moves = random_one_in(random, 2) ? random_size(random, 1024) : 0;
    *hot = (struct hot){.world = world,
                        .client_count = random_between(random, KEYS, CLIENTS_MAX),
                        .set_every = random_between(random, 1, 20),
                        .flushes = random_one_in(random, 3),
                        .expires = random_one_in(random, 3),
                        .fills = random_one_in(random, 4)};
    hot->flushes_later = hot->expires && !hot->flushes;
    for (uint32_t key = 0; key < KEYS; key++) {
        hot->histories[key].may_vanish = hot->flushes || hot->expires || hot->fills;
    }
}

static void hot_connect(struct hot *hot) {
    struct random *random = &hot->world->random;
    hot->clients = calloc(hot->client_count, sizeof(*hot->clients));
    for (uint32_t i = 0; i < hot->client_count; i++) {
        hot->clients[i].socket = socket_connect(hot->world);
        hot->clients[i].pipelined =
            random_one_in(random, 2) ? random_size(random, PIPELINED_MAX) : 1;
    }
}

static void hot_end(struct hot *hot) {
    struct world *world = hot->world;
    world->settled = true;
    for (uint64_t i = 0; !hot_is_answered(hot); i++) {
        WORLD_CHECK(world, i < 3000000);
        hot_step(hot, false);
    }
    for (uint32_t i = 0; i < hot->client_count; i++) {
        socket_end(hot->clients[i].socket);
    }
    server_stop(world);
    for (uint64_t i = 0; !server_has_ended(world); i++) {
        WORLD_CHECK(world, i < 3000000);
        world->now_ns += 100000;
        hot_step(hot, false);
    }
}

/* Returns how many gets were answered from copies. */
static uint64_t hot_run(uint64_t seed) {
    struct world *world = malloc(sizeof(*world));
    struct hot *hot = malloc(sizeof(*hot));
    hot_prepare(hot, world, seed);
    wrap_world(world);
    sockets_create(world);
    server_start(world);
    world->settled = false;
    hot_connect(hot);
    for (uint32_t i = 0; i < STEPS; i++) {
        hot_step(hot, true);
    }
    hot_end(hot);
    uint64_t copied = world->copied;
    server_finish(world);
    sockets_destroy(world);
    wrap_world(NULL);
    free(hot->clients);
    free(hot);
    free(world);
    return copied;
}

int main(int argc, char **argv) {
    uint64_t from = 1, seeds = 100, copied = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--from") == 0) {
            from = number;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            seeds = number;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..1\n");
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        copied += hot_run(seed);
    }
    printf("# %llu gets answered from copies\n", (unsigned long long)copied);
    printf("%s 1 - few keys for all\n", copied > seeds ? "ok" : "not ok");
    return copied > seeds ? EXIT_SUCCESS : EXIT_FAILURE;
}
