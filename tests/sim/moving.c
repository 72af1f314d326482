/* Connections move from reactor to reactor by chance, much more often than by their load: the
 * windows of core/net/moving.c are short here, and what is decided at their ends the seed decides.
 */
#include "core/net/moving.h"

#include "core/net/net.h"
#include "world.h"

/* Of a window. */
#define MOVING_NS_MAX 1000000

void __wrap_moving_end_window(struct net *net);

void __wrap_moving_end_window(struct net *net) {
    struct world *world = wrap_current();
    struct moving *moving = &net->moving;
    uint32_t others = world->choices.reactors - 1;
    moving->ends_ns = net->shard.now_ns + random_size(&world->random, MOVING_NS_MAX);
    moving->window++;
    moving->to = SHARD_NONE;
    moving->left = 0;
    if (random_chance(&world->random, world->choices.moves)) {
        moving->to = (net->shard.id + 1 + random_below(&world->random, others)) % (others + 1);
        moving->left = random_size(&world->random, 20);
    }
}
