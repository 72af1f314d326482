/* parsed: simplecache without its commands and its store: reactor, parser, hash and reply.
 *
 * It is the server, linked so that what would be executed, and prefetched for that, comes here
 * instead (ld's --wrap): every get finds the same value, and anything else has succeeded.
 */
#include "bench/canned.h"
#include "core/shard/execute.h"

bool __wrap_execute(struct keyspace *keys, const struct request *request, uint64_t hash,
                    struct result *result);
void __wrap_store_prefetch_bucket(const struct store *store, uint64_t hash);
void __wrap_store_prefetch_item(const struct store *store, uint64_t hash);

bool __wrap_execute(struct keyspace *keys, const struct request *request, uint64_t hash,
                    struct result *result) {
    (void)hash;
    *result = (struct result){.status = RESULT_OK};
    if (request->op != OP_GET) {
        keys->counters.cmd_set++;
        return true;
    }
    result->value = CANNED_VALUE;
    result->value_length = CANNED_VALUE_BYTES;
    keys->counters.cmd_get++;
    keys->counters.get_hits++;
    return true;
}

void __wrap_store_prefetch_bucket(const struct store *store, uint64_t hash) {
    (void)store;
    (void)hash;
}

void __wrap_store_prefetch_item(const struct store *store, uint64_t hash) {
    (void)store;
    (void)hash;
}
