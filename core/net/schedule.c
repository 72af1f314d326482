#include "core/net/schedule.h"

#include <assert.h>

#include "core/net/connection.h"

void schedule_init(struct schedule *schedule) {
    TAILQ_INIT(&schedule->ready);
    TAILQ_INIT(&schedule->waiting);
    TAILQ_INIT(&schedule->ending);
    TAILQ_INIT(&schedule->retrying);
    TAILQ_INIT(&schedule->sending);
}

void schedule_run(struct schedule *schedule, struct connection *connection) {
    struct scheduled *scheduled = &connection->scheduled;
    if (scheduled->place != SCHEDULE_NOWHERE) {
        return;
    }
    scheduled->place = SCHEDULE_READY;
    TAILQ_INSERT_TAIL(&schedule->ready, connection, scheduled.place_link);
}

void schedule_wait(struct schedule *schedule, struct connection *connection) {
    struct scheduled *scheduled = &connection->scheduled;
    if (scheduled->place != SCHEDULE_NOWHERE) {
        return;
    }
    scheduled->place = SCHEDULE_WAITING;
    TAILQ_INSERT_TAIL(&schedule->waiting, connection, scheduled.place_link);
}

void schedule_end_turn(struct schedule *schedule, struct connection *connection) {
    if (connection->scheduled.ending) {
        return;
    }
    connection->scheduled.ending = true;
    TAILQ_INSERT_TAIL(&schedule->ending, connection, scheduled.ending_link);
}

void schedule_retry(struct schedule *schedule, struct connection *connection) {
    if (connection->scheduled.retrying) {
        return;
    }
    connection->scheduled.retrying = true;
    TAILQ_INSERT_TAIL(&schedule->retrying, connection, scheduled.retrying_link);
}

void schedule_send(struct schedule *schedule, struct connection *connection) {
    if (connection->scheduled.sending) {
        return;
    }
    connection->scheduled.sending = true;
    TAILQ_INSERT_TAIL(&schedule->sending, connection, scheduled.sending_link);
}

void schedule_wake_waiting(struct schedule *schedule) {
    struct connection *connection;
    TAILQ_FOREACH(connection, &schedule->waiting, scheduled.place_link) {
        connection->scheduled.place = SCHEDULE_READY;
    }
    TAILQ_CONCAT(&schedule->waiting, &schedule->ready, scheduled.place_link);
    TAILQ_CONCAT(&schedule->ready, &schedule->waiting, scheduled.place_link);
}

struct connection *schedule_take_retrying(struct schedule *schedule) {
    struct connection *connection = TAILQ_FIRST(&schedule->retrying);
    if (connection) {
        TAILQ_REMOVE(&schedule->retrying, connection, scheduled.retrying_link);
        connection->scheduled.retrying = false;
    }
    return connection;
}

struct connection *schedule_take_sending(struct schedule *schedule) {
    struct connection *connection = TAILQ_FIRST(&schedule->sending);
    if (connection) {
        TAILQ_REMOVE(&schedule->sending, connection, scheduled.sending_link);
        connection->scheduled.sending = false;
    }
    return connection;
}

void schedule_take_round(struct schedule *schedule, struct connection_queue *round) {
    TAILQ_INIT(round);
    TAILQ_CONCAT(round, &schedule->ready, scheduled.place_link);
}

void schedule_leave_round(struct connection_queue *round, struct connection *connection) {
    assert(connection->scheduled.place == SCHEDULE_READY);
    TAILQ_REMOVE(round, connection, scheduled.place_link);
    connection->scheduled.place = SCHEDULE_NOWHERE;
}

void schedule_take_ending(struct schedule *schedule, struct connection_queue *ending) {
    TAILQ_INIT(ending);
    TAILQ_CONCAT(ending, &schedule->ending, scheduled.ending_link);
}

struct connection *schedule_next_ending(struct connection_queue *ending) {
    struct connection *connection = TAILQ_FIRST(ending);
    if (connection) {
        TAILQ_REMOVE(ending, connection, scheduled.ending_link);
        connection->scheduled.ending = false;
    }
    return connection;
}

void schedule_remove(struct schedule *schedule, struct connection *connection) {
    struct scheduled *scheduled = &connection->scheduled;
    switch ((enum schedule_place)scheduled->place) {
    case SCHEDULE_NOWHERE:
        break;
    case SCHEDULE_READY:
        TAILQ_REMOVE(&schedule->ready, connection, scheduled.place_link);
        break;
    case SCHEDULE_WAITING:
        TAILQ_REMOVE(&schedule->waiting, connection, scheduled.place_link);
        break;
    }
    if (scheduled->ending) {
        TAILQ_REMOVE(&schedule->ending, connection, scheduled.ending_link);
    }
    if (scheduled->retrying) {
        TAILQ_REMOVE(&schedule->retrying, connection, scheduled.retrying_link);
    }
    if (scheduled->sending) {
        TAILQ_REMOVE(&schedule->sending, connection, scheduled.sending_link);
    }
    *scheduled = (struct scheduled){0};
}

void schedule_check(const struct schedule *schedule) {
    const struct connection *connection;
    TAILQ_FOREACH(connection, &schedule->ready, scheduled.place_link) {
        assert(connection->scheduled.place == SCHEDULE_READY);
    }
    TAILQ_FOREACH(connection, &schedule->waiting, scheduled.place_link) {
        assert(connection->scheduled.place == SCHEDULE_WAITING);
    }
    TAILQ_FOREACH(connection, &schedule->ending, scheduled.ending_link) {
        assert(connection->scheduled.ending);
    }
    TAILQ_FOREACH(connection, &schedule->retrying, scheduled.retrying_link) {
        assert(connection->scheduled.retrying);
    }
    TAILQ_FOREACH(connection, &schedule->sending, scheduled.sending_link) {
        assert(connection->scheduled.sending);
    }
}
