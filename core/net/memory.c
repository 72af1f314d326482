#include "core/net/memory.h"

#include <malloc.h>

#include "core/net/connection.h"
#include "core/net/net.h"

/* From a turn to the next look, and the turns between two looks below which a reactor is quiet. */
#define MEMORY_LOOK_NS ((uint64_t)2000000000)
#define MEMORY_QUIET_TURNS 400

/* What connections hold beyond what they need, once memory is scarce. */
static void memory_tidy(struct net *net) {
    struct buffer_pool *pool = &net->shard.buffers;
    struct connection *connection;
    if (!buffer_pool_is_scarce(pool)) {
        return;
    }
    LIST_FOREACH(connection, &net->connections, all_link) {
        struct pipeline *pipeline = &connection->pipeline;
        if (!pipeline->bytes) {
            buffer_shrink(pool, &pipeline->input);
        }
        buffer_shrink(pool, &pipeline->output);
    }
}

/* What the C library has had back goes to the system once a busy reactor has become quiet: it looks
 * through all of that, which others would wait for. */
static void memory_give_back(struct net *net, uint64_t turns) {
    struct memory *memory = &net->memory;
    memory->dirty_turns += turns;
    message_pool_trim(&net->shard.messages);
    io_trim(net->io);
    bool all = buffer_pool_trim(&net->shard.buffers) == 0;
    if (turns < MEMORY_QUIET_TURNS && all) {
        malloc_trim(0);
        memory->dirty_turns = 0;
    }
}

static void memory_look(void *owner, struct timer *timer) {
    struct net *net = owner;
    struct memory *memory = &net->memory;
    uint64_t turns = net->shard.counters.reactor_turns - memory->looked_turn;
    memory->looked_turn = net->shard.counters.reactor_turns;
    memory_tidy(net);
    memory_give_back(net, turns);
    if (memory->dirty_turns > 0) {
        timer_set(&net->timers, timer, net->shard.now_ns + MEMORY_LOOK_NS);
    }
}

/* Not behind the turn in which a look has found that all is given back: so an idle reactor sleeps.
 */
void memory_look_later(struct net *net) {
    if (!net->memory.timer.set && net->shard.counters.reactor_turns != net->memory.looked_turn) {
        timer_set(&net->timers, &net->memory.timer, net->shard.now_ns + MEMORY_LOOK_NS);
    }
}

void memory_init(struct net *net) {
    net->memory = (struct memory){.timer.expired = memory_look};
    memory_count(net);
}
