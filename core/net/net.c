#include "core/net/net.h"

#include "core/base/config.h"
#include "core/base/facts.h"

void net_init(struct net *net, struct net_peer *peers, struct moving_group *group) {
    net->peers = peers;
    moving_init(&net->moving, group, !net->shard.facts->config->no_conn_moves);
    net->next_serial = CONNECTION_SERIAL_FIRST;
    LIST_INIT(&net->connections);
    schedule_init(&net->schedule);
    timers_init(&net->timers);
    timeouts_init(net);
    memory_init(net);
}
