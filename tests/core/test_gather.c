/* A gather without a connection: one message to each shard, and the sum of the answers. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/shard/execute.h"
#include "core/shard/gather.h"
#include "tests/core/fixture.h"
#include "tests/core/script.h"

#define MEMORY_BYTES STORE_MEMORY_BYTES_MIN

struct asker {
    struct gather gather;
    uint32_t done; /* how often */
};

static void on_done(struct shard *shard, struct gather *gather) {
    struct asker *asker = gather->context;
    cr_assert(eq(u32, shard->id, 0));
    asker->done++;
}

static struct request command(enum op op, const char *key) {
    return (struct request){.op = (uint8_t)op,
                            .protocol = PROTOCOL_TEXT,
                            .key = key,
                            .key_length = (uint32_t)strlen(key)};
}

static enum gather_progress ask(struct fixture *fixture, struct asker *asker,
                                const struct request *request) {
    struct shard *shard = &fixture->shard[0];
    enum gather_progress progress = gather_send(&asker->gather, shard, request);
    mesh_publish(shard->port, true, fixture_no_wake, NULL);
    return progress;
}

static void begin(struct asker *asker) {
    asker->done = 0;
    gather_init(&asker->gather, on_done, asker);
}

/* One set on each shard. */
static void store_everywhere(struct fixture *fixture) {
    const struct request set = {.op = OP_SET, .key = "k", .key_length = 1, .value = "v"};
    for (uint32_t i = 0; i < fixture->shards; i++) {
        struct shard *shard = &fixture->shard[i];
        struct result result;
        execute(&shard->keys, &set, shard_hash(shard, "k", 1), &result);
    }
}

Test(gather, statistics_are_summed) {
    const struct request stats = command(OP_STATS, "");
    for (uint32_t shards = 2; shards <= FIXTURE_SHARDS_MAX; shards++) {
        struct fixture fixture;
        struct asker asker;
        fixture_init(&fixture, shards, 4, MEMORY_BYTES);
        store_everywhere(&fixture);
        begin(&asker);
        cr_assert(eq(int, (int)ask(&fixture, &asker, &stats), GATHER_SENT));
        cr_assert(eq(u32, fixture.shard[0].messages.out, shards - 1));
        for (uint32_t i = 1; i < shards; i++) {
            cr_assert(eq(u32, asker.done, 0));
            cr_assert(fixture_serve(&fixture, i, UINT32_MAX));
            exchange_collect_replies(&fixture.shard[0]);
        }
        cr_assert(eq(u32, asker.done, 1));
        cr_assert(eq(u64, asker.gather.sum.counters.cmd_set, shards));
        cr_assert(eq(u64, asker.gather.sum.store.items, shards));
        cr_assert(zero(u32, fixture.shard[0].messages.out));
        fixture_finish(&fixture);
    }
}

Test(gather, alone_it_is_done_at_once) {
    const struct request stats = command(OP_STATS, ""), crawl = command(OP_CRAWL, "nonsense");
    struct fixture fixture;
    struct asker asker;
    fixture_init(&fixture, 1, 1, MEMORY_BYTES);
    store_everywhere(&fixture);
    begin(&asker);
    cr_assert(eq(int, (int)ask(&fixture, &asker, &stats), GATHER_DONE));
    cr_assert(eq(u64, asker.gather.sum.counters.cmd_set, 1));
    begin(&asker);
    cr_assert(eq(int, (int)ask(&fixture, &asker, &crawl), GATHER_DONE));
    const struct result *result = &asker.gather.result;
    cr_assert(eq(u32, result->value_length, (uint32_t)strlen("BADCLASS invalid class id")));
    cr_assert(zero(int, memcmp(result->value, "BADCLASS", 8)));
    cr_assert(zero(u32, asker.done));
    fixture_finish(&fixture);
}

/* Two at a time, where each shard takes one message: the second waits for the first. */
Test(gather, without_credit_it_goes_on_later) {
    const struct request flush = command(OP_FLUSH, "");
    struct fixture fixture;
    struct asker first, second;
    fixture_init(&fixture, 3, 1, MEMORY_BYTES);
    store_everywhere(&fixture);
    begin(&first);
    begin(&second);
    cr_assert(eq(int, (int)ask(&fixture, &first, &flush), GATHER_SENT));
    cr_assert(eq(int, (int)ask(&fixture, &second, &flush), GATHER_WAITS));
    fixture_serve(&fixture, 1, UINT32_MAX);
    exchange_collect_replies(&fixture.shard[0]);
    cr_assert(eq(int, (int)ask(&fixture, &second, &flush), GATHER_WAITS));
    fixture_serve(&fixture, 1, UINT32_MAX);
    exchange_collect_replies(&fixture.shard[0]);
    cr_assert(zero(u32, second.done), "not every shard has been asked");
    fixture_serve(&fixture, 2, UINT32_MAX);
    exchange_collect_replies(&fixture.shard[0]);
    cr_assert(eq(u32, first.done, 1));
    cr_assert(eq(int, (int)ask(&fixture, &second, &flush), GATHER_SENT));
    fixture_serve(&fixture, 2, UINT32_MAX);
    exchange_collect_replies(&fixture.shard[0]);
    cr_assert(eq(u32, second.done, 1));
    fixture_finish(&fixture);
}

Test(gather, it_can_be_cancelled) {
    const struct request flush = command(OP_FLUSH, "");
    struct fixture fixture;
    struct asker first, second, third;
    fixture_init(&fixture, 3, 1, MEMORY_BYTES);
    begin(&first);
    begin(&second);
    begin(&third);
    ask(&fixture, &first, &flush);
    cr_assert(not(gather_cancel(&first.gather, &fixture.shard[0])), "it has messages out");
    cr_assert(eq(int, (int)ask(&fixture, &second, &flush), GATHER_WAITS));
    cr_assert(gather_cancel(&second.gather, &fixture.shard[0]), "it has none");
    cr_assert(gather_cancel(&third.gather, &fixture.shard[0]), "it has never had one");
    for (uint32_t i = 1; i < 3; i++) {
        fixture_serve(&fixture, i, UINT32_MAX);
        exchange_collect_replies(&fixture.shard[0]);
    }
    cr_assert(eq(u32, first.done, 1));
    cr_assert(zero(u32, second.done + third.done));
    fixture_finish(&fixture);
}

/* The connection has gone while its command was half sent. */
Test(gather, a_connection_that_is_gone_gives_its_messages_back) {
    const struct request flush = command(OP_FLUSH, "");
    struct fixture fixture;
    struct asker other;
    fixture_init(&fixture, 3, 1, MEMORY_BYTES);
    begin(&other);
    ask(&fixture, &other, &flush);
    fixture_serve(&fixture, 1, UINT32_MAX);
    exchange_collect_replies(&fixture.shard[0]);
    fixture_turn(&fixture, "flush_all\r\n", strlen("flush_all\r\n"));
    cr_assert(not(zero(ptr, fixture.pipeline.gather)));
    cr_assert(fixture.pipeline.stalled);
    fixture_break(&fixture);
    cr_assert(eq(u32, other.done, 1));
    cr_assert(zero(u32, fixture.shard[0].messages.out));
    fixture_finish(&fixture);
}

/* The message of the command has been one of a large value before, whose lease is over. */
Test(gather, a_connection_that_is_gone_gives_no_lease_of_before_back) {
    struct fixture fixture;
    char key[16];
    fixture_init(&fixture, 2, 4, MEMORY_BYTES);
    fixture_name_key(&fixture, key, 1, 0);
    struct script set = script_expand("set $ 0 0 50000\r\n<50000>\r\n", key);
    struct script get = script_expand("get $ $ $\r\n", key);
    fixture_feed(&fixture, set.bytes, set.length);
    fixture_feed(&fixture, get.bytes, get.length);
    cr_assert(zero(u64, fixture_held(&fixture)));
    fixture_turn(&fixture, "flush_all\r\n", strlen("flush_all\r\n"));
    cr_assert(not(zero(ptr, fixture.pipeline.gather)));
    fixture_break(&fixture);
    cr_assert(zero(u64, fixture_held(&fixture)));
    free(set.bytes);
    free(get.bytes);
    fixture_finish(&fixture);
}

/* Clients that never read, and have more output than they may, since memory has become scarce after
 * the first part of a command for every shard was done. */
struct crowd {
    struct fixture fixture;
    struct pipeline clients[MESSAGE_WIDES_MAX];
    uint32_t count;
};

static void crowd_turn(struct crowd *crowd, struct pipeline *client) {
    struct shard *shard = &crowd->fixture.shard[0];
    pipeline_resume(client);
    for (int round = 0; round < 2 && pipeline_can_run(client); round++) {
        pipeline_collect(client, shard, PIPELINE_ROUND_MAX, &crowd->fixture.batch);
        batch_run(&crowd->fixture.batch, shard);
    }
    cr_assert(pipeline_pause(client, shard));
    mesh_publish(shard->port, true, fixture_no_wake, NULL);
}

/* One more client gets a value, and begins a command for every shard. False when there was no wide
 * range for it. */
static bool crowd_add(struct crowd *crowd, const struct script *words) {
    struct pipeline *client = &crowd->clients[crowd->count++];
    struct shard *shard = &crowd->fixture.shard[0];
    pipeline_init(client, shard);
    cr_assert(pipeline_feed_copy(client, shard, words->bytes, words->length));
    crowd_turn(crowd, client);
    cr_assert(lt(sz, BUFFER_SHARE_SCARCE_BYTES, client->output.length));
    return !!client->gather;
}

static bool crowd_gathers(const struct crowd *crowd) {
    for (uint32_t i = 0; i < crowd->count; i++) {
        if (crowd->clients[i].gather) {
            return true;
        }
    }
    return false;
}

/* So many turns of all, by which every command that has begun has ended. */
static void crowd_turns(struct crowd *crowd, uint32_t turns) {
    for (uint32_t turn = 0; turn < turns && crowd_gathers(crowd); turn++) {
        fixture_serve(&crowd->fixture, 1, UINT32_MAX);
        exchange_collect_replies(&crowd->fixture.shard[0]);
        for (uint32_t i = 0; i < crowd->count; i++) {
            crowd_turn(crowd, &crowd->clients[i]);
        }
    }
    cr_assert(not(crowd_gathers(crowd)));
}

static void crowd_end(struct crowd *crowd) {
    for (uint32_t i = 0; i < crowd->count; i++) {
        cr_assert(pipeline_abort(&crowd->clients[i], &crowd->fixture.shard[0]));
        pipeline_finish(&crowd->clients[i], &crowd->fixture.shard[0]);
    }
    fixture_finish(&crowd->fixture);
}

Test(gather, clients_that_never_read_keep_nobody_waiting) {
    const struct request stats = command(OP_STATS, "");
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct fixture *fixture = &crowd->fixture;
    struct asker other;
    char key[16];
    fixture_init(fixture, 2, 1, (size_t)8 << 20); /* so that the value is not a long one */
    fixture_name_key(fixture, key, 0, 0);
    struct script set = script_expand("set $ 0 0 3000\r\n<3000>\r\n", key);
    struct script words = script_expand("get $\r\nstats\r\n", key);
    fixture_feed(fixture, set.bytes, set.length);
    begin(&other);
    cr_assert(eq(int, (int)ask(fixture, &other, &stats), GATHER_SENT), "with all credit there is");
    while (crowd_add(crowd, &words)) {
        cr_assert(lt(u32, crowd->count, MESSAGE_WIDES_MAX));
    }
    cr_assert(le(u32, fixture->shard[0].messages.wides_free, MESSAGE_WIDES_SPARE));
    buffer_pool_limit(&fixture->shard[0].buffers, 1);
    crowd_turns(crowd, 2 * MESSAGE_WIDES_MAX);
    cr_assert(eq(u32, fixture->shard[0].messages.wides_free, MESSAGE_WIDES_MAX));
    fixture_feed(fixture, "stats\r\n", strlen("stats\r\n"));
    cr_assert(ge(sz, fixture->received_length, strlen("END\r\n")));
    const char *end = fixture->received + fixture->received_length - strlen("END\r\n");
    cr_assert(zero(int, memcmp(end, "END\r\n", strlen("END\r\n"))));
    free(set.bytes);
    free(words.bytes);
    crowd_end(crowd);
    free(crowd);
}
