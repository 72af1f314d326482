/* processors: how much of them a thread uses, and how much of them nobody does.
 *
 * Any thread. For the balance of load between threads, some times a second.
 */
#ifndef CORE_BASE_PROCESSORS_H
#define CORE_BASE_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

/* The processor time of the calling thread so far. */
uint64_t processors_used_ns(void);

/* The idle time so far of the processors that the calling thread may run on, with what processes of
 * low priority (nice) have used, in steps of a hundredth of a second (proc_stat(5)). False where
 * the system doesn't tell: there is no /proc, or a sandbox hides this file. It takes a millisecond
 * where there are hundreds of processors. */
bool processors_idle_ns(uint64_t *idle_ns);

#endif
