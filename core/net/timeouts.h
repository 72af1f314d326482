/* idle: closes connections that have been without a command for longer than -o idle_timeout=, and
 * those that hold memory of a store and make little use of it while others are refused some.
 *
 * Thread: the reactor that owns them.
 */
#ifndef CORE_NET_TIMEOUTS_H
#define CORE_NET_TIMEOUTS_H

#include <stdint.h>

struct reactor;

/* How long one may take to send PACE_BYTES of a large value that it uploads, and to take as many of
 * one that it is sent, or the rest, when others wait for such memory; in seconds. */
#define IDLE_UPLOAD_S 30
#define IDLE_LEASE_S 10

/* Once a turn: breaks off the connections whose time is up and to which nothing is owed, and those
 * that hold others up. */
void idle_step(struct reactor *reactor);

/* How long the reactor may sleep before the next step has something to do; UINT64_MAX: for ever.
 * Never twice within a second. */
uint64_t idle_wait_ns(const struct reactor *reactor);

#endif
