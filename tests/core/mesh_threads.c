/* Two and more threads on the mesh, each sending requests to all others as fast as its credit
 * allows, with tiny rings, and each serving the others' shards while these are free: nothing is
 * lost, doubled or reordered within a pair, nobody sleeps through a message, and no two serve a
 * shard. A plain program, because criterion doesn't run under the thread sanitizer. Prints TAP. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/mesh/mesh.h"

#define THREADS_MAX 4

struct worker {
    struct mesh *mesh;
    struct worker *all;
    uint32_t id, count, requests;
    struct message_pool pool;
    pthread_mutex_t mutex; /* stands for the kernel, which puts a reactor to sleep and wakes it */
    pthread_cond_t wake;
    bool woken;
    uint64_t sent[THREADS_MAX], returned[THREADS_MAX], sleeps, lent;
    uint64_t served[THREADS_MAX]; /* of its shard: written by whoever has that */
    bool has_shard;
    _Atomic uint32_t *finished;
    const char *failure;
};

static void wake(void *context, uint32_t shard) {
    struct worker *sleeper = &((struct worker *)context)->all[shard];
    pthread_mutex_lock(&sleeper->mutex);
    sleeper->woken = true;
    pthread_cond_signal(&sleeper->wake);
    pthread_mutex_unlock(&sleeper->mutex);
}

static void sleep_until_woken(struct worker *worker) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 60;
    pthread_mutex_lock(&worker->mutex);
    while (!worker->woken && !worker->failure) {
        if (pthread_cond_timedwait(&worker->wake, &worker->mutex, &limit) != 0) {
            worker->failure = "slept through a message";
        }
    }
    worker->woken = false;
    pthread_mutex_unlock(&worker->mutex);
    worker->sleeps++;
}

static void send_some(struct worker *worker, struct mesh_port *port) {
    for (uint32_t to = 0; to < worker->count; to++) {
        while (to != worker->id && worker->sent[to] < worker->requests &&
               mesh_has_credit(port, to)) {
            struct message *message = message_take(&worker->pool);
            if (!message) {
                return;
            }
            message->hash = worker->sent[to]++;
            message->kind = message->hash % 8 == 7 ? MESSAGE_SCAN : MESSAGE_REQUEST;
            mesh_send_request(port, to, message);
        }
    }
}

/* Executes messages for the shard of `owner`, on the thread of `worker`, which has it. */
static void execute_some(struct worker *worker, struct worker *owner, uint32_t from,
                         struct message *const *messages, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (messages[i]->hash != owner->served[from]++) {
            worker->failure = "requests out of order";
        }
        messages[i]->result.number = messages[i]->hash * 3 + owner->id;
        mesh_send_reply(mesh_port(worker->mesh, owner->id), from, messages[i]);
    }
}

static void serve_some(struct worker *worker, struct mesh_port *port) {
    for (uint32_t from = 0; from < worker->count; from++) {
        struct message *messages[8];
        uint32_t count = mesh_take_requests(port, from, messages, 8);
        execute_some(worker, worker, from, messages, count);
    }
}

static void wake_if_asleep(struct worker *worker, uint32_t other) {
    if (mesh_claim_wake(worker->mesh, other)) {
        wake(worker, other);
    }
}

/* One message in eight is for the owner alone, see send_some(). */
static void serve_borrowed(struct worker *worker, struct worker *owner) {
    struct mesh_port *port = mesh_port(worker->mesh, owner->id);
    struct lending *lending = mesh_lending(port);
    bool replied[THREADS_MAX] = {false}, left_to_owner;
    struct mesh_left left = {0};
    for (uint32_t from = 0; from < worker->count; from++) {
        struct message *messages[8];
        uint32_t count = mesh_take_borrowed(port, from, messages, 8, &left);
        execute_some(worker, owner, from, messages, count);
        replied[from] = mesh_publish_replies(port, from);
        worker->lent += count;
    }
    if (left.for_reactor) {
        lending_return_wanted(lending);
        left_to_owner = true;
    } else {
        left_to_owner = lending_return(lending);
    }
    for (uint32_t i = 0; i < worker->count; i++) {
        if (replied[i] || (left_to_owner && i == owner->id)) {
            wake_if_asleep(worker, i);
        }
    }
}

static void serve_others(struct worker *worker, struct mesh_port *port) {
    for (uint32_t to = 0; to < worker->count; to++) {
        struct mesh_port *other = mesh_port(worker->mesh, to);
        bool waits = to != worker->id && mesh_request_waits(port, to);
        while (waits && lending_borrow(mesh_lending(other))) {
            serve_borrowed(worker, &worker->all[to]);
            waits = mesh_has_requests(other);
        }
    }
}

static void collect_some(struct worker *worker, struct mesh_port *port) {
    for (uint32_t from = 0; from < worker->count; from++) {
        struct message *messages[8];
        uint32_t count = mesh_take_replies(port, from, messages, 8);
        for (uint32_t i = 0; i < count; i++) {
            if (messages[i]->result.number != worker->returned[from]++ * 3 + from) {
                worker->failure = "replies wrong or out of order";
            }
            mesh_release(port, from);
            message_give(&worker->pool, messages[i]);
        }
    }
}

static bool is_through(const struct worker *worker) {
    for (uint32_t to = 0; to < worker->count; to++) {
        if (to != worker->id && worker->returned[to] < worker->requests) {
            return false;
        }
    }
    return true;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct mesh_port *port = mesh_port(worker->mesh, worker->id);
    bool counted = false;
    lending_free(mesh_lending(port));
    while (atomic_load(worker->finished) < worker->count && !worker->failure) {
        worker->has_shard = lending_take_or_want(mesh_lending(port));
        collect_some(worker, port);
        if (worker->has_shard) {
            serve_some(worker, port);
        }
        send_some(worker, port);
        mesh_publish(port, worker->has_shard, wake, worker);
        serve_others(worker, port);
        if (worker->has_shard) {
            lending_free(mesh_lending(port));
        }
        if (!counted && is_through(worker)) {
            counted = true;
            atomic_fetch_add(worker->finished, 1);
            for (uint32_t i = 0; i < worker->count; i++) {
                wake(worker, i);
            }
        }
        if (atomic_load(worker->finished) < worker->count && mesh_may_sleep(port)) {
            sleep_until_woken(worker);
            mesh_awake(port);
        }
    }
    return NULL;
}

/* Returns NULL, or what went wrong. */
static const char *run(uint32_t threads, uint32_t capacity, uint32_t requests) {
    struct worker workers[THREADS_MAX] = {0};
    pthread_t ids[THREADS_MAX];
    struct mesh *mesh;
    _Atomic uint32_t finished = 0;
    const char *failure = NULL;
    if (mesh_create(&mesh, threads, capacity) != 0) {
        return "no memory";
    }
    for (uint32_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){.mesh = mesh,
                                     .all = workers,
                                     .id = i,
                                     .count = threads,
                                     .requests = requests,
                                     .finished = &finished};
        pthread_mutex_init(&workers[i].mutex, NULL);
        pthread_cond_init(&workers[i].wake, NULL);
        message_pool_init(&workers[i].pool, 64);
    }
    for (uint32_t i = 0; i < threads; i++) {
        pthread_create(&ids[i], NULL, work, &workers[i]);
    }
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        failure = workers[i].failure ? workers[i].failure : failure;
        message_pool_finish(&workers[i].pool);
    }
    mesh_destroy(mesh);
    return failure;
}

int main(void) {
    static const struct {
        uint32_t threads, capacity, requests;
    } cases[] = {{2, 1, 20000}, {2, 2, 50000}, {2, 256, 200000}, {3, 1, 5000}, {4, 4, 20000}};
    uint32_t count = sizeof(cases) / sizeof(cases[0]), failed = 0;
    printf("1..%u\n", count);
    for (uint32_t i = 0; i < count; i++) {
        const char *failure = run(cases[i].threads, cases[i].capacity, cases[i].requests);
        printf("%s %u - %u threads, rings of %u%s%s\n", failure ? "not ok" : "ok", i + 1,
               cases[i].threads, cases[i].capacity, failure ? ": " : "", failure ? failure : "");
        failed += failure ? 1 : 0;
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
