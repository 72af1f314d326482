/* Two to five threads that have turns as reactors do, each with its shard: the real word, rings and
 * stores, and the real code that serves shards of others (core/pipeline/lend.c). An eventfd stands
 * for the engine. At every atomic access of core/mesh, and while it has a shard, a thread gives its
 * processor away now and then (tests/core/yielding.h); and most cases run on one processor, where
 * others then go on while it is in the middle of something.
 *
 * A thread's requests are increments of a counter that no other thread counts at, one for each
 * shard: so each reply tells whether all requests before it were executed, once and in order.
 * Whoever executes one also looks whether somebody else is in that shard. One that sleeps looks
 * what waits for it, and what waits at a shard that nobody has; if that is still so when all others
 * have had some turns, it is lost. So nothing depends on how fast anybody is.
 *
 * A plain program, since criterion doesn't run under the thread sanitizer. Prints TAP.
 *
 *     test_core_lend_threads 60      for so many seconds, instead of 4
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/shard/execute.h"
#include "tests/core/lend_threads.h"

#define MEMORY_BYTES ((size_t)8 << 20)
#define SENT_AT_A_TIME 5

/* Requests. */

static void check_reply(struct reactor_thread *self, uint32_t owner, const struct result *result) {
    if (result->number != ++self->returned[owner]) {
        stress_fail(self->stress, "requests were lost, doubled, or out of order");
    }
}

static void complete_increment(struct shard *shard, struct message *message) {
    struct reactor_thread *self = shard->reactor;
    check_reply(self, shard_owner(shard, message->hash), &message->result);
    message_give(&shard->messages, message);
}

static void complete_connection(struct shard *shard, struct message *message) {
    message_give(&shard->messages, message);
}

static struct request increment_of(const char *key) {
    return (struct request){
        .op = OP_INCR, .key = key, .key_length = (uint32_t)strlen(key), .delta = 1};
}

static void send_increment(struct reactor_thread *self, uint32_t owner) {
    struct message *message = message_take(&self->shard->messages);
    if (!message) {
        return;
    }
    message->kind = MESSAGE_REQUEST;
    message->complete = complete_increment;
    message->hash = self->hash[owner];
    message->request = increment_of(self->key[owner]);
    self->sent[owner]++;
    mesh_send_request(self->shard->port, owner, message);
}

/* A connection, which only the owner's own thread may take. */
static void send_connection(struct reactor_thread *self, uint32_t owner) {
    struct message *message = message_take(&self->shard->messages);
    if (!message) {
        return;
    }
    message->kind = MESSAGE_CONNECTION;
    message->complete = complete_connection;
    message->descriptor = (int)(self->id << 24 | (self->handed[owner]++ & 0xffffff));
    mesh_send_request(self->shard->port, owner, message);
}

static void open_connection(void *reactor, int descriptor, enum transport transport) {
    struct reactor_thread *self = reactor;
    uint32_t from = (uint32_t)descriptor >> 24;
    (void)transport;
    if (!pthread_equal(pthread_self(), self->thread)) {
        stress_fail(self->stress, "another thread took a connection");
    }
    if ((self->opened[from]++ & 0xffffff) != ((uint32_t)descriptor & 0xffffff)) {
        stress_fail(self->stress, "connections were lost, doubled, or out of order");
    }
}

static void run_at(struct reactor_thread *self, uint32_t owner, struct keyspace *keys) {
    struct request request = increment_of(self->key[owner]);
    struct result result;
    self->sent[owner]++;
    execute(keys, &request, self->hash[owner], &result);
    check_reply(self, owner, &result);
}

static void send_message(struct reactor_thread *self, uint32_t owner, uint64_t random) {
    if (owner == self->id || !mesh_has_credit(self->shard->port, owner)) {
        return;
    }
    if (random % 64 == 1) {
        send_connection(self, owner);
    } else {
        send_increment(self, owner);
    }
}

/* As batch_run() does: what is free is borrowed, and where that is refused a message goes. */
static void send_batch(struct reactor_thread *self) {
    struct shard *shard = self->shard;
    bool calm = self->stress->calm;
    for (uint32_t i = 0; i < (calm ? 1 : SENT_AT_A_TIME); i++) {
        uint64_t random = self->random = stress_scramble(self->random + i + 1);
        uint32_t owner = calm ? 0 : (uint32_t)(random >> 8) % self->stress->count;
        bool borrows = owner != self->id && random % 4 == 0 && lend_borrow(shard, owner);
        struct keyspace *keys = shard_holds(shard, owner) ? &shard->keys : NULL;
        keys = borrows ? lend_keys(shard, owner) : keys;
        if (keys) {
            self->direct += borrows;
            run_at(self, owner, keys);
        } else {
            send_message(self, owner, random);
        }
    }
    lend_return_all(shard);
}

/* Turns. */

static void stress_take(struct reactor_thread *self) {
    struct shard *shard = self->shard;
    self->marked = !shard_holds(shard, shard->id) && !shard_take(shard);
    self->wanted += self->marked;
}

static void stress_turn(struct reactor_thread *self, bool sends) {
    struct shard *shard = self->shard;
    stress_take(self);
    exchange_collect_replies(shard);
    if (shard_holds(shard, shard->id)) {
        exchange_serve_peers(shard);
    }
    if (sends) {
        send_batch(self);
    }
    mesh_publish_requests(shard->port);
    lend_serve_others(shard);
    stress_take(self);
    mesh_publish(shard->port, shard_holds(shard, shard->id), stress_wake, self);
    lend_serve_others(shard);
    shard_leave(shard);
    atomic_fetch_add(&self->turns, 1);
}

/* In a calm case the first thread sends nothing and sleeps; the others send it one request after
 * the other, with some turns between: so what is forgotten is not found by the next one at once. */
static bool is_called(const struct reactor_thread *self) {
    return self->stress->calm && self->id == 0;
}

static bool may_send(const struct reactor_thread *self) {
    if (is_called(self) || stress_now_ns() >= self->stress->end_ns) {
        return false;
    }
    return !self->stress->calm ||
           (mesh_outstanding(self->shard->port) == 0 && stress_scramble(stress_now_ns()) % 32 == 0);
}

static bool is_through(const struct reactor_thread *self) {
    return mesh_outstanding(self->shard->port) == 0 &&
           (is_called(self) || stress_now_ns() >= self->stress->end_ns);
}

static void wake_all(struct reactor_thread *self) {
    for (uint32_t i = 0; i < self->stress->count; i++) {
        stress_wake(self, i);
    }
}

static void *stress_run(void *argument) {
    struct reactor_thread *self = argument;
    struct stress *stress = self->stress;
    while (atomic_load(&stress->finished) < stress->count && !atomic_load(&stress->failure)) {
        stress_turn(self, may_send(self));
        if (!self->finished && is_through(self)) {
            self->finished = true;
            if (atomic_fetch_add(&stress->finished, 1) + 1 == stress->count) {
                wake_all(self);
            }
        }
        /* A client that asks again while its replies are on their way may keep it up. */
        bool may_sleep = self->finished || mesh_outstanding(self->shard->port) > 0;
        if (may_sleep && stress_scramble(stress_now_ns()) % 4 > 0 &&
            mesh_may_sleep(self->shard->port)) {
            stress_sleep(self);
            mesh_awake(self->shard->port);
        }
    }
    if (atomic_load(&stress->failure)) {
        wake_all(self);
    }
    return NULL;
}

/* A case. */

static void prepare_counter(struct reactor_thread *self, uint32_t owner) {
    struct shard *shard = &self->stress->fixture.shard[owner];
    struct request request = {.op = OP_SET, .value = "0", .value_length = 1};
    struct result result;
    fixture_name_key(&self->stress->fixture, self->key[owner], owner, (int)self->id);
    request.key = self->key[owner];
    request.key_length = (uint32_t)strlen(self->key[owner]);
    self->hash[owner] = shard_hash(shard, request.key, request.key_length);
    execute(&shard->keys, &request, self->hash[owner], &result);
}

static void prepare(struct stress *stress, uint32_t id) {
    struct reactor_thread *self = &stress->threads[id];
    struct shard *shard = &stress->fixture.shard[id];
    *self = (struct reactor_thread){.stress = stress, .shard = shard, .id = id, .random = id};
    self->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    self->hooks = fixture_hooks;
    self->hooks.wake = stress_wake;
    self->hooks.open_connection = open_connection;
    self->watched = (struct watched){.clock = *shard->keys.clock, .clashes = &stress->clashes};
    shard->keys.clock = &self->watched.clock;
    shard->hooks = &self->hooks;
    shard->reactor = self;
}

static void pin(bool pinned) {
    cpu_set_t all, one;
    int cpu = 0;
    sched_getaffinity(0, sizeof(all), &all);
    while (!CPU_ISSET(cpu, &all)) {
        cpu++;
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (pinned) {
        sched_setaffinity(0, sizeof(one), &one);
    }
}

static void check_ends(struct stress *stress) {
    for (uint32_t i = 0; i < stress->count; i++) {
        for (uint32_t to = 0; to < stress->count; to++) {
            const struct reactor_thread *one = &stress->threads[i];
            if (one->sent[to] != one->returned[to] ||
                one->handed[to] != stress->threads[to].opened[i]) {
                stress_fail(stress, "not all has come back");
            }
        }
    }
    if (atomic_load(&stress->clashes) > 0) {
        stress_fail(stress, "two had one shard");
    }
}

struct outcome {
    const char *failure;
    uint64_t requests, direct, lent, sleeps, wanted;
};

static void sum_up(const struct stress *stress, struct outcome *outcome) {
    for (uint32_t i = 0; i < stress->count; i++) {
        const struct reactor_thread *one = &stress->threads[i];
        outcome->sleeps += one->sleeps;
        outcome->wanted += one->wanted;
        outcome->direct += one->direct;
        outcome->lent += one->shard->counters.lent_requests;
        for (uint32_t to = 0; to < stress->count; to++) {
            outcome->requests += one->returned[to];
        }
    }
}

struct stress_case {
    uint32_t threads, capacity;
    bool pinned, calm;
};

static void run(struct stress *stress, const struct stress_case *one, uint64_t ns,
                struct outcome *outcome) {
    uint32_t threads = one->threads;
    *outcome = (struct outcome){0};
    memset(stress, 0, sizeof(*stress));
    stress->count = threads;
    stress->calm = one->calm;
    fixture_init(&stress->fixture, threads, one->capacity, MEMORY_BYTES);
    for (uint32_t i = 0; i < threads; i++) {
        prepare(stress, i);
    }
    for (uint32_t i = 0; i < threads * threads; i++) {
        prepare_counter(&stress->threads[i / threads], i % threads);
    }
    stress->end_ns = stress_now_ns() + ns;
    for (uint32_t i = 0; i < threads; i++) {
        pthread_create(&stress->threads[i].thread, NULL, stress_run, &stress->threads[i]);
    }
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(stress->threads[i].thread, NULL);
    }
    for (uint32_t i = 0; i < threads; i++) {
        close(stress->threads[i].event);
    }
    check_ends(stress);
    sum_up(stress, outcome);
    outcome->failure = atomic_load(&stress->failure);
    for (uint32_t i = 0; i < threads && !outcome->failure; i++) {
        if (!shard_take(&stress->fixture.shard[i])) {
            outcome->failure = "a shard is lent, and nobody is there";
        }
    }
    if (!outcome->failure) {
        fixture_finish(&stress->fixture);
    }
}

int main(int arguments, char **words) {
    static const struct stress_case cases[] = {
        {2, 1, true, false}, {2, 4, true, false},  {3, 2, true, false},
        {4, 1, true, false}, {5, 64, true, false}, {3, 1, true, true},
        {4, 4, true, true},  {2, 2, false, false}, {3, 64, false, false}};
    uint32_t count = sizeof(cases) / sizeof(cases[0]), failed = 0;
    uint64_t seconds = arguments > 1 ? strtoull(words[1], NULL, 10) : 4;
    struct stress *stress = aligned_alloc(CACHE_LINE_BYTES, sizeof(*stress));
    cpu_set_t all;
    sched_getaffinity(0, sizeof(all), &all);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%u\n", count);
    for (uint32_t i = 0; i < count && stress; i++) {
        struct outcome outcome;
        sched_setaffinity(0, sizeof(all), &all);
        pin(cases[i].pinned);
        run(stress, &cases[i], seconds * 1000000000 / count, &outcome);
        printf("%s %u - %u threads%s%s, rings of %u: %llu requests, %llu at once, %llu for others, "
               "%llu sleeps, %llu times wanted%s%s\n",
               outcome.failure ? "not ok" : "ok", i + 1, cases[i].threads,
               cases[i].pinned ? " on one processor" : "", cases[i].calm ? ", calm" : "",
               cases[i].capacity, (unsigned long long)outcome.requests,
               (unsigned long long)outcome.direct, (unsigned long long)outcome.lent,
               (unsigned long long)outcome.sleeps, (unsigned long long)outcome.wanted,
               outcome.failure ? ": " : "", outcome.failure ? outcome.failure : "");
        failed += outcome.failure ? 1 : 0;
    }
    free(stress);
    return failed || !stress ? EXIT_FAILURE : EXIT_SUCCESS;
}
