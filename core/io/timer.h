/* timer: what a reactor does at a later time: look for idle connections, ask again for memory, and
 * the like.
 *
 * A reactor has a handful of timers. They are members of the structs that they are about; one that
 * is all zeros but for `expired` is not set. Once a turn the earliest time is compared with the
 * clock.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_IO_TIMER_H
#define CORE_IO_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct timer;

/* owner: what was given to timers_run(). The timer is not set any more, and may be set again. */
typedef void timer_expired(void *owner, struct timer *timer);

struct timer {
    timer_expired *expired;
    bool set;
    uint64_t due_ns;
    LIST_ENTRY(timer) link;
};

struct timers {
    LIST_HEAD(timer_list, timer) set;
    /* At this time there may be one due; never later than the earliest of them. UINT64_MAX: none is
     * set. */
    uint64_t next_ns;
};

void timers_init(struct timers *timers);

/* Sets a timer to a time on the clock that timers_run() is told; one that is set already changes
 * its time. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t due_ns);

/* Takes it back; does nothing when it isn't set. */
void timer_stop(struct timer *timer);

/* Calls the timers that are due, in no particular order; one that they set is called in a later
 * run, however early it is due. */
void timers_run_due(struct timers *timers, void *owner, uint64_t now_ns);
static inline void timers_run(struct timers *timers, void *owner, uint64_t now_ns) {
    if (now_ns >= timers->next_ns) {
        timers_run_due(timers, owner, now_ns);
    }
}

/* How long to wait before the next run; UINT64_MAX: for ever. */
static inline uint64_t timers_wait_ns(const struct timers *timers, uint64_t now_ns) {
    if (timers->next_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    return timers->next_ns > now_ns ? timers->next_ns - now_ns : 0;
}

#endif
