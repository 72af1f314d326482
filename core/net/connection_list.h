/* connection_list: a reactor's connections, and on reactor 0 the listening sockets, for
 * `stats conns`. */
#ifndef CORE_NET_CONNECTION_LIST_H
#define CORE_NET_CONNECTION_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/chunk.h"
#include "proto/request.h"

/* A shard_list_connections, for a struct net. Connections that come while the list is read don't
 * appear in it. */
bool connection_list(void *net, const struct request *request, uint64_t *cursor,
                     struct chunk *chunk);

#endif
