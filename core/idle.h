/* idle: closes connections that have been without a command for longer than -o idle_timeout=.
 *
 * Thread: the reactor that owns them.
 */
#ifndef CORE_IDLE_H
#define CORE_IDLE_H

#include <stdint.h>

struct reactor;

/* Once a turn: breaks off the connections whose time is up and to which nothing is owed. */
void idle_step(struct reactor *reactor);

/* How long the reactor may sleep before the next step has something to do; UINT64_MAX: for ever.
 * Never twice within a second. */
uint64_t idle_wait_ns(const struct reactor *reactor);

#endif
