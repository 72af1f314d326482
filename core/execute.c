#include "core/execute.h"

#include <assert.h>

#include "core/clock.h"

static enum result_status result_of(enum store_status status) {
    switch (status) {
    case STORE_OK:
        return RESULT_OK;
    case STORE_NOT_FOUND:
        return RESULT_NOT_FOUND;
    case STORE_EXISTS:
        return RESULT_EXISTS;
    case STORE_NOT_STORED:
        return RESULT_NOT_STORED;
    case STORE_TOO_LARGE:
        return RESULT_TOO_LARGE;
    case STORE_NO_MEMORY:
        return RESULT_NO_MEMORY;
    case STORE_NON_NUMERIC:
        return RESULT_NON_NUMERIC;
    }
    assert(!"a store status without a result");
    return RESULT_NO_MEMORY;
}

static struct store_key key_of(const struct request *request, uint64_t hash) {
    return (struct store_key){.bytes = request->key, .length = request->key_length, .hash = hash};
}

static void set_item(struct result *result, const struct store_item *item) {
    result->value = item->value;
    result->value_length = item->value_length;
    result->client_flags = item->client_flags;
    result->cas = item->cas;
}

static void run_get(struct shard *shard, const struct request *request, uint64_t hash,
                    struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_item item;
    enum store_status status = store_get(shard->store, &key, shard->now, &item);
    shard->counters.cmd_get++;
    result->status = (uint8_t)result_of(status);
    if (status != STORE_OK) {
        shard->counters.get_misses++;
        return;
    }
    shard->counters.get_hits++;
    set_item(result, &item);
}

/* touch and gat; a gat counts as both a get and a touch, as in memcached. */
static void run_touch(struct shard *shard, const struct request *request, uint64_t hash,
                      struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_item item;
    uint32_t expires = clock_expires(request->exptime, shard->now);
    enum store_status status = store_touch(shard->store, &key, expires, shard->now, &item);
    bool hit = status == STORE_OK;
    shard->counters.cmd_touch++;
    shard->counters.touch_hits += hit;
    shard->counters.touch_misses += !hit;
    result->status = (uint8_t)result_of(status);
    if (request->op == OP_GAT) {
        shard->counters.cmd_get++;
        shard->counters.get_hits += hit;
        shard->counters.get_misses += !hit;
    }
    if (!hit)
        return;
    set_item(result, &item);
    if (request->op == OP_TOUCH) {
        result->value = NULL;
        result->value_length = 0;
    }
}

static enum store_mode mode_of(enum op op) {
    switch (op) {
    case OP_ADD:
        return STORE_ADD;
    case OP_REPLACE:
        return STORE_REPLACE;
    case OP_APPEND:
        return STORE_APPEND;
    case OP_PREPEND:
        return STORE_PREPEND;
    default:
        return STORE_SET;
    }
}

static void count_write(struct counters *counters, const struct request *request,
                        enum store_status status) {
    counters->cmd_set++;
    counters->store_too_large += status == STORE_TOO_LARGE;
    counters->store_no_memory += status == STORE_NO_MEMORY;
    if (!request->compare_cas)
        return;
    counters->cas_hits += status == STORE_OK;
    counters->cas_misses += status == STORE_NOT_FOUND;
    counters->cas_badval += status == STORE_EXISTS;
}

static void run_write(struct shard *shard, const struct request *request, uint64_t hash,
                      struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_write write = {
        .mode = mode_of(request->op),
        .compare_cas = request->compare_cas,
        .cas = request->cas,
        .value = request->value,
        .value_length = request->value_length,
        .client_flags = request->client_flags,
        .expires = clock_expires(request->exptime, shard->now),
    };
    enum store_status status = store_write(shard->store, &key, &write, shard->now, &result->cas);
    count_write(&shard->counters, request, status);
    result->status = (uint8_t)result_of(status);
}

static void run_delete(struct shard *shard, const struct request *request, uint64_t hash,
                       struct result *result) {
    struct store_key key = key_of(request, hash);
    enum store_status status =
        store_delete(shard->store, &key, request->compare_cas, request->cas, shard->now);
    shard->counters.delete_hits += status == STORE_OK;
    shard->counters.delete_misses += status == STORE_NOT_FOUND;
    result->status = (uint8_t)result_of(status);
}

static void run_delta(struct shard *shard, const struct request *request, uint64_t hash,
                      struct result *result) {
    struct store_key key = key_of(request, hash);
    bool decrement = request->op == OP_DECR;
    struct store_delta delta = {
        .delta = request->delta,
        .decrement = decrement,
        .compare_cas = request->compare_cas,
        .cas = request->cas,
        .create = request->create,
        .initial = request->initial,
        .expires = clock_expires(request->exptime, shard->now),
    };
    enum store_status status =
        store_delta(shard->store, &key, &delta, shard->now, &result->number, &result->cas);
    struct counters *counters = &shard->counters;
    *(decrement ? &counters->decr_hits : &counters->incr_hits) += status == STORE_OK;
    *(decrement ? &counters->decr_misses : &counters->incr_misses) += status == STORE_NOT_FOUND;
    result->status = (uint8_t)result_of(status);
}

/* A value that was refused on the way in: whatever the key held is older than what its client
 * wanted there, so it goes, as in memcached. */
static void run_reject(struct shard *shard, const struct request *request, uint64_t hash,
                       struct result *result) {
    struct store_key key = key_of(request, hash);
    bool too_large = request->error == PROTO_ERROR_TOO_LARGE;
    store_delete(shard->store, &key, false, 0, shard->now);
    shard->counters.store_too_large += too_large;
    shard->counters.store_no_memory += !too_large;
    result->status = too_large ? RESULT_TOO_LARGE : RESULT_NO_MEMORY;
}

void execute(struct shard *shard, const struct request *request, uint64_t hash,
             struct result *result) {
    *result = (struct result){0};
    switch ((enum op)request->op) {
    case OP_GET:
        run_get(shard, request, hash, result);
        return;
    case OP_TOUCH:
    case OP_GAT:
        run_touch(shard, request, hash, result);
        return;
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
        run_write(shard, request, hash, result);
        return;
    case OP_DELETE:
        run_delete(shard, request, hash, result);
        return;
    case OP_INCR:
    case OP_DECR:
        run_delta(shard, request, hash, result);
        return;
    case OP_REJECT:
        run_reject(shard, request, hash, result);
        return;
    case OP_FLUSH:
    case OP_STATS:
    case OP_VERSION:
    case OP_VERBOSITY:
    case OP_NOOP:
    case OP_END:
    case OP_ERROR:
    case OP_QUIT:
        break;
    }
    assert(!"not a request of one shard");
}

static void run_flush(struct shard *shard, const struct request *request) {
    uint32_t at = shard->now;
    if (request->exptime > 0)
        at = clock_expires(request->exptime, shard->now);
    store_flush(shard->store, at, shard->now);
}

void execute_message(struct shard *shard, struct message *message) {
    struct result result = {.status = RESULT_OK};
    const struct request *request = &message->request;
    if (request->op == OP_STATS) {
        _Static_assert(sizeof(struct shard_stats) <= MESSAGE_VALUE_BYTES_MAX,
                       "stats fit a message");
        shard_stats_read(shard, (void *)(message->data + MESSAGE_KEY_BYTES));
    } else if (request->op == OP_FLUSH) {
        run_flush(shard, request);
    } else {
        execute(shard, request, message->hash, &result);
    }
    message_set_result(message, &result);
}
