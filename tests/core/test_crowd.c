/* Many connections on all shards at once, with large values and little memory for them: seeded
 * clients that send in random fragments, read at random speed, stall and vanish. Whatever they do,
 * those that go on are answered, nothing but what was stored comes back, and in the end every byte
 * and pin is free. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/pipeline/check.h"
#include "core/pipeline/exchange.h"
#include "core/pipeline/outgoing.h"
#include "core/pipeline/pipeline.h"
#include "tests/core/fixture.h"
#include "tests/core/script.h"

#define SHARDS_MAX 3
#define CLIENTS_MAX 12
#define KEYS 30
#define VALUE_MAX 60000
#define COMMAND_MAX (VALUE_MAX + 100)
#define STEPS_MAX 2000000
#define TAPE_PERIOD (26 * 251)
#define TAPE_LENGTH (TAPE_PERIOD + VALUE_MAX)

struct client {
    struct pipeline pipeline; /* first, so that it is found from there */
    struct outgoing outgoing;
    uint32_t home;
    bool gone;
    bool reads; /* it takes what it is sent */

    char command[COMMAND_MAX]; /* under way: what is left of it to be sent */
    size_t command_length;
    size_t sent;
    bool is_get;
    uint32_t commands_left;

    char *received;
    size_t received_length;
};

struct crowd {
    uint64_t state;
    bool vanish; /* clients do, now and then */
    uint32_t shards;
    uint32_t clients;
    struct mesh *mesh;
    struct config config;
    struct server_facts facts;
    struct shard shard[SHARDS_MAX];
    struct shard *all[SHARDS_MAX];
    struct batch batch;
    struct client client[CLIENTS_MAX];
    char tape[TAPE_LENGTH]; /* of which every value is a piece */
    uint32_t answered;
    uint32_t waited;
};

/* Values. */

static void tape_fill(char tape[TAPE_LENGTH]) {
    for (size_t i = 0; i < TAPE_LENGTH; i++) {
        tape[i] = (char)('a' + (i * 7 + i / 251) % 26);
    }
}

/* The value with that key and length: a piece of the tape, from a place that tells both. */
static const char *value_of(const struct crowd *crowd, uint32_t key, size_t length) {
    return crowd->tape + (key * 211 + length) % TAPE_PERIOD;
}

/* Clients. */

static void next_command(struct crowd *crowd, struct client *client) {
    uint32_t key = random_below(&crowd->state, KEYS);
    client->sent = 0;
    client->is_get = random_below(&crowd->state, 3) > 0;
    client->commands_left--;
    if (client->is_get) {
        char *end = stpcpy(client->command, "get");
        for (uint32_t keys = 1 + random_below(&crowd->state, 12); keys > 0; keys--) {
            end += sprintf(end, " k%u", random_below(&crowd->state, KEYS));
        }
        client->command_length = (size_t)(stpcpy(end, "\r\n") - client->command);
        return;
    }
    bool large = random_below(&crowd->state, 4) > 0;
    size_t length = 1 + random_below(&crowd->state, large ? VALUE_MAX : 100);
    int head = sprintf(client->command, "set k%u 0 0 %zu\r\n", key, length);
    memcpy(client->command + head, value_of(crowd, key, length), length);
    memcpy(client->command + head + length, "\r\n", 2);
    client->command_length = (size_t)head + length + 2;
}

/* Takes whole answers off the front of what was received; each is looked at. */
static bool take_answer(struct crowd *crowd, struct client *client) {
    char *newline =
        client->received_length ? memchr(client->received, '\n', client->received_length) : NULL;
    uint32_t key;
    size_t length, used;
    if (!newline) {
        return false;
    }
    *newline = '\0'; /* for sscanf(), which looks for an end first */
    bool is_value_line = sscanf(client->received, "VALUE k%u 0 %zu", &key, &length) == 2;
    *newline = '\n';
    used = (size_t)(newline + 1 - client->received);
    if (is_value_line) {
        if (client->received_length < used + length + 2) {
            return false;
        }
        cr_assert(zero(int, memcmp(client->received + used, value_of(crowd, key, length), length)),
                  "a wrong value of k%u", key);
        cr_assert(zero(int, memcmp(client->received + used + length, "\r\n", 2)));
        used += length + 2;
    } else if (memcmp(client->received, "END", 3) == 0 || memcmp(client->received, "STO", 3) == 0) {
        crowd->answered++;
    } else {
        static const char oom[] = "SERVER_ERROR out of memory storing object\r\n";
        cr_assert(eq(sz, used, strlen(oom)));
        cr_assert(zero(int, memcmp(client->received, oom, used)), "%.*s", (int)used,
                  client->received);
        crowd->answered++;
    }
    client->received_length -= used;
    memmove(client->received, client->received + used, client->received_length);
    return true;
}

static void take_bytes(struct client *client, const struct iovec *part, size_t length) {
    client->received = realloc(client->received, client->received_length + length);
    memcpy(client->received + client->received_length, part->iov_base, length);
    client->received_length += length;
}

/* What connections do with their flights, with reads of random sizes. */
static void client_read(struct crowd *crowd, struct client *client) {
    struct shard *shard = &crowd->shard[client->home];
    struct pipeline *pipeline = &client->pipeline;
    struct iovec parts[OUTGOING_PARTS_MAX];
    if (outgoing_is_empty(&client->outgoing) && pipeline->output.length > 0) {
        pipeline_take_output(pipeline, &client->outgoing);
    }
    if (!outgoing_is_sent(&client->outgoing) &&
        outgoing_gather(&client->outgoing, shard, OUTGOING_SEND_BYTES_MAX, parts) > 0) {
        size_t length = 1 + random_below(&crowd->state, 70000);
        length = length < parts[0].iov_len ? length : parts[0].iov_len;
        take_bytes(client, &parts[0], length);
        outgoing_advance(&client->outgoing, shard, length);
    }
    if (outgoing_is_sent(&client->outgoing)) {
        pipeline_release_output(pipeline, shard, &client->outgoing);
    }
    while (take_answer(crowd, client)) {
        ;
    }
}

/* True when it is through with everything. Who has vanished is not: it may still hold output. */
static bool is_through(const struct client *client) {
    return !client->gone && client->commands_left == 0 && client->sent == client->command_length &&
           !client->pipeline.first && client->pipeline.output.length == 0 &&
           client->pipeline.input.length == 0 && outgoing_is_empty(&client->outgoing);
}

static void client_feed(struct crowd *crowd, struct client *client) {
    struct pipeline *pipeline = &client->pipeline;
    bool takes =
        pipeline->wants_more && !pipeline->stalled && !pipeline_is_blocked(pipeline, crowd->shard);
    if (client->sent == client->command_length && client->commands_left > 0) {
        next_command(crowd, client);
    }
    size_t left = client->command_length - client->sent;
    if (!takes || left == 0) {
        return;
    }
    size_t length = 1 + random_below(&crowd->state, 16384);
    length = length < left ? length : left;
    char *where;
    size_t direct = pipeline_upload_window(pipeline, &where);
    if (direct > 0 && random_below(&crowd->state, 4) > 0) {
        length = 1 + random_below(&crowd->state, (uint32_t)(direct < left ? direct : left));
        memcpy(where, client->command + client->sent, length);
        pipeline_direct_feed(pipeline, &crowd->shard[client->home], length);
        client->sent += length;
        return;
    }
    /* The bytes stay: the command is sent whole before the next one is made. */
    cr_assert(pipeline_feed(pipeline, &crowd->shard[client->home], client->command + client->sent,
                            length));
    client->sent += length;
}

/* Its place is taken by another one until all have had their share. */
static void client_vanish(struct crowd *crowd, struct client *client) {
    struct shard *shard = &crowd->shard[client->home];
    bool landed = pipeline_release_output(&client->pipeline, shard, &client->outgoing);
    if (!pipeline_abort(&client->pipeline, shard) || !landed) {
        return;
    }
    pipeline_finish(&client->pipeline, shard);
    pipeline_init(&client->pipeline, shard);
    client->gone = false;
    client->command_length = client->sent = client->received_length = 0;
}

static void client_turn(struct crowd *crowd, struct client *client) {
    struct shard *shard = &crowd->shard[client->home];
    struct pipeline *pipeline = &client->pipeline;
    if (client->gone) {
        client_vanish(crowd, client);
        return;
    }
    if (!pipeline->bytes) {
        client_feed(crowd, client);
    }
    crowd->waited += pipeline_wants_memory(pipeline);
    if (random_below(&crowd->state, 3) == 0) {
        pipeline_retry(pipeline, shard);
    }
    pipeline_resume(pipeline);
    if (pipeline_can_run(pipeline)) {
        pipeline_collect(pipeline, shard, PIPELINE_ROUND_MAX, &crowd->batch);
    }
    batch_run(&crowd->batch, shard);
    cr_assert(pipeline_pause(pipeline, shard));
    cr_assert(not(pipeline->out_of_memory));
    if (client->reads && random_below(&crowd->state, 2)) {
        client_read(crowd, client);
    }
    client->gone = crowd->vanish && random_below(&crowd->state, 2000) == 0;
}

/* Shards. */

/* What a shard counts is what its connections hold. */
static void check_shard(const struct crowd *crowd, uint32_t id) {
    const struct shard *shard = &crowd->shard[id];
    uint32_t uploads = 0, leases = 0;
    for (uint32_t i = 0; i < crowd->clients; i++) {
        const struct client *client = &crowd->client[i];
        if (client->home == id) {
            pipeline_check(&client->pipeline, shard, &client->outgoing);
            uploads += client->pipeline.upload ? 1 : 0;
            leases += leases_count(&client->pipeline.leases);
            leases += leases_count(&client->outgoing.leases) - client->outgoing.ended;
        }
    }
    cr_assert(eq(u32, shard->uploads, uploads));
    cr_assert(eq(u32, shard->leases, leases));
    shard_check(shard);
}

static void shard_turn(struct crowd *crowd, uint32_t id) {
    exchange_collect_replies(&crowd->shard[id]);
    exchange_serve_peers(&crowd->shard[id]);
    for (uint32_t i = 0; i < crowd->clients; i++) {
        if (crowd->client[i].home == id) {
            client_turn(crowd, &crowd->client[i]);
        }
    }
    mesh_publish(crowd->shard[id].port, true, fixture_no_wake, NULL);
    check_shard(crowd, id);
    mesh_check(crowd->mesh);
}

static struct crowd *crowd_create(uint64_t seed, uint32_t ring_capacity) {
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    crowd->state = seed;
    tape_fill(crowd->tape);
    crowd->vanish = seed % 2;
    crowd->shards = 1 + (uint32_t)(seed % SHARDS_MAX);
    crowd->clients = CLIENTS_MAX;
    crowd->config = (struct config){.prefix_delimiter = ':', .item_bytes_max = 1 << 20};
    crowd->facts = (struct server_facts){.config = &crowd->config, .version = "1.2.3"};
    cr_assert(zero(int, mesh_create(&crowd->mesh, crowd->shards, ring_capacity)));
    for (uint32_t i = 0; i < crowd->shards; i++) {
        const struct shard_config config = {.id = i,
                                            .count = crowd->shards,
                                            .seed = seed,
                                            .memory_bytes = STORE_MEMORY_BYTES_MIN,
                                            .memory_bytes_max = STORE_MEMORY_BYTES_MIN,
                                            .item_bytes_max = 1 << 20,
                                            .pipelines_max = CLIENTS_MAX,
                                            .mesh = crowd->mesh,
                                            .all = crowd->all,
                                            .facts = &crowd->facts,
                                            .clock = &clock_system};
        crowd->all[i] = &crowd->shard[i];
        cr_assert(zero(int, shard_init(&crowd->shard[i], &config)));
        crowd->shard[i].keys.now = CLOCK_FIRST_TICK;
        crowd->shard[i].now_s = CLOCK_FIRST_SECOND;
        crowd->shard[i].hooks = &fixture_hooks;
    }
    for (uint32_t i = 0; i < crowd->clients; i++) {
        crowd->client[i].home = i % crowd->shards;
        pipeline_init(&crowd->client[i].pipeline, &crowd->shard[i % crowd->shards]);
    }
    return crowd;
}

static uint64_t held(const struct crowd *crowd) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < crowd->shards; i++) {
        struct store_stats stats;
        const struct shard *shard = &crowd->shard[i];
        store_stats(shard->keys.store, &stats);
        sum += stats.uploads + stats.leases + stats.pinned_bytes + stats.upload_reserved_bytes +
               shard->uploads + shard->leases + shard->messages.out;
    }
    return sum;
}

static void crowd_destroy(struct crowd *crowd) {
    for (uint32_t i = 0; i < crowd->clients; i++) {
        pipeline_finish(&crowd->client[i].pipeline, &crowd->shard[crowd->client[i].home]);
        free(crowd->client[i].received);
    }
    for (uint32_t i = 0; i < crowd->shards; i++) {
        shard_finish(&crowd->shard[i]);
        cr_assert(eq(sz, crowd->shard[i].buffers.bytes, 0));
    }
    mesh_destroy(crowd->mesh);
    free(crowd);
}

/* Each has that many commands; the first `stalled` don't read for a while. */
static void play(struct crowd *crowd, uint32_t commands, uint32_t stalled) {
    for (uint32_t i = 0; i < crowd->clients; i++) {
        crowd->client[i].commands_left = commands;
        crowd->client[i].reads = i >= stalled;
    }
    for (uint32_t step = 0;; step++) {
        bool through = true;
        cr_assert(lt(u32, step, STEPS_MAX), "they don't come to an end");
        shard_turn(crowd, random_below(&crowd->state, crowd->shards));
        for (uint32_t i = 0; i < crowd->shards; i++) {
            crowd->shard[i].keys.now_ns +=
                PRIORITY_NS / 1000; /* for who has vanished may have a turn */
        }
        for (uint32_t i = 0; i < crowd->clients; i++) {
            struct client *client = &crowd->client[i];
            through &= is_through(client);
            client->reads |= random_below(&crowd->state, 3000) == 0;
        }
        if (through && held(crowd) == 0) {
            return;
        }
    }
}

Test(crowd, comes_to_an_end_and_holds_nothing, .timeout = 600) {
    uint32_t answered = 0, waited = 0;
    const char *sanitized = getenv("SANITIZED"); /* which makes it ten times as slow */
    uint32_t seeds = sanitized && strcmp(sanitized, "1") == 0 ? 12 : 40;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct crowd *crowd = crowd_create(seed, 1u << seed % 4);
        play(crowd, 60, (uint32_t)seed % 6);
        answered += crowd->answered;
        waited += crowd->waited;
        crowd_destroy(crowd);
    }
    /* All of it has happened. */
    cr_assert(lt(u32, 500 * seeds, answered));
    cr_assert(lt(u32, 25 * seeds, waited));
}
