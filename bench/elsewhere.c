/* elsewhere: simplecache with all connections on its first reactor and all keys on its last shard,
 * so that each request goes over the mesh. It is the server, linked so that hashes are made and
 * connections are given out here (ld's --wrap).
 */
#include <errno.h>

#include "core/net/acceptor.h"
#include "core/server/server.h"

uint64_t __real_shard_hash(const struct shard *shard, const char *key, uint32_t length);
uint64_t __wrap_shard_hash(const struct shard *shard, const char *key, uint32_t length);
void __real_acceptor_accepted(struct acceptor *acceptor, struct listener *listener, int result,
                              unsigned flags);
void __wrap_acceptor_accepted(struct acceptor *acceptor, struct listener *listener, int result,
                              unsigned flags);

uint64_t __wrap_shard_hash(const struct shard *shard, const char *key, uint32_t length) {
    return __real_shard_hash(shard, key, length) | (uint64_t)UINT16_MAX << 48;
}

/* To the acceptor it looks as if the client had gone again, and it accepts the next. */
void __wrap_acceptor_accepted(struct acceptor *acceptor, struct listener *listener, int result,
                              unsigned flags) {
    if (result >= 0) {
        acceptor->given[0]++;
        connection_open(&acceptor->server->reactors[0], result);
        result = -ECONNABORTED;
    }
    __real_acceptor_accepted(acceptor, listener, result, flags);
}
