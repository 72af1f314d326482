#include "core/shard/commands.h"

#include <assert.h>

#include "core/base/clock.h"

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
    case STORE_BUSY:
    case STORE_NO_MEMORY:
        return RESULT_NO_MEMORY;
    case STORE_NON_NUMERIC:
        return RESULT_NON_NUMERIC;
    }
    assert(!"a store status without a result");
    return RESULT_NO_MEMORY;
}

/* Before something about a key is changed: copies of its item are out of date that others hold. (A
 * read of an item that is to be renewed changes its state, too, but of such an item there are no
 * copies.) */
static inline void command_outdates(struct keyspace *keys, uint64_t hash) {
    versions_move(&keys->versions, hash);
}

static uint32_t expires_of(const struct keyspace *keys, int64_t exptime) {
    return clock_expires(keys->clock, exptime, keys->now, keys->debug_offset_s);
}

static void command_set_item(struct result *result, const struct store_item *item) {
    result->value = item->value;
    result->value_length = item->value_length;
    result->client_flags = item->client_flags;
    result->cas = item->cas;
    result->large = item->large;
}

/* The reply doesn't carry the value, so the message need not either. */
static void drop_value(struct result *result) {
    result->value = NULL;
    result->large = 0;
}

void command_set_answer(struct result *result, const struct request *request,
                        const struct store_item *item) {
    command_set_item(result, item);
    if (request->op == OP_META_GET && !mg_returns_value(request, item->cas)) {
        drop_value(result);
    }
}

/* -1: never. What expires later than the store can count, or than INT32_MAX seconds from now,
 * counts as that late. */
static int32_t seconds_left(uint32_t expires, uint32_t now) {
    if (expires == 0) {
        return -1;
    }
    uint32_t left = clock_seconds_left(expires, now);
    return left < INT32_MAX && expires < UINT32_MAX ? (int32_t)left : INT32_MAX;
}

/* Compiles to a mask as long as the store and the protocol use the same bits. */
static uint8_t state_of(uint8_t state) {
    return (uint8_t)((state & STORE_WON ? STATE_WON : 0) |
                     (state & STORE_BINARY_KEY ? STATE_BINARY_KEY : 0) |
                     (state & STORE_STALE ? STATE_STALE : 0) |
                     (state & STORE_TOKEN_SENT ? STATE_TOKEN_SENT : 0) |
                     (state & STORE_FETCHED ? STATE_FETCHED : 0));
}

/* The figures of an item that only the meta protocol tells. */
static void set_facts(struct result *result, const struct request *request,
                      const struct store_item *item, uint32_t now) {
    result->cas = item->cas;
    uint32_t expires = request->meta & META_TTL_AFTER ? item->expires : item->expires_before;
    result->ttl_s = seconds_left(expires, now);
    result->idle_s = clock_seconds_since(item->access, now);
    result->state = state_of(item->state);
}

static void count_get(struct counters *counters, bool hit) {
    counters->cmd_get++;
    counters->get_hits += hit;
    counters->get_misses += !hit;
}

static void count_touch(struct counters *counters, bool hit) {
    counters->cmd_touch++;
    counters->touch_hits += hit;
    counters->touch_misses += !hit;
}

static void run_get(struct keyspace *keys, const struct request *request, uint64_t hash,
                    struct result *result) {
    struct store_key key = command_key(request, hash);
    struct store_item item;
    enum store_status status = store_get(keys->store, &key, keys->now, &item);
    count_get(&keys->counters, status == STORE_OK);
    result->status = (uint8_t)result_of(status);
    if (status == STORE_OK) {
        command_set_item(result, &item);
    }
}

/* touch and gat. A gat counts as a touch alone, as in memcached. */
static void run_touch(struct keyspace *keys, const struct request *request, uint64_t hash,
                      struct result *result) {
    command_outdates(keys, hash);
    struct store_key key = command_key(request, hash);
    struct store_item item;
    uint32_t expires = expires_of(keys, request->exptime);
    enum store_status status = store_touch(keys->store, &key, expires, keys->now, &item);
    bool hit = status == STORE_OK;
    count_touch(&keys->counters, hit);
    result->status = (uint8_t)result_of(status);
    if (!hit) {
        return;
    }
    command_set_item(result, &item);
    if (request->op == OP_TOUCH) {
        drop_value(result);
        result->value_length = 0;
    }
}

static struct store_read read_of(const struct keyspace *keys, const struct request *request) {
    return (struct store_read){
        .no_bump = request->meta & META_NO_BUMP,
        .touch = request->meta & META_TOUCH,
        .expires = expires_of(keys, request->exptime),
        .vivify = request->meta & META_VIVIFY,
        .vivify_expires = expires_of(keys, request->vivify_exptime),
        .recache = request->meta & META_RECACHE,
        .recache_expires = clock_expires_sooner(keys->clock, request->recache_exptime, keys->now,
                                                keys->debug_offset_s),
        .recache_after_touch = request->meta & META_RECACHE_AFTER,
        .set_cas = request->meta & META_SET_CAS,
        .new_cas = request->new_cas,
        .binary_key = request->meta & META_BASE64,
    };
}

static void run_meta_get(struct keyspace *keys, const struct request *request, uint64_t hash,
                         struct result *result) {
    static const struct store_read plain = {0};
    struct store_key key = command_key(request, hash);
    struct store_read asked;
    struct store_item item;
    bool is_plain = (request->meta & META_GET_EFFECTS) == 0;
    if (!is_plain) {
        command_outdates(keys, hash);
        asked = read_of(keys, request);
    }
    enum store_status status =
        store_read(keys->store, &key, is_plain ? &plain : &asked, keys->now, &item);
    if ((request->meta & META_TOUCH) && status == STORE_OK && !item.created) {
        count_touch(&keys->counters, true);
    } else {
        count_get(&keys->counters, status == STORE_OK);
    }
    result->status = (uint8_t)result_of(status);
    if (status != STORE_OK) {
        return;
    }
    command_set_item(result, &item);
    set_facts(result, request, &item, keys->now);
    if (!mg_returns_value(request, item.cas)) {
        drop_value(result);
    }
}

static void run_meta_item(struct keyspace *keys, const struct request *request, uint64_t hash,
                          struct result *result) {
    struct store_key key = command_key(request, hash);
    struct store_item item;
    enum store_status status = store_peek(keys->store, &key, keys->now, &item);
    keys->counters.cmd_meta++;
    result->status = (uint8_t)result_of(status);
    if (status != STORE_OK) {
        return;
    }
    set_facts(result, request, &item, keys->now);
    result->number = item.bytes;
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
    if (!request->compare_cas) {
        return;
    }
    counters->cas_hits += status == STORE_OK;
    counters->cas_misses += status == STORE_NOT_FOUND;
    counters->cas_badval += status == STORE_EXISTS;
}

/* The flag s of the meta protocol tells the length of the whole value after an append. */
static void set_joined_length(struct keyspace *keys, const struct request *request,
                              const struct store_key *key, struct result *result) {
    struct store_item item;
    bool joined = request->op == OP_APPEND || request->op == OP_PREPEND;
    if (joined && store_peek(keys->store, key, keys->now, &item) == STORE_OK) {
        result->value_length = item.value_length;
    }
}

/* upload: the handle of the upload that holds the value; 0: request->value does. */
static void run_write(struct keyspace *keys, const struct request *request, uint64_t hash,
                      uint64_t upload, struct result *result) {
    command_outdates(keys, hash);
    struct store_key key = command_key(request, hash);
    struct store_write write = {
        .mode = mode_of(request->op),
        .compare_cas = request->compare_cas,
        .stale_if_older = request->meta & META_INVALIDATE,
        .create = request->meta & META_VIVIFY,
        .set_cas = request->meta & META_SET_CAS,
        .binary_key = request->meta & META_BASE64,
        .cas = request->cas,
        .new_cas = request->new_cas,
        .value = request->value,
        .value_length = request->value_length,
        .client_flags = request->client_flags,
        .expires = expires_of(keys, request->exptime),
        .create_expires = expires_of(keys, request->vivify_exptime),
    };
    enum store_status status =
        upload ? store_upload_end(keys->store, upload, &key, &write, keys->now, &result->cas)
               : store_write(keys->store, &key, &write, keys->now, &result->cas);
    count_write(&keys->counters, request, status);
    result->status = (uint8_t)result_of(status);
    result->value_length = request->value_length;
    if (status == STORE_OK && request->protocol == PROTOCOL_META) {
        set_joined_length(keys, request, &key, result);
    }
}

static void run_delete(struct keyspace *keys, const struct request *request, uint64_t hash,
                       struct result *result) {
    command_outdates(keys, hash);
    struct store_key key = command_key(request, hash);
    struct store_removal removal = {
        .compare_cas = request->compare_cas,
        .cas = request->cas,
        .mark_stale = request->meta & META_INVALIDATE,
        .touch = request->meta & META_TOUCH,
        .expires = expires_of(keys, request->exptime),
        .empty = request->meta & META_EMPTY,
        .client_flags = request->client_flags,
        .set_cas = request->meta & META_SET_CAS,
        .new_cas = request->new_cas,
    };
    enum store_status status = store_delete(keys->store, &key, &removal, keys->now);
    keys->counters.delete_hits += status == STORE_OK && !removal.mark_stale;
    keys->counters.delete_misses += status != STORE_OK;
    result->status = (uint8_t)result_of(status);
}

static void run_delta(struct keyspace *keys, const struct request *request, uint64_t hash,
                      struct result *result) {
    command_outdates(keys, hash);
    struct store_key key = command_key(request, hash);
    bool decrement = request->op == OP_DECR, meta = request->protocol == PROTOCOL_META;
    struct store_delta delta = {
        .delta = request->delta,
        .decrement = decrement,
        .compare_cas = request->compare_cas,
        .cas = request->cas,
        .create = request->create,
        .initial = request->initial,
        .expires = expires_of(keys, meta ? request->vivify_exptime : request->exptime),
        .touch = request->meta & META_TOUCH,
        .touch_expires = expires_of(keys, request->exptime),
        .set_cas = request->meta & META_SET_CAS,
        .new_cas = request->new_cas,
        .binary_key = request->meta & META_BASE64,
    };
    struct store_item item;
    enum store_status status =
        store_delta(keys->store, &key, &delta, keys->now, &result->number, &item);
    if (status == STORE_OK) {
        set_facts(result, request, &item, keys->now);
    }
    struct counters *counters = &keys->counters;
    *(decrement ? &counters->decr_hits : &counters->incr_hits) +=
        status == STORE_OK && !item.created;
    *(decrement ? &counters->decr_misses : &counters->incr_misses) += status == STORE_NOT_FOUND;
    result->status = (uint8_t)result_of(status);
}

/* A value that was refused while it was received. The key's old value is deleted, as in memcached,
 * since the client wanted to replace it. */
static void run_reject(struct keyspace *keys, const struct request *request, uint64_t hash,
                       struct result *result) {
    command_outdates(keys, hash);
    struct store_key key = command_key(request, hash);
    bool too_large = request->error == PROTO_ERROR_TOO_LARGE;
    store_delete(keys->store, &key, &(struct store_removal){0}, keys->now);
    keys->counters.store_too_large += too_large;
    keys->counters.store_no_memory += !too_large;
    result->status = too_large ? RESULT_TOO_LARGE : RESULT_NO_MEMORY;
}

void command_run(struct keyspace *keys, const struct request *request, uint64_t hash,
                 struct result *result) {
    *result = (struct result){0};
    switch ((enum op)request->op) {
    case OP_META_GET:
        run_meta_get(keys, request, hash, result);
        return;
    case OP_META_ITEM:
        run_meta_item(keys, request, hash, result);
        return;
    case OP_GET:
        run_get(keys, request, hash, result);
        return;
    case OP_TOUCH:
    case OP_GAT:
        run_touch(keys, request, hash, result);
        return;
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
        run_write(keys, request, hash, 0, result);
        return;
    case OP_DELETE:
        run_delete(keys, request, hash, result);
        return;
    case OP_INCR:
    case OP_DECR:
        run_delta(keys, request, hash, result);
        return;
    case OP_REJECT:
        run_reject(keys, request, hash, result);
        return;
    case OP_FLUSH:
    case OP_FLUSH_PREFIX:
    case OP_STATS:
    case OP_METADUMP:
    case OP_MGDUMP:
    case OP_CRAWL:
    case OP_CRAWLER_SWITCH:
    case OP_CRAWLER_SLEEP:
    case OP_CRAWLER_TOCRAWL:
    case OP_MEMORY_LIMIT:
    case OP_DEBUG_TIME:
    case OP_VERSION:
    case OP_VERBOSITY:
    case OP_NOOP:
    case OP_OK:
    case OP_SHUTDOWN:
    case OP_REFRESH_CERTS:
    case OP_CONFIG:
    case OP_CONFIG_KEY:
    case OP_WATCH:
    case OP_LOGIN:
    case OP_SASL_LIST:
    case OP_UPLOAD_PART:
    case OP_UPLOAD_END:
    case OP_END:
    case OP_ERROR:
    case OP_QUIT:
        break;
    }
    assert(!"not a request of one shard");
}

void command_run_upload(struct keyspace *keys, const struct request *request, uint64_t hash,
                        uint64_t upload, struct result *result) {
    *result = (struct result){0};
    run_write(keys, request, hash, upload, result);
}

void command_answer_copy(const struct request *request, const struct store_item *item,
                         struct result *result) {
    *result = (struct result){.status = RESULT_OK};
    command_set_answer(result, request, item);
}
