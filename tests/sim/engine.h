/* engine: the simulated engine behind core/io/io.h. An operation waits until the scheduler picks
 * it; what has completed is told by the next io_take() behind an io_enter().
 *
 * io_open() takes a struct engine_place as its context.
 */
#ifndef TESTS_SIM_ENGINE_H
#define TESTS_SIM_ENGINE_H

#include "core/io/io.h"
#include "fiber.h"
#include "world.h"

extern const struct io_engine simulated_engine;

struct engine_place {
    struct world *world;
    uint32_t reactor;
};

enum operation_kind {
    OPERATION_RECEIVE,
    OPERATION_SEND,
    OPERATION_SEND_VECTOR,
    OPERATION_ACCEPT,
    OPERATION_READABLE,
};

struct io_operation {
    enum operation_kind kind;
    struct completion *completion;
    int descriptor;
    bool lent;
    bool once;
    bool submitted;
    bool cancelled;
    char *where;
    const char *bytes;
    size_t length;
    size_t done;
    const struct msghdr *message;
};

struct io_event {
    struct completion *completion;
    bool quiet; /* it is no reason to go on */
    int result;
    unsigned flags;
};

/* What a set of the simulated kernel watches, other than a socket. */
struct kernel_item {
    bool watched;
    uint64_t data;
};

#define ENGINE_OPERATIONS_MAX 512
#define ENGINE_EVENTS_MAX 2048

struct engine {
    struct io io; /* first */
    struct world *world;
    uint32_t reactor;
    struct fiber *fiber;

    struct io_operation operations[ENGINE_OPERATIONS_MAX];
    uint32_t operation_count;
    struct io_event arrived[ENGINE_EVENTS_MAX]; /* the next io_enter() brings them */
    uint32_t arrived_count;
    struct io_event ready[ENGINE_EVENTS_MAX]; /* the next io_take() calls them */
    uint32_t ready_count;

    char *buffers;
    bool lent[128];
    uint32_t lent_count;

    uint32_t wakes;        /* a bit for each reactor that is to be woken by the next io_enter() */
    uint32_t wakes_coming; /* sent to this one and not there yet */
    bool woken;

    bool waiting;
    bool in_turn; /* it has yielded in the middle of a turn */
    uint64_t deadline_ns;
    uint64_t turn_ns;      /* when the turn began; only while in_turn */
    uint64_t stands_until; /* a step */

    /* With the engine on epoll, see kernel.h. */
    struct io_engine table; /* its functions, some by way of kernel.c */
    struct io *epoll;
    bool entering; /* within its enter(), where it may sleep */
    struct kernel_item wake_event;
    struct kernel_item signals;
};

/* Another reactor may have its turn now, in the middle of this one's. */
void engine_yield(struct engine *engine);

/* Whether the reactor has a reason to go on. */
bool engine_is_runnable(struct engine *engine);

/* Buffers that it has lent. */
uint32_t engine_lent(const struct engine *engine);

/* Tries one of its operations, or brings a wake; true when something came of it. */
bool engine_step(struct engine *engine);

/* The same for all of them, as they come: false when there is nothing that could go ahead. */
bool engine_step_any(struct engine *engine);

/* Tries the sends that are tried once, when they are submitted. */
void engine_send_all_once(struct engine *engine);

/* Fails when the reactor sleeps with something to do and nobody is about to wake it. */
void engine_check_awake(const struct engine *engine, bool has_arrivals);

#endif
