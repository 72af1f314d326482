#include "core/net/net.h"

void net_init(struct net *net, struct net_peer *peers) {
    net->peers = peers;
    net->next_serial = CONNECTION_SERIAL_FIRST;
    LIST_INIT(&net->connections);
    schedule_init(&net->schedule);
    timers_init(&net->timers);
    timeouts_init(net);
}
