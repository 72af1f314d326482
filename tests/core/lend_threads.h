/* lend_threads: what the threads of lend_threads.c share, and how they are watched. */
#ifndef TESTS_CORE_LEND_THREADS_H
#define TESTS_CORE_LEND_THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "tests/core/fixture.h"
#include "tests/core/yielding.h"

struct stress;

/* The clock that a shard's keys point to; with it those who are in the shard are found. */
struct watched {
    struct clock clock;
    _Atomic uint32_t inside;
    _Atomic uint64_t *clashes;
};

struct reactor_thread {
    struct stress *stress;
    struct shard *shard;
    uint32_t id;
    pthread_t thread;
    int event;
    uint64_t random;
    struct shard_hooks hooks;
    struct watched watched;
    uint64_t sent[FIXTURE_SHARDS_MAX], returned[FIXTURE_SHARDS_MAX];
    uint64_t handed[FIXTURE_SHARDS_MAX], opened[FIXTURE_SHARDS_MAX];
    char key[FIXTURE_SHARDS_MAX][16]; /* of its counters, by shard */
    uint64_t hash[FIXTURE_SHARDS_MAX];
    uint64_t sleeps, wanted, direct;
    bool finished;
    bool marked; /* it has found its shard lent, and wants it back */

    /* For the others. */
    _Atomic bool asleep;
    _Atomic uint64_t turns;
};

struct stress {
    struct fixture fixture;
    struct reactor_thread threads[FIXTURE_SHARDS_MAX];
    uint32_t count;
    bool calm;
    uint64_t end_ns; /* when no more is sent */
    _Atomic uint32_t finished;
    _Atomic uint64_t clashes;
    _Atomic(const char *) failure;
};

uint64_t stress_now_ns(void);
uint64_t stress_scramble(uint64_t value);

/* Ends the case; what has gone wrong first is told. Any thread. */
void stress_fail(struct stress *stress, const char *what);

/* The hook of a shard that wakes another's thread. */
void stress_wake(void *reactor, uint32_t other);

/* Sleeps until another thread wakes this one, and looks meanwhile whether it should have. */
void stress_sleep(struct reactor_thread *self);

#endif
