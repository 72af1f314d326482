/* schedule: which connections of a reactor have something to be done, and what.
 *
 *     ready      have requests to run              ┐ a connection is on one of these two at most
 *     waiting    wait for credit or for messages   ┘
 *     ending     something happened to them: the end of their turn is due
 *     retrying   were refused memory of a store, or scan items that still move to other settings,
 *                and ask again after a while
 *     sending    have large values to send
 *
 * These are lists and no more: the reactor goes through them, in the order of its turn. What is on
 * them is the member `scheduled` of a connection. The functions are inline, since each request goes
 * through some of them.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_SCHEDULE_H
#define CORE_NET_SCHEDULE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum schedule_place {
    SCHEDULE_NOWHERE,
    SCHEDULE_READY,
    SCHEDULE_WAITING,
};

/* A connection's part: which lists it is on. All zeros: on none. */
struct scheduled {
    uint8_t place; /* enum schedule_place */
    bool ending;
    bool retrying;
    bool sending;
    TAILQ_ENTRY(scheduled) place_link;
    TAILQ_ENTRY(scheduled) ending_link;
    TAILQ_ENTRY(scheduled) retrying_link;
    TAILQ_ENTRY(scheduled) sending_link;
};

TAILQ_HEAD(scheduled_queue, scheduled);

struct schedule {
    struct scheduled_queue ready;
    struct scheduled_queue waiting;
    struct scheduled_queue ending;
    struct scheduled_queue retrying;
    struct scheduled_queue sending;
};

void schedule_init(struct schedule *schedule);

/* Each of the next five puts one at the end of a list, unless it is on that already; among ready
 * and waiting it stays where it is. */

static inline void schedule_run(struct schedule *schedule, struct scheduled *one) {
    if (one->place == SCHEDULE_NOWHERE) {
        one->place = SCHEDULE_READY;
        TAILQ_INSERT_TAIL(&schedule->ready, one, place_link);
    }
}

static inline void schedule_wait(struct schedule *schedule, struct scheduled *one) {
    if (one->place == SCHEDULE_NOWHERE) {
        one->place = SCHEDULE_WAITING;
        TAILQ_INSERT_TAIL(&schedule->waiting, one, place_link);
    }
}

static inline void schedule_end_turn(struct schedule *schedule, struct scheduled *one) {
    if (!one->ending) {
        one->ending = true;
        TAILQ_INSERT_TAIL(&schedule->ending, one, ending_link);
    }
}

static inline void schedule_retry(struct schedule *schedule, struct scheduled *one) {
    if (!one->retrying) {
        one->retrying = true;
        TAILQ_INSERT_TAIL(&schedule->retrying, one, retrying_link);
    }
}

static inline void schedule_send(struct schedule *schedule, struct scheduled *one) {
    if (!one->sending) {
        one->sending = true;
        TAILQ_INSERT_TAIL(&schedule->sending, one, sending_link);
    }
}

/* All that wait become ready, in the order in which they wait and before those that are: a
 * request that came later would take the credit that they wait for. */
void schedule_wake_waiting(struct schedule *schedule);

/* Moves all that are ready at this moment to a list of the caller's, for a round. They still count
 * as ready; the caller takes each off by schedule_leave_round(). */
static inline void schedule_take_round(struct schedule *schedule, struct scheduled_queue *round) {
    TAILQ_INIT(round);
    TAILQ_CONCAT(round, &schedule->ready, place_link);
}

static inline void schedule_leave_round(struct scheduled_queue *round, struct scheduled *one) {
    assert(one->place == SCHEDULE_READY);
    TAILQ_REMOVE(round, one, place_link);
    one->place = SCHEDULE_NOWHERE;
}

/* Moves all whose turn ends at this moment to a list of the caller's, and takes the first off it;
 * NULL when there is none. */
static inline void schedule_take_ending(struct schedule *schedule, struct scheduled_queue *ending) {
    TAILQ_INIT(ending);
    TAILQ_CONCAT(ending, &schedule->ending, ending_link);
}

static inline struct scheduled *schedule_next_ending(struct scheduled_queue *ending) {
    struct scheduled *one = TAILQ_FIRST(ending);
    if (one) {
        TAILQ_REMOVE(ending, one, ending_link);
        one->ending = false;
    }
    return one;
}

/* Takes the first one off a list; NULL when there is none. */

static inline struct scheduled *schedule_next_retrying(struct schedule *schedule) {
    struct scheduled *one = TAILQ_FIRST(&schedule->retrying);
    if (one) {
        TAILQ_REMOVE(&schedule->retrying, one, retrying_link);
        one->retrying = false;
    }
    return one;
}

static inline struct scheduled *schedule_next_sending(struct schedule *schedule) {
    struct scheduled *one = TAILQ_FIRST(&schedule->sending);
    if (one) {
        TAILQ_REMOVE(&schedule->sending, one, sending_link);
        one->sending = false;
    }
    return one;
}

/* Takes one off every list; not while it is on a list of the caller's. */
void schedule_remove(struct schedule *schedule, struct scheduled *one);

/* Asserts that what is on a list says so. For tests: it goes through all of them. */
void schedule_check(const struct schedule *schedule);

#endif
