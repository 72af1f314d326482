/* How the threads of lend_threads.c are watched: that no two are in one shard, and that nobody
 * sleeps through what waits for it. */
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/shard/commands.h"
#include "tests/core/lend_threads.h"

#define TURNS_TO_WAIT 8
#define LOOKS_BEFORE_POLL 100 /* of one that sleeps; then one each millisecond */

void __real_command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                        struct result *result);
bool __real_store_maintain(struct store *store, uint32_t now);
void __wrap_command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                        struct result *result);
bool __wrap_store_maintain(struct store *store, uint32_t now);

uint64_t stress_now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t stress_scramble(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* The clock is its random number, since it has no place for a state. */
void yielding(void) {
    uint64_t random = stress_scramble(stress_now_ns());
    if (random % 1000 == 0) {
        usleep((useconds_t)(random >> 32) % 300);
    } else if (random % 6 == 0) {
        sched_yield();
    }
}

void stress_fail(struct stress *stress, const char *what) {
    const char *none = NULL;
    atomic_compare_exchange_strong(&stress->failure, &none, what);
}

/* While a shard is had. */

void __wrap_command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                        struct result *result) {
    struct watched *watched = (struct watched *)keys->clock;
    bool clash = atomic_fetch_add(&watched->inside, 1) != 0;
    yielding();
    __real_command_run(keys, request, hash, result);
    yielding();
    clash |= atomic_fetch_sub(&watched->inside, 1) != 1;
    atomic_fetch_add(watched->clashes, clash);
}

bool __wrap_store_maintain(struct store *store, uint32_t now) {
    yielding();
    return __real_store_maintain(store, now);
}

/* Sleep and wake. */

void stress_wake(void *reactor, uint32_t other) {
    struct reactor_thread *self = reactor;
    uint64_t one = 1;
    yielding();
    if (write(self->stress->threads[other].event, &one, sizeof(one)) != sizeof(one)) {
        stress_fail(self->stress, "an eventfd takes no event");
    }
}

static bool has_event(const struct reactor_thread *self, int timeout_ms) {
    struct pollfd polled = {.fd = self->event, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) > 0;
}

static void take_event(struct reactor_thread *self) {
    uint64_t events;
    if (has_event(self, 0) && read(self->event, &events, sizeof(events)) != sizeof(events)) {
        stress_fail(self->stress, "an eventfd gives no event");
    }
}

/* Everybody sleeps, and nobody has been woken. Who is woken takes its event only when it says that
 * it is awake, and has a turn before it sleeps again. */
static bool all_sleep(struct stress *stress) {
    uint64_t turns[FIXTURE_SHARDS_MAX];
    for (uint32_t i = 0; i < stress->count; i++) {
        turns[i] = atomic_load(&stress->threads[i].turns);
        if (!atomic_load(&stress->threads[i].asleep)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < stress->count; i++) {
        struct reactor_thread *other = &stress->threads[i];
        if (has_event(other, 0) || !atomic_load(&other->asleep) ||
            turns[i] != atomic_load(&other->turns)) {
            return false;
        }
    }
    return true;
}

/* What waits for one that sleeps, or for its shard, and since which turns of the others. */
struct suspicion {
    bool any;
    uint64_t turns[FIXTURE_SHARDS_MAX];
};

/* Since then each of the others has had that many turns, or sleeps: so who was about to wake this
 * one, or to serve what it has seen waiting, has done so. Two would do, but that its own reactor
 * may get a shard back in the middle of a turn, and serves it in the next. */
static bool others_have_been_through(const struct reactor_thread *self,
                                     const struct suspicion *suspicion) {
    for (uint32_t i = 0; i < self->stress->count; i++) {
        struct reactor_thread *other = &self->stress->threads[i];
        if (i != self->id && atomic_load(&other->turns) < suspicion->turns[i] + TURNS_TO_WAIT &&
            !atomic_load(&other->asleep)) {
            return false;
        }
    }
    return true;
}

/* Whether it is time to see if what was suspected is still so. It is asked before that is looked
 * at: what has been seen before the others were through is no proof. */
static bool is_time(const struct reactor_thread *self, const struct suspicion *suspicion) {
    return suspicion->any && others_have_been_through(self, suspicion);
}

static void suspicion_set(const struct reactor_thread *self, struct suspicion *suspicion,
                          bool is_so) {
    for (uint32_t i = 0; i < self->stress->count && is_so && !suspicion->any; i++) {
        suspicion->turns[i] = atomic_load(&self->stress->threads[i].turns);
    }
    suspicion->any = is_so;
}

static bool is_free(const struct reactor_thread *of) {
    return atomic_load(&mesh_lending(of->shard->port)->word) == LENDING_FREE;
}

/* A request of its own waits at a shard that nobody has. */
static bool is_forgotten(const struct reactor_thread *self, uint32_t to) {
    return to != self->id && mesh_request_waits(self->shard->port, to) &&
           is_free(&self->stress->threads[to]);
}

struct suspicions {
    struct suspicion work, forgotten[FIXTURE_SHARDS_MAX];
};

/* Replies, and its shard, wait until it takes them; but requests only until somebody does. */
static void suspect_work(struct reactor_thread *self, struct suspicion *suspicion) {
    struct mesh_port *port = self->shard->port;
    bool time = is_time(self, suspicion);
    suspicion_set(self, suspicion,
                  mesh_has_replies(port) || lending_waits_for_owner(mesh_lending(port)));
    if (time && suspicion->any && !has_event(self, 0)) {
        stress_fail(self->stress, "one sleeps through what waits for it");
    }
}

static void suspect_shard(struct reactor_thread *self, struct suspicion *suspicion, uint32_t to) {
    bool time = is_time(self, suspicion);
    suspicion_set(self, suspicion, is_forgotten(self, to));
    if (time && suspicion->any) {
        stress_fail(self->stress, "a request waits at a shard that nobody has");
    }
}

static void suspect(struct reactor_thread *self, struct suspicions *suspicions) {
    struct stress *stress = self->stress;
    suspect_work(self, &suspicions->work);
    for (uint32_t to = 0; to < stress->count; to++) {
        suspect_shard(self, &suspicions->forgotten[to], to);
    }
    if (self->marked && is_free(self)) {
        stress_fail(stress, "a shard was wanted, and is free for all");
    }
    if (all_sleep(stress)) {
        stress_fail(stress, "everybody sleeps, and not all is done");
    }
}

void stress_sleep(struct reactor_thread *self) {
    struct stress *stress = self->stress;
    struct suspicions suspicions = {0};
    self->sleeps++;
    atomic_store(&self->asleep, true);
    for (int i = 0; !has_event(self, i < LOOKS_BEFORE_POLL ? 0 : 1); i++) {
        if (atomic_load(&stress->failure) || atomic_load(&stress->finished) == stress->count) {
            break;
        }
        suspect(self, &suspicions);
        sched_yield();
    }
    atomic_store(&self->asleep, false);
    take_event(self);
}
