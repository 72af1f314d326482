/* acceptor: reactor 0 accepts for all, so that the connection limit is exact and connections are
 * spread evenly. */
#ifndef CORE_NET_ACCEPTOR_H
#define CORE_NET_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/net/listener.h"

struct reactor;
struct server;

struct acceptor {
    struct server *server;
    bool stopped;
    uint64_t paused_ns;               /* when accepting had to pause last */
    uint64_t given[CONFIG_CORES_MAX]; /* connections handed to each reactor, ever */
};

/* Starts accepting on all listeners of the server, on reactor 0's thread. */
void acceptor_start(struct acceptor *acceptor, struct server *server);

/* Ends it. */
void acceptor_stop(struct acceptor *acceptor);

/* What the kernel says of an accept on a listener, and of the pause after one that failed. */
void acceptor_accepted(struct acceptor *acceptor, struct listener *listener, int result,
                       unsigned flags);
void acceptor_retry(struct acceptor *acceptor, struct listener *listener);

#endif
