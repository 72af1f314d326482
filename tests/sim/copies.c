/* Copies of hot keys: in every other seed nearly each key is copied that is asked for. A reactor
 * may stand still before it looks for a copy, and between that it has found one to be up to date
 * and the answer: others may change the item, and answer that, meanwhile. */
#include "core/shard/copies.h"

#include "core/shard/commands.h"
#include "lending.h"

int __real_copies_init(struct copies *copies, uint64_t memory_bytes, uint32_t shards,
                       uint64_t seed);
struct copy *__real_copies_find(const struct copies *copies, const struct request *request,
                                uint64_t hash);
void __real_command_answer_copy(const struct request *request, const struct store_item *item,
                                struct result *result);
int __wrap_copies_init(struct copies *copies, uint64_t memory_bytes, uint32_t shards,
                       uint64_t seed);
struct copy *__wrap_copies_find(const struct copies *copies, const struct request *request,
                                uint64_t hash);
void __wrap_command_answer_copy(const struct request *request, const struct store_item *item,
                                struct result *result);

int __wrap_copies_init(struct copies *copies, uint64_t memory_bytes, uint32_t shards,
                       uint64_t seed) {
    const struct world *world = wrap_current();
    int error = __real_copies_init(copies, memory_bytes, shards, seed);
    if (error == 0 && memory_bytes > 0 && world && world->seed % 2 == 0) {
        copies_tune(copies, 1, 1, 0, 8);
    }
    return error;
}

struct copy *__wrap_copies_find(const struct copies *copies, const struct request *request,
                                uint64_t hash) {
    lending_pause(wrap_current());
    return __real_copies_find(copies, request, hash);
}

void __wrap_command_answer_copy(const struct request *request, const struct store_item *item,
                                struct result *result) {
    struct world *world = wrap_current();
    world->copied++;
    lending_pause(world);
    __real_command_answer_copy(request, item, result);
}
