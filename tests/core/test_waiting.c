/* Large values for many connections: those that wait for leases are answered in the end, and
 * whoever needs none is answered meanwhile. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/check.h"
#include "tests/core/fixture.h"

#define MEMORY_BYTES ((size_t)8 << 20)
#define WANTED_BYTES 200000

/* Three such values under lease leave no room for a fourth or a wanted one; two leave none for one
 * that is much. */
#define HELD_BYTES 680000
#define HELD_VALUES 3
#define MUCH_BYTES 1000000

/* Connections that ask again in a turn: fewer than there is credit, as a reactor does it. */
#define BEGGING_MAX 16

struct client {
    struct pipeline pipeline; /* first, so that it is found from there */
    struct outgoing outgoing;
    size_t received;
    bool refused; /* something */
};

struct waiting {
    struct fixture fixture;
    uint64_t leases[HELD_VALUES];
    uint32_t count;
    uint32_t next_to_beg;
    struct client *clients; /* the last one of them wants nothing large */
    char key[16];           /* of the large value */
    char other[16];         /* keys of the same shard: of nothing, */
    char much[16];          /* and of a larger value */
    uint32_t owner;
};

static void name_key(const struct waiting *waiting, char key[16], int n) {
    fixture_name_key(&waiting->fixture, key, waiting->owner, n);
}

static uint64_t store_value(struct waiting *waiting, const char *name, uint32_t length) {
    struct shard *shard = &waiting->fixture.shard[waiting->owner];
    const struct store_key key = {name, (uint32_t)strlen(name),
                                  shard_hash(shard, name, (uint32_t)strlen(name))};
    char *value = calloc(1, length);
    const struct store_write write = {.value = value, .value_length = length};
    struct store_item item;
    uint64_t cas;
    cr_assert(eq(int, (int)store_write(shard->keys.store, &key, &write, 2, &cas), STORE_OK));
    cr_assert(eq(int, (int)store_get(shard->keys.store, &key, 2, &item), STORE_OK));
    free(value);
    return item.large;
}

/* So many clients, and all leases of one of two shards held by somebody else. */
static void begin(struct waiting *waiting, uint32_t clients, uint32_t owner) {
    *waiting = (struct waiting){.count = clients, .owner = owner};
    fixture_init(&waiting->fixture, 2, 64, MEMORY_BYTES);
    waiting->clients = calloc(clients, sizeof(*waiting->clients));
    for (uint32_t i = 0; i < clients; i++) {
        pipeline_init(&waiting->clients[i].pipeline, &waiting->fixture.shard[0]);
    }
    name_key(waiting, waiting->key, 0);
    name_key(waiting, waiting->other, 1);
    name_key(waiting, waiting->much, 2);
    store_value(waiting, waiting->key, WANTED_BYTES);
    store_value(waiting, waiting->much, MUCH_BYTES);
    for (int i = 0; i < HELD_VALUES; i++) {
        char key[16];
        name_key(waiting, key, 3 + i);
        waiting->leases[i] = store_value(waiting, key, HELD_BYTES);
        cr_assert(store_lease(waiting->fixture.shard[owner].keys.store, waiting->leases[i]));
    }
}

/* All but so many. */
static void release(struct waiting *waiting, int kept) {
    for (int i = kept; i < HELD_VALUES; i++) {
        store_lease_end(waiting->fixture.shard[waiting->owner].keys.store, waiting->leases[i]);
    }
}

/* Runs what it has and takes what it is owed. */
static void client_turn(struct waiting *waiting, struct client *client) {
    struct shard *shard = &waiting->fixture.shard[0];
    struct pipeline *pipeline = &client->pipeline;
    pipeline_resume(pipeline);
    for (int round = 0; round < 4 && pipeline_can_run(pipeline); round++) {
        pipeline_collect(pipeline, shard, PIPELINE_ROUND_MAX, &waiting->fixture.batch);
        batch_run(&waiting->fixture.batch, shard);
    }
    cr_assert(pipeline_pause(pipeline, shard));
    if (outgoing_is_empty(&client->outgoing) && pipeline->output.length > 0) {
        pipeline_take_output(pipeline, &client->outgoing);
        client->received += outgoing_bytes(&client->outgoing);
        if (memmem(client->outgoing.output.bytes, client->outgoing.output.length, "ERROR", 5)) {
            client->refused = true;
        }
    }
    pipeline_release_output(pipeline, shard, &client->outgoing);
    pipeline_check(pipeline, shard, &client->outgoing);
}

static void turns(struct waiting *waiting, int count) {
    struct fixture *fixture = &waiting->fixture;
    while (count-- > 0) {
        fixture_serve(fixture, 1, UINT32_MAX);
        exchange_collect_replies(&fixture->shard[0]);
        for (int i = 0; i < BEGGING_MAX; i++) {
            pipeline_retry(&waiting->clients[waiting->next_to_beg++ % waiting->count].pipeline,
                           &fixture->shard[0]);
        }
        for (uint32_t i = 0; i < waiting->count; i++) {
            client_turn(waiting, &waiting->clients[i]);
        }
        mesh_publish(fixture->shard[0].port, true, fixture_no_wake, NULL);
    }
}

static void end(struct waiting *waiting) {
    while (fixture_held(&waiting->fixture) > 0) { /* some are on their way back */
        turns(waiting, 1);
    }
    for (uint32_t i = 0; i < waiting->count; i++) {
        pipeline_finish(&waiting->clients[i].pipeline, &waiting->fixture.shard[0]);
    }
    free(waiting->clients);
    fixture_finish(&waiting->fixture);
}

static void client_send(struct waiting *waiting, struct client *client, const char *words) {
    cr_assert(
        pipeline_feed_copy(&client->pipeline, &waiting->fixture.shard[0], words, strlen(words)));
}

static void client_get(struct waiting *waiting, struct client *client, const char *key) {
    char words[64];
    sprintf(words, "get %s\r\n", key);
    client->received = 0;
    client_send(waiting, client, words);
    turns(waiting, 20);
}

static bool all_have(const struct waiting *waiting, size_t bytes) {
    for (uint32_t i = 0; i < waiting->count - 1; i++) {
        if (waiting->clients[i].received < bytes) {
            return false;
        }
    }
    return true;
}

/* Each client but the last asks so often for the large value. */
static void check(uint32_t clients, uint32_t owner, int gets) {
    struct waiting waiting;
    char words[4096] = "", answer[64];
    begin(&waiting, clients, owner);
    for (int i = 0; i < gets; i++) {
        sprintf(words + strlen(words), "get %s\r\n", waiting.key);
    }
    size_t bytes =
        (size_t)sprintf(answer, "VALUE %s 0 %d\r\n\r\nEND\r\n", waiting.key, WANTED_BYTES);
    for (uint32_t i = 0; i < clients - 1; i++) {
        client_send(&waiting, &waiting.clients[i], words);
    }
    turns(&waiting, 100);
    for (uint32_t i = 0; i < clients - 1; i++) {
        cr_assert(eq(sz, waiting.clients[i].received, 0));
    }

    cr_assert(
        ge(u32, shard_messages_left(&waiting.fixture.shard[0]), (uint32_t)SHARD_MESSAGES_PART));
    struct client *last = &waiting.clients[clients - 1];
    sprintf(words, "get %s\r\nget %s\r\n", waiting.other, waiting.other);
    client_send(&waiting, last, words);
    turns(&waiting, 100);
    cr_assert(eq(sz, last->received, 2 * strlen("END\r\n")));

    release(&waiting, 0);
    while (!all_have(&waiting, (size_t)gets * (bytes + WANTED_BYTES))) {
        turns(&waiting, 1);
    }
    for (uint32_t i = 0; i < clients - 1; i++) {
        cr_assert(eq(sz, waiting.clients[i].received, (size_t)gets * (bytes + WANTED_BYTES)));
        cr_assert(not(waiting.clients[i].refused));
    }
    end(&waiting);
}

/* Wherever segments end in it. */
Test(large, one_send_takes_a_value_of_1_mib) {
    static const char head[] = "set k 0 0 1048000\r\n";
    char *command = calloc(1, sizeof(head) + 1048000 + 2);
    struct fixture fixture;
    fixture_init(&fixture, 1, 4, (size_t)64 << 20);
    memcpy(stpcpy(command, head) + 1048000, "\r\n", 2);
    for (int i = 0; i < 10; i++) {
        struct iovec parts[OUTGOING_PARTS_MAX];
        size_t bytes = 0;
        fixture_feed(&fixture, command, strlen(head) + 1048000 + 2);
        fixture_turn(&fixture, "get k\r\n", strlen("get k\r\n"));
        const struct outgoing outgoing = {.output = fixture.pipeline.output,
                                          .leases = fixture.pipeline.leases};
        int count = outgoing_gather(&outgoing, &fixture.shard[0], OUTGOING_SEND_BYTES_MAX, parts);
        for (int part = 0; part < count; part++) {
            bytes += parts[part].iov_len;
        }
        cr_assert(lt(sz, 1048000, bytes));
        cr_assert(eq(sz, bytes, outgoing_bytes(&outgoing)));
        fixture_run_until_idle(&fixture);
    }
    free(command);
    fixture_finish(&fixture);
}

/* More than there are messages. */
Test(waiting, thousands_of_connections, .timeout = 600) {
    check(2999, 0, 1);
    check(2999, 1, 1);
}

Test(waiting, whole_queues, .timeout = 600) {
    check(100, 0, 64);
    check(100, 1, 64);
}

/* Who waits for much goes before others that need little: for a while, and then not for as long. */
Test(waiting, who_needs_much_has_a_turn) {
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct waiting waiting;
        begin(&waiting, 2, owner);
        struct client *much = &waiting.clients[0], *little = &waiting.clients[1];
        uint64_t *now_ns = &waiting.fixture.shard[owner].keys.now_ns;
        client_get(&waiting, much, waiting.much);
        release(&waiting, 2);
        client_get(&waiting, little, waiting.key);
        cr_assert(eq(sz, little->received, 0));
        *now_ns += PRIORITY_NS;
        turns(&waiting, 20);
        cr_assert(lt(sz, WANTED_BYTES, little->received));
        client_get(&waiting, little, waiting.key);
        cr_assert(lt(sz, WANTED_BYTES, little->received));
        *now_ns += PRIORITY_NS;
        turns(&waiting, 20);
        client_get(&waiting, little, waiting.key);
        cr_assert(eq(sz, little->received, 0));
        cr_assert(eq(sz, much->received, 0));
        store_lease_end(waiting.fixture.shard[owner].keys.store, waiting.leases[1]);
        turns(&waiting, 20);
        cr_assert(lt(sz, MUCH_BYTES, much->received));
        cr_assert(lt(sz, WANTED_BYTES, little->received));
        store_lease_end(waiting.fixture.shard[owner].keys.store, waiting.leases[0]);
        end(&waiting);
    }
}

static uint64_t upload_begin(struct waiting *waiting, uint32_t length) {
    struct shard *shard = &waiting->fixture.shard[waiting->owner];
    const struct store_key key = {"held", 4, shard_hash(shard, "held", 4)};
    uint64_t upload;
    enum store_status status =
        store_upload_begin(shard->keys.store, &key, length, STORE_UPLOAD_STORES, 2, &upload);
    cr_assert(eq(int, (int)status, STORE_OK));
    return upload;
}

/* Says the first line of a set. Returns how many uploads there are then. */
static uint32_t client_set(struct waiting *waiting, struct client *client, uint32_t length) {
    struct store_stats stats;
    char words[64];
    sprintf(words, "set %s 0 0 %u\r\n", waiting->other, length);
    client_send(waiting, client, words);
    turns(waiting, 20);
    store_stats(waiting->fixture.shard[waiting->owner].keys.store, &stats);
    return stats.uploads;
}

static void break_all(struct waiting *waiting) {
    for (uint32_t i = 0; i < waiting->count; i++) {
        while (!pipeline_abort(&waiting->clients[i].pipeline, &waiting->fixture.shard[0])) {
            turns(waiting, 1);
        }
    }
}

/* Uploads hold three quarters of what they may. */
Test(waiting, who_uploads_much_has_a_turn) {
    for (uint32_t owner = 0; owner < 2; owner++) {
        struct waiting waiting;
        begin(&waiting, 4, owner);
        release(&waiting, 0);
        struct shard *shard = &waiting.fixture.shard[owner];
        uint64_t held[] = {upload_begin(&waiting, HELD_BYTES), upload_begin(&waiting, HELD_BYTES)};
        cr_assert(eq(u32, client_set(&waiting, &waiting.clients[0], MUCH_BYTES), 2));
        cr_assert(eq(u32, client_set(&waiting, &waiting.clients[1], WANTED_BYTES), 2));
        store_upload_cancel(shard->keys.store, held[0]);
        turns(&waiting, 20);
        cr_assert(eq(u32, client_set(&waiting, &waiting.clients[2], 20000), 4));
        store_upload_cancel(shard->keys.store, held[1]);
        break_all(&waiting);
        end(&waiting);
    }
}

/* However many messages requests have taken: or what they wait for might never be given back. */
Test(waiting, giving_back_has_messages_of_its_own) {
    struct message *taken[SHARD_MESSAGES_MAX];
    uint32_t count = 0;
    struct waiting waiting;
    begin(&waiting, 1, 1);
    struct shard *shard = &waiting.fixture.shard[0];
    while (shard_messages_left(shard) > 0) {
        taken[count++] = message_take(&shard->messages);
    }
    cr_assert(lease_end(shard, 1, waiting.leases[0]));
    while (shard->messages.out < SHARD_MESSAGES_MAX) {
        taken[count++] = message_take(&shard->messages);
    }
    cr_assert(not(lease_end(shard, 1, waiting.leases[1])));
    message_give(&shard->messages, taken[--count]);
    cr_assert(lease_end(shard, 1, waiting.leases[1]));
    while (count > 0) {
        message_give(&shard->messages, taken[--count]);
    }
    release(&waiting, 2);
    end(&waiting);
}
