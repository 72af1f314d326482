/* timeouts: closes connections that have been without a command for longer than -o idle_timeout=,
 * and those that hold memory of a store and make little use of it while others are refused some.
 *
 * Thread: the reactor that owns them.
 */
#ifndef CORE_NET_TIMEOUTS_H
#define CORE_NET_TIMEOUTS_H

#include "core/io/timer.h"

struct net;

/* How long a client may take to send 64 KiB of a large value that it uploads (PACE_BYTES), and to
 * take as many of one that it is sent, or the rest, when others wait for such memory. */
#define TIMEOUT_UPLOAD_S 30
#define TIMEOUT_LEASE_S 10

/* When to look for each kind next; never twice within a second. */
struct timeouts {
    struct timer idle;
    struct timer stalled;
    struct timer expiry; /* of certificates, of reactor 0 */
    struct timer tls;    /* set by what has a time to end, see core/net/connection_tls.c */
};

/* Looks for idle connections from now on, if -o idle_timeout= says so. */
void timeouts_init(struct net *net);

/* Once a turn: looks for stalled ones within a second, if connections hold memory of a store. */
void timeouts_step(struct net *net);

#endif
