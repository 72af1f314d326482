/* Timers against a model: an array of the times that they are set to. */
#include "core/io/timer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "core/base/container.h"

#define TIMERS 6
#define STEPS 20000

struct clockwork {
    struct timers timers;
    struct alarm {
        struct timer timer;
        uint64_t due_ns; /* as the model has it; UINT64_MAX: not set */
        uint32_t rung;
        uint64_t again_ns;   /* what it is set to when it is called; 0: it is not */
        struct timer *stops; /* and which one it stops; NULL: none */
    } alarms[TIMERS];
};

static void alarm_ring(void *owner, struct timer *timer) {
    struct clockwork *clockwork = owner;
    struct alarm *alarm = container_of(timer, struct alarm, timer);
    cr_assert(not(timer->set));
    alarm->rung++;
    if (alarm->again_ns > 0) {
        timer_set(&clockwork->timers, timer, alarm->again_ns);
    }
    if (alarm->stops) {
        timer_stop(alarm->stops);
    }
}

static void clockwork_init(struct clockwork *clockwork) {
    *clockwork = (struct clockwork){0};
    timers_init(&clockwork->timers);
    for (int i = 0; i < TIMERS; i++) {
        clockwork->alarms[i].timer.expired = alarm_ring;
        clockwork->alarms[i].due_ns = UINT64_MAX;
    }
}

Test(timer, waits_for_ever_without_any) {
    struct clockwork clockwork;
    clockwork_init(&clockwork);
    cr_assert(eq(u64, timers_wait_ns(&clockwork.timers, 100), UINT64_MAX));
    timers_run(&clockwork.timers, &clockwork, UINT64_MAX - 1);
    cr_assert(eq(u32, clockwork.alarms[0].rung, 0));
}

Test(timer, is_called_once_when_due) {
    struct clockwork clockwork;
    struct alarm *alarm = &clockwork.alarms[0];
    clockwork_init(&clockwork);
    timer_set(&clockwork.timers, &alarm->timer, 1000);
    cr_assert(eq(u64, timers_wait_ns(&clockwork.timers, 400), 600));
    timers_run(&clockwork.timers, &clockwork, 999);
    cr_assert(eq(u32, alarm->rung, 0));
    timers_run(&clockwork.timers, &clockwork, 1000);
    timers_run(&clockwork.timers, &clockwork, 2000);
    cr_assert(eq(u32, alarm->rung, 1));
    cr_assert(eq(u64, timers_wait_ns(&clockwork.timers, 2000), UINT64_MAX));
}

Test(timer, one_in_the_past_is_due_at_once) {
    struct clockwork clockwork;
    clockwork_init(&clockwork);
    timer_set(&clockwork.timers, &clockwork.alarms[0].timer, 0);
    cr_assert(eq(u64, timers_wait_ns(&clockwork.timers, 5), 0));
    timers_run(&clockwork.timers, &clockwork, 5);
    cr_assert(eq(u32, clockwork.alarms[0].rung, 1));
}

Test(timer, set_again_from_within_is_called_in_a_later_run) {
    struct clockwork clockwork;
    struct alarm *alarm = &clockwork.alarms[0];
    clockwork_init(&clockwork);
    alarm->again_ns = 1; /* in the past by then */
    timer_set(&clockwork.timers, &alarm->timer, 10);
    timers_run(&clockwork.timers, &clockwork, 10);
    cr_assert(eq(u32, alarm->rung, 1));
    cr_assert(eq(u64, timers_wait_ns(&clockwork.timers, 10), 0));
    alarm->again_ns = 0;
    timers_run(&clockwork.timers, &clockwork, 10);
    cr_assert(eq(u32, alarm->rung, 2));
}

/* Whichever comes first, the other is due too and is not called any more. */
Test(timer, stopped_from_within_is_not_called) {
    struct clockwork clockwork;
    struct alarm *one = &clockwork.alarms[0], *other = &clockwork.alarms[1];
    clockwork_init(&clockwork);
    one->stops = &other->timer;
    other->stops = &one->timer;
    timer_set(&clockwork.timers, &one->timer, 10);
    timer_set(&clockwork.timers, &other->timer, 10);
    timers_run(&clockwork.timers, &clockwork, 10);
    cr_assert(eq(u32, one->rung + other->rung, 1));
    cr_assert(eq(u64, timers_wait_ns(&clockwork.timers, 10), UINT64_MAX));
}

static void clockwork_run(struct clockwork *clockwork, uint64_t now_ns) {
    uint32_t expected[TIMERS];
    for (int i = 0; i < TIMERS; i++) {
        struct alarm *alarm = &clockwork->alarms[i];
        expected[i] = alarm->rung + (alarm->due_ns <= now_ns);
    }
    timers_run(&clockwork->timers, clockwork, now_ns);
    for (int i = 0; i < TIMERS; i++) {
        struct alarm *alarm = &clockwork->alarms[i];
        cr_assert(eq(u32, alarm->rung, expected[i]));
        if (alarm->due_ns <= now_ns) {
            alarm->due_ns = UINT64_MAX;
        }
    }
}

/* It may wake the reactor too early, after a timer was stopped, but never too late. */
static void clockwork_check_wait(const struct clockwork *clockwork, uint64_t now_ns) {
    uint64_t wait_ns = timers_wait_ns(&clockwork->timers, now_ns);
    for (int i = 0; i < TIMERS; i++) {
        uint64_t due_ns = clockwork->alarms[i].due_ns;
        cr_assert(eq(int, clockwork->alarms[i].timer.set, due_ns != UINT64_MAX));
        if (due_ns != UINT64_MAX) {
            cr_assert(le(u64, wait_ns, due_ns > now_ns ? due_ns - now_ns : 0));
        }
    }
}

Test(timer, equals_the_model, .timeout = 600) {
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct clockwork clockwork;
        uint64_t now_ns = 0;
        unsigned random = seed;
        clockwork_init(&clockwork);
        for (int step = 0; step < STEPS / 20; step++) {
            struct alarm *alarm = &clockwork.alarms[rand_r(&random) % TIMERS];
            now_ns += (uint64_t)(rand_r(&random) % 50);
            if (rand_r(&random) % 4 > 0) {
                alarm->due_ns = now_ns + (uint64_t)(rand_r(&random) % 200);
                timer_set(&clockwork.timers, &alarm->timer, alarm->due_ns);
            } else {
                alarm->due_ns = UINT64_MAX;
                timer_stop(&alarm->timer);
            }
            clockwork_check_wait(&clockwork, now_ns);
            clockwork_run(&clockwork, now_ns);
        }
    }
}
