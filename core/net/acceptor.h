/* acceptor: reactor 0 accepts for all, so that the connection limit is exact and connections are
 * spread evenly.
 *
 * Thread: reactor 0's.
 */
#ifndef CORE_NET_ACCEPTOR_H
#define CORE_NET_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/net/listener.h"
#include "core/net/placement.h"

struct net;

struct acceptor {
    struct listeners *listeners;
    struct placement placement;
    bool stopped;
    uint64_t paused_ns; /* when accepting had to pause last */
};

/* Prepares an acceptor for listeners that outlive it and may be opened later. Any thread. */
void acceptor_init(struct acceptor *acceptor, struct listeners *listeners);

/* Starts accepting on all listeners. */
void acceptor_start(struct acceptor *acceptor, struct net *net);

/* Ends it, and closes the listeners. */
void acceptor_stop(struct acceptor *acceptor, struct net *net);

#endif
