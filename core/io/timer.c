#include "core/io/timer.h"

#include <assert.h>

void timers_init(struct timers *timers) {
    LIST_INIT(&timers->set);
    timers->next_ns = UINT64_MAX;
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t due_ns) {
    assert(timer->expired);
    timer_stop(timer);
    timer->set = true;
    timer->due_ns = due_ns;
    LIST_INSERT_HEAD(&timers->set, timer, link);
    if (due_ns < timers->next_ns) {
        timers->next_ns = due_ns;
    }
}

void timer_stop(struct timer *timer) {
    if (timer->set) {
        LIST_REMOVE(timer, link);
    }
    timer->set = false;
}

static void timers_find_next(struct timers *timers) {
    struct timer *timer;
    timers->next_ns = UINT64_MAX;
    LIST_FOREACH(timer, &timers->set, link) {
        if (timer->due_ns < timers->next_ns) {
            timers->next_ns = timer->due_ns;
        }
    }
}

/* Those that are due go to a list of their own first, from which a handler may still take one. */
void timers_run_due(struct timers *timers, void *owner, uint64_t now_ns) {
    struct timer_list due = LIST_HEAD_INITIALIZER(due);
    struct timer *timer, *next;
    for (timer = LIST_FIRST(&timers->set); timer; timer = next) {
        next = LIST_NEXT(timer, link);
        if (timer->due_ns <= now_ns) {
            LIST_REMOVE(timer, link);
            LIST_INSERT_HEAD(&due, timer, link);
        }
    }
    while ((timer = LIST_FIRST(&due))) {
        timer_stop(timer);
        timer->expired(owner, timer);
    }
    timers_find_next(timers);
}
