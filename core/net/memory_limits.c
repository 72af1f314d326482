/* What connections may hold, and receive. */
#include "core/net/connection.h"
#include "core/net/memory.h"
#include "core/net/net.h"

void memory_count(struct net *net) {
    size_t connections = net->shard.counters.curr_connections;
    buffer_pool_limit(&net->shard.buffers,
                      MEMORY_SCARCE_BYTES + connections * MEMORY_SCARCE_CONNECTION_BYTES);
}

/* Not much more than its pipeline waits for, since it may have to be kept. */
#define MEMORY_RECEIVE_BYTES ((size_t)2 * 1024)

size_t memory_receive_scarce_bytes(const struct connection *connection) {
    const struct pipeline *pipeline = &connection->pipeline;
    size_t have = pipeline->input.length, need = pipeline->parser.need;
    size_t wanted = have > 0 && need > have ? need - have : 0;
    if (connection->tls) {
        return IO_BUFFER_BYTES; /* of records, which are kept apart */
    }
    if (wanted < MEMORY_RECEIVE_BYTES) {
        return MEMORY_RECEIVE_BYTES;
    }
    return wanted < IO_BUFFER_BYTES ? wanted : IO_BUFFER_BYTES;
}
