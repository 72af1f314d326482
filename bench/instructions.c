/* instructions: a pipeline's turns with one command, to be counted by bench/instructions.
 *
 *     instructions COMMAND DEPTH TURNS
 *
 * Shards as in tests/core/fixture.h, without kernel and threads: one connection on shard 0 receives
 * DEPTH requests in a turn, runs them, and all replies are taken as sent. A turn makes the calls
 * that a reactor's turn makes for a connection. What is counted are the functions of core, proto
 * and store; those of this file begin with `instructions_`, by which they are left out.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/fixture.h"

#define MEMORY_BYTES ((size_t)64 << 20)
#define KEYS 1000
#define VALUE_BYTES 100
#define MULTIGET_KEYS 50
#define REQUESTS_BYTES_MAX ((size_t)16 * 1024) /* as large as a receive buffer */
#define TURNS_PREPARED 100                     /* they are run over and over */

/* What a turn receives. */
struct received {
    size_t length;
    char bytes[REQUESTS_BYTES_MAX];
};

struct run {
    struct fixture fixture;
    uint32_t owner; /* the shard of the keys */
    char keys[KEYS][16];
    uint32_t next_key;
    char value[VALUE_BYTES + 1];
    struct received turns[TURNS_PREPARED];
    struct received *turn; /* the one that is written to, or run */
};

typedef void instructions_write(struct run *run);

static void instructions_add(struct run *run, const char *format, const char *text) {
    struct received *turn = run->turn;
    size_t left = sizeof(turn->bytes) - turn->length;
    int length = snprintf(turn->bytes + turn->length, left, format, text, run->value);
    assert(length >= 0);
    assert((size_t)length < left);
    turn->length += (size_t)length;
}

static const char *instructions_key(struct run *run) {
    return run->keys[run->next_key++ % KEYS];
}

static void instructions_get(struct run *run) {
    instructions_add(run, "get %s\r\n", instructions_key(run));
}

static void instructions_set(struct run *run) {
    instructions_add(run, "set %s 0 0 100\r\n%s\r\n", instructions_key(run));
}

static void instructions_multiget(struct run *run) {
    instructions_add(run, "get", "");
    for (int i = 0; i < MULTIGET_KEYS; i++) {
        instructions_add(run, " %s", instructions_key(run));
    }
    instructions_add(run, "\r\n", "");
}

static void instructions_meta_get(struct run *run) {
    instructions_add(run, "mg %s v\r\n", instructions_key(run));
}

static void instructions_meta_set(struct run *run) {
    instructions_add(run, "ms %s 100\r\n%s\r\n", instructions_key(run));
}

static const struct {
    const char *name;
    instructions_write *write;
    uint32_t owner;
} commands[] = {
    {"get", instructions_get, 0},        {"set", instructions_set, 0},
    {"get50", instructions_multiget, 0}, {"mg", instructions_meta_get, 0},
    {"ms", instructions_meta_set, 0},    {"remote_get", instructions_get, 1},
    {"remote_set", instructions_set, 1}, {"remote_get50", instructions_multiget, 1},
};

static void instructions_progress(void *reactor, struct pipeline *pipeline) {
    (void)reactor;
    (void)pipeline;
}

static const struct shard_hooks instructions_hooks = {.progressed = instructions_progress};

/* As the reactor does for one ready connection. */
static void instructions_run_requests(struct fixture *fixture) {
    struct pipeline *pipeline = &fixture->pipeline;
    pipeline_resume(pipeline);
    while (pipeline_can_run(pipeline)) {
        pipeline_collect(pipeline, &fixture->shard[0], PIPELINE_ROUND_MAX, &fixture->batch);
        batch_run(&fixture->batch, &fixture->shard[0]);
    }
}

/* All that is owed is sent at once; nothing here is a large value. */
static void instructions_send(struct fixture *fixture) {
    struct pipeline *pipeline = &fixture->pipeline;
    struct outgoing outgoing = {0};
    pipeline_take_output(pipeline, &outgoing);
    outgoing_advance(&outgoing, &fixture->shard[0], outgoing.output.length);
    assert(outgoing_is_sent(&outgoing));
    pipeline_release_output(pipeline, &fixture->shard[0], &outgoing);
}

static void instructions_serve(struct run *run) {
    struct fixture *fixture = &run->fixture;
    mesh_publish(fixture->shard[0].port, true, fixture_no_wake, NULL);
    for (uint32_t i = 1; i < fixture->shards; i++) {
        exchange_serve_peers(&fixture->shard[i]);
        mesh_publish(fixture->shard[i].port, true, fixture_no_wake, NULL);
    }
    exchange_collect_replies(&fixture->shard[0]);
}

/* More turns follow when there are more requests than a connection's queue holds. */
static void instructions_turn(struct run *run) {
    struct fixture *fixture = &run->fixture;
    struct pipeline *pipeline = &fixture->pipeline;
    struct shard *shard = &fixture->shard[0];
    bool fed = pipeline_feed(pipeline, shard, run->turn->bytes, run->turn->length);
    assert(fed);
    do {
        instructions_run_requests(fixture);
        bool kept = pipeline_pause(pipeline, shard);
        assert(kept);
        instructions_serve(run);
        instructions_send(fixture);
    } while (pipeline->first || pipeline->stalled || pipeline_can_run(pipeline));
}

static void instructions_write_turns(struct run *run, instructions_write *write, int depth) {
    for (int i = 0; i < TURNS_PREPARED; i++) {
        run->turn = &run->turns[i];
        run->turn->length = 0;
        for (int j = 0; j < depth; j++) {
            write(run);
        }
    }
}

static void instructions_turns(struct run *run, int turns) {
    for (int i = 0; i < turns; i++) {
        run->turn = &run->turns[i % TURNS_PREPARED];
        instructions_turn(run);
    }
}

/* As fixture_name_key() would, but all of them at once. */
static void instructions_name_keys(struct run *run) {
    const struct shard *shard = &run->fixture.shard[0];
    for (int i = 0, named = 0; named < KEYS; i++) {
        int length = snprintf(run->keys[named], sizeof(run->keys[named]), "key%d", i);
        uint64_t hash = shard_hash(shard, run->keys[named], (uint32_t)length);
        named += shard_owner(shard, hash) == run->owner;
    }
}

/* All keys have values before anything is counted. */
static void instructions_prepare(struct run *run) {
    struct fixture *fixture = &run->fixture;
    fixture_init(fixture, run->owner + 1, 256, MEMORY_BYTES);
    fixture->shard[0].hooks = &instructions_hooks;
    memset(run->value, 'v', VALUE_BYTES);
    instructions_name_keys(run);
    instructions_write_turns(run, instructions_set, KEYS / TURNS_PREPARED);
    instructions_turns(run, TURNS_PREPARED);
}

int main(int argc, char **argv) {
    int depth = argc == 4 ? atoi(argv[2]) : 0;
    for (size_t i = 0; depth > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, argv[1]) != 0) {
            continue;
        }
        struct run *run = calloc(1, sizeof(*run));
        if (!run) {
            return EXIT_FAILURE;
        }
        run->owner = commands[i].owner;
        instructions_prepare(run);
        instructions_write_turns(run, commands[i].write, depth);
        instructions_turns(run, atoi(argv[3]));
        fixture_finish(&run->fixture);
        free(run);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "usage: instructions COMMAND DEPTH TURNS, see bench/instructions\n");
    return 2;
}
