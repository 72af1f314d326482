/* panic: what the process writes to stderr when it dies of a bug: a failed assertion (SIGABRT), or
 * a SIGSEGV or SIGBUS. Then it dies by the same signal, with a core file where they are allowed.
 *
 *     simplecache: panic: signal 6 (SIGABRT), version 2.1.0
 *     simplecache: panic: reactor 1, turn 4711
 *     simplecache: panic: connection 17, command get
 *     simplecache: panic: backtrace:
 *     /usr/bin/simplecache(store_get+0x51)[0x55d0c8a2f3a1]
 *
 * No key and no value is in it. The report is written from the signal's handler: all of it is
 * async-signal-safe but backtrace(), which is so once it has been called (backtrace(3)).
 *
 * Builds with a sanitizer leave the signals to it.
 */
#ifndef CORE_BASE_PANIC_H
#define CORE_BASE_PANIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PANIC_NO_REACTOR UINT32_MAX
#define PANIC_NO_CONNECTION (-1)

/* What a thread is working on, as panic_report.describe tells it. */
struct panic_work {
    /* Number of a connection of this reactor, as in `stats conns`; or PANIC_NO_CONNECTION. */
    int connection;
    /* The name of a command, which is constant; NULL: none. */
    const char *command;
};

/* What there is to say of one thread, which owns it and keeps it up to date. */
struct panic_report {
    const char *version;
    uint32_t reactor; /* its number, or PANIC_NO_REACTOR */
    /* The reactor's turns so far, or NULL. */
    const uint64_t *turns;
    /* What the thread is working on, NULL for nothing; and the function that knows what it is. It
     * is called in the signal's handler, and may only read. */
    const void *work;
    struct panic_work (*describe)(const void *work);
    /* Set by panic_thread_init(). */
    _Atomic bool *taken;
};

/* Has the three signals reported from now on. Thread: the main one, before it starts others. */
void panic_init(void);

/* This thread is the one that `report` tells of; it must last until panic_thread_finish(). taken:
 * one for all threads of the process, false at first; the thread that sets it reports, and others
 * that fail meanwhile wait for the end of the process, so that there is one report and a whole one.
 * Also gives the thread a stack for signal handlers, since an overflow of its own is a SIGSEGV:
 * without memory for it there is no report of that. */
void panic_thread_init(struct panic_report *report, _Atomic bool *taken);
void panic_thread_finish(void);

#endif
