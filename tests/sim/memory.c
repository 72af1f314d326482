/* Reactors that have little memory for connections, and few wide ranges: what else takes thousands
 * of clients happens all the time. */
#include "core/net/memory.h"

#include "core/mesh/message.h"
#include "core/net/net.h"
#include "world.h"

int __real_message_pool_init(struct message_pool *pool, uint32_t count);
int __wrap_message_pool_init(struct message_pool *pool, uint32_t count);
void __real_memory_count(struct net *net);
void __wrap_memory_count(struct net *net);

int __wrap_message_pool_init(struct message_pool *pool, uint32_t count) {
    struct world *world = wrap_current();
    int error = __real_message_pool_init(pool, count);
    world->wides = world->choices.wides > 0 ? world->choices.wides : MESSAGE_WIDES_MAX;
    pool->wides_free = error == 0 ? world->wides : 0;
    return error;
}

void __wrap_memory_count(struct net *net) {
    const struct world *world = wrap_current();
    __real_memory_count(net);
    if (world->choices.scarce_bytes > 0) {
        buffer_pool_limit(&net->shard.buffers, world->choices.scarce_bytes);
    }
}
