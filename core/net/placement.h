/* placement: how many connections each reactor has, and which one the next is handed to.
 *
 * Thread: reactor 0's, where connections are accepted.
 */
#ifndef CORE_NET_PLACEMENT_H
#define CORE_NET_PLACEMENT_H

#include <stdint.h>

#include "core/base/config.h"

struct net;

struct placement {
    uint64_t given[CONFIG_CORES_MAX]; /* connections handed to each reactor, ever */
};

/* Connections open on all reactors. Those that ended a moment ago may still count. */
uint64_t placement_open(const struct placement *placement, const struct net *net);

/* The reactor with the fewest connections among those that a message can be sent to; reactor 0
 * needs none. Counts a connection there, which the caller hands over. */
uint32_t placement_take(struct placement *placement, const struct net *net);

#endif
