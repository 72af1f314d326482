/* The lists against a model: for each list an array of who is on it, in order. */
#include "core/net/schedule.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define COUNT 12
#define STEPS 5000

struct row {
    struct scheduled *all[COUNT];
    int count;
};

struct model {
    struct schedule schedule;
    struct scheduled all[COUNT];
    struct row ready, waiting, ending, retrying, sending;
};

static bool row_has(const struct row *row, const struct scheduled *one) {
    for (int i = 0; i < row->count; i++) {
        if (row->all[i] == one) {
            return true;
        }
    }
    return false;
}

static void row_add(struct row *row, struct scheduled *one) {
    if (!row_has(row, one)) {
        row->all[row->count++] = one;
    }
}

static void row_remove(struct row *row, const struct scheduled *one) {
    int kept = 0;
    for (int i = 0; i < row->count; i++) {
        if (row->all[i] != one) {
            row->all[kept++] = row->all[i];
        }
    }
    row->count = kept;
}

static struct scheduled *row_take(struct row *row) {
    struct scheduled *first = row->count > 0 ? row->all[0] : NULL;
    row_remove(row, first);
    return first;
}

static void model_init(struct model *model) {
    *model = (struct model){0};
    schedule_init(&model->schedule);
}

static void model_wake(struct model *model) {
    struct row ready = model->waiting;
    for (int i = 0; i < model->ready.count; i++) {
        row_add(&ready, model->ready.all[i]);
    }
    model->ready = ready;
    model->waiting.count = 0;
    schedule_wake_waiting(&model->schedule);
}

/* Takes all that are ready and puts some back, as a round does. */
static void model_round(struct model *model, unsigned *random) {
    struct scheduled_queue round;
    struct scheduled *one;
    schedule_take_round(&model->schedule, &round);
    while ((one = TAILQ_FIRST(&round))) {
        cr_assert(eq(ptr, one, row_take(&model->ready)));
        schedule_leave_round(&round, one);
        if (rand_r(random) % 2) {
            schedule_wait(&model->schedule, one);
            row_add(&model->waiting, one);
        }
    }
}

static void model_end_turns(struct model *model) {
    struct scheduled_queue ending;
    struct scheduled *one;
    schedule_take_ending(&model->schedule, &ending);
    while ((one = schedule_next_ending(&ending))) {
        cr_assert(eq(ptr, one, row_take(&model->ending)));
    }
    cr_assert(eq(int, model->ending.count, 0));
}

static void model_put(struct model *model, struct scheduled *one, unsigned kind) {
    bool placed = row_has(&model->ready, one) || row_has(&model->waiting, one);
    switch (kind) {
    case 0:
        schedule_run(&model->schedule, one);
        row_add(placed ? &(struct row){0} : &model->ready, one);
        break;
    case 1:
        schedule_wait(&model->schedule, one);
        row_add(placed ? &(struct row){0} : &model->waiting, one);
        break;
    case 2:
        schedule_end_turn(&model->schedule, one);
        row_add(&model->ending, one);
        break;
    case 3:
        schedule_retry(&model->schedule, one);
        row_add(&model->retrying, one);
        break;
    default:
        schedule_send(&model->schedule, one);
        row_add(&model->sending, one);
        break;
    }
}

static void model_remove(struct model *model, struct scheduled *one) {
    struct row *rows[] = {&model->ready, &model->waiting, &model->ending, &model->retrying,
                          &model->sending};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        row_remove(rows[i], one);
    }
    schedule_remove(&model->schedule, one);
}

static void model_step(struct model *model, unsigned *random) {
    struct scheduled *one = &model->all[rand_r(random) % COUNT];
    unsigned kind = (unsigned)rand_r(random) % 12;
    if (kind < 5) {
        model_put(model, one, kind);
    } else if (kind == 5) {
        model_wake(model);
    } else if (kind == 6) {
        model_round(model, random);
    } else if (kind == 7) {
        model_end_turns(model);
    } else if (kind == 8) {
        cr_assert(eq(ptr, schedule_next_retrying(&model->schedule), row_take(&model->retrying)));
    } else if (kind == 9) {
        cr_assert(eq(ptr, schedule_next_sending(&model->schedule), row_take(&model->sending)));
    } else if (kind == 10) {
        model_remove(model, one);
    }
}

static void check_flags(const struct model *model) {
    for (int i = 0; i < COUNT; i++) {
        const struct scheduled *one = &model->all[i];
        cr_assert(eq(int, one->place == SCHEDULE_READY, row_has(&model->ready, one)));
        cr_assert(eq(int, one->place == SCHEDULE_WAITING, row_has(&model->waiting, one)));
        cr_assert(eq(int, one->ending, row_has(&model->ending, one)));
        cr_assert(eq(int, one->retrying, row_has(&model->retrying, one)));
        cr_assert(eq(int, one->sending, row_has(&model->sending, one)));
    }
}

Test(schedule, equals_the_model, .timeout = 600) {
    for (unsigned seed = 1; seed <= 10; seed++) {
        struct model model;
        unsigned random = seed;
        model_init(&model);
        for (int i = 0; i < STEPS; i++) {
            model_step(&model, &random);
            schedule_check(&model.schedule);
            check_flags(&model);
        }
    }
}

Test(schedule, those_that_wait_come_before_those_that_are_ready) {
    struct model model;
    struct scheduled_queue round;
    model_init(&model);
    schedule_run(&model.schedule, &model.all[0]);
    schedule_wait(&model.schedule, &model.all[1]);
    schedule_wait(&model.schedule, &model.all[2]);
    schedule_wake_waiting(&model.schedule);
    schedule_take_round(&model.schedule, &round);
    cr_assert(eq(ptr, TAILQ_FIRST(&round), &model.all[1]));
    cr_assert(eq(ptr, TAILQ_NEXT(&model.all[1], place_link), &model.all[2]));
    cr_assert(eq(ptr, TAILQ_NEXT(&model.all[2], place_link), &model.all[0]));
}
