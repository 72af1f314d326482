/* schedule: which connections of a reactor have something to be done, and what.
 *
 *     ready      have requests to run              ┐ a connection is on one of these two at most
 *     waiting    wait for credit or for messages   ┘
 *     ending     something happened to them: the end of their turn is due
 *     retrying   were refused memory of a store, and ask again after a while
 *     sending    have large values to send
 *
 * These are lists and no more: the reactor goes through them, in the order of its turn.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_SCHEDULE_H
#define CORE_NET_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct connection;

TAILQ_HEAD(connection_queue, connection);
LIST_HEAD(connection_list, connection);

struct schedule {
    struct connection_queue ready;
    struct connection_queue waiting;
    struct connection_queue ending;
    struct connection_queue retrying;
    struct connection_queue sending;
};

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
    TAILQ_ENTRY(connection) place_link;
    TAILQ_ENTRY(connection) ending_link;
    TAILQ_ENTRY(connection) retrying_link;
    TAILQ_ENTRY(connection) sending_link;
};

void schedule_init(struct schedule *schedule);

/* Each puts a connection at the end of a list, unless it is on that already; among ready and
 * waiting it stays where it is. */
void schedule_run(struct schedule *schedule, struct connection *connection);
void schedule_wait(struct schedule *schedule, struct connection *connection);
void schedule_end_turn(struct schedule *schedule, struct connection *connection);
void schedule_retry(struct schedule *schedule, struct connection *connection);
void schedule_send(struct schedule *schedule, struct connection *connection);

/* All that wait become ready, in the order in which they wait and before those that are: whoever
 * came later would take the credit that they wait for. */
void schedule_wake_waiting(struct schedule *schedule);

/* Takes the first one off a list; NULL when there is none. */
struct connection *schedule_take_retrying(struct schedule *schedule);
struct connection *schedule_take_sending(struct schedule *schedule);

/* Moves all that are ready at this moment to a list of the caller's. They still count as ready; the
 * caller takes each off by schedule_leave_round(). */
void schedule_take_round(struct schedule *schedule, struct connection_queue *round);
void schedule_leave_round(struct connection_queue *round, struct connection *connection);

/* Moves all whose turn ends at this moment to a list of the caller's, and takes the first off it;
 * NULL when there is none. */
void schedule_take_ending(struct schedule *schedule, struct connection_queue *ending);
struct connection *schedule_next_ending(struct connection_queue *ending);

/* Takes it off every list; not while it is in a round. */
void schedule_remove(struct schedule *schedule, struct connection *connection);

/* Asserts that each connection on a list says so, and no other kind of list. For tests: it looks at
 * all of them. */
void schedule_check(const struct schedule *schedule);

#endif
