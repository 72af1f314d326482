#include "core/net/schedule.h"

void schedule_init(struct schedule *schedule) {
    TAILQ_INIT(&schedule->ready);
    TAILQ_INIT(&schedule->waiting);
    TAILQ_INIT(&schedule->ending);
    TAILQ_INIT(&schedule->retrying);
    TAILQ_INIT(&schedule->sending);
}

void schedule_wake_waiting(struct schedule *schedule) {
    struct scheduled *one;
    if (TAILQ_EMPTY(&schedule->waiting)) {
        return;
    }
    TAILQ_FOREACH(one, &schedule->waiting, place_link) {
        one->place = SCHEDULE_READY;
    }
    TAILQ_CONCAT(&schedule->waiting, &schedule->ready, place_link);
    TAILQ_CONCAT(&schedule->ready, &schedule->waiting, place_link);
}

void schedule_remove(struct schedule *schedule, struct scheduled *one) {
    switch ((enum schedule_place)one->place) {
    case SCHEDULE_NOWHERE:
        break;
    case SCHEDULE_READY:
        TAILQ_REMOVE(&schedule->ready, one, place_link);
        break;
    case SCHEDULE_WAITING:
        TAILQ_REMOVE(&schedule->waiting, one, place_link);
        break;
    }
    if (one->ending) {
        TAILQ_REMOVE(&schedule->ending, one, ending_link);
    }
    if (one->retrying) {
        TAILQ_REMOVE(&schedule->retrying, one, retrying_link);
    }
    if (one->sending) {
        TAILQ_REMOVE(&schedule->sending, one, sending_link);
    }
    *one = (struct scheduled){0};
}

void schedule_check(const struct schedule *schedule) {
    const struct scheduled *one;
    TAILQ_FOREACH(one, &schedule->ready, place_link) {
        assert(one->place == SCHEDULE_READY);
    }
    TAILQ_FOREACH(one, &schedule->waiting, place_link) {
        assert(one->place == SCHEDULE_WAITING);
    }
    TAILQ_FOREACH(one, &schedule->ending, ending_link) {
        assert(one->ending);
    }
    TAILQ_FOREACH(one, &schedule->retrying, retrying_link) {
        assert(one->retrying);
    }
    TAILQ_FOREACH(one, &schedule->sending, sending_link) {
        assert(one->sending);
    }
}
