#include "core/shard/execute.h"

#include <assert.h>

#include "core/base/clock.h"
#include "core/shard/admin.h"
#include "core/shard/scan.h"

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

static struct store_key key_of(const struct request *request, uint64_t hash) {
    return (struct store_key){.bytes = request->key, .length = request->key_length, .hash = hash};
}

static uint32_t expires_of(const struct shard *shard, int64_t exptime) {
    return clock_expires(shard->clock, exptime, shard->now, shard->debug_offset_s);
}

static void set_item(struct result *result, const struct store_item *item) {
    result->value = item->value;
    result->value_length = item->value_length;
    result->client_flags = item->client_flags;
    result->cas = item->cas;
    result->large = item->large;
}

/* What the reply doesn't carry need not travel. */
static void drop_value(struct result *result) {
    result->value = NULL;
    result->large = 0;
}

/* Past times, too, are far from never. */
static int32_t seconds_left(uint32_t expires, uint32_t now) {
    if (expires == 0) {
        return -1;
    }
    uint32_t left = expires > now ? expires - now : 0;
    return left < INT32_MAX ? (int32_t)left : INT32_MAX;
}

/* No work for as long as store and protocol have the same bits for the same things. */
static uint8_t state_of(uint8_t state) {
    return (uint8_t)((state & STORE_WON ? STATE_WON : 0) |
                     (state & STORE_BINARY_KEY ? STATE_BINARY_KEY : 0) |
                     (state & STORE_STALE ? STATE_STALE : 0) |
                     (state & STORE_TOKEN_SENT ? STATE_TOKEN_SENT : 0) |
                     (state & STORE_FETCHED ? STATE_FETCHED : 0));
}

/* What the meta protocol tells of an item beside that. */
static void set_facts(struct result *result, const struct request *request,
                      const struct store_item *item, uint32_t now) {
    result->cas = item->cas;
    uint32_t expires = request->meta & META_TTL_AFTER ? item->expires : item->expires_before;
    result->ttl_s = seconds_left(expires, now);
    result->idle_s = now - item->access;
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

static void run_get(struct shard *shard, const struct request *request, uint64_t hash,
                    struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_item item;
    enum store_status status = store_get(shard->store, &key, shard->now, &item);
    count_get(&shard->counters, status == STORE_OK);
    result->status = (uint8_t)result_of(status);
    if (status == STORE_OK) {
        set_item(result, &item);
    }
}

/* touch and gat, which counts as a touch alone, as in memcached. */
static void run_touch(struct shard *shard, const struct request *request, uint64_t hash,
                      struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_item item;
    uint32_t expires = expires_of(shard, request->exptime);
    enum store_status status = store_touch(shard->store, &key, expires, shard->now, &item);
    bool hit = status == STORE_OK;
    count_touch(&shard->counters, hit);
    result->status = (uint8_t)result_of(status);
    if (!hit) {
        return;
    }
    set_item(result, &item);
    if (request->op == OP_TOUCH) {
        drop_value(result);
        result->value_length = 0;
    }
}

/* What makes an mg more than a get. */
#define META_GET_EFFECTS (META_NO_BUMP | META_TOUCH | META_VIVIFY | META_RECACHE)

static struct store_read read_of(const struct shard *shard, const struct request *request) {
    return (struct store_read){
        .no_bump = request->meta & META_NO_BUMP,
        .touch = request->meta & META_TOUCH,
        .expires = expires_of(shard, request->exptime),
        .vivify = request->meta & META_VIVIFY,
        .vivify_expires = expires_of(shard, request->vivify_exptime),
        .recache = request->meta & META_RECACHE,
        .recache_expires = expires_of(shard, request->recache_exptime),
        .recache_after_touch = request->meta & META_RECACHE_AFTER,
        .set_cas = request->meta & META_SET_CAS,
        .new_cas = request->new_cas,
        .binary_key = request->meta & META_BASE64,
    };
}

static void run_meta_get(struct shard *shard, const struct request *request, uint64_t hash,
                         struct result *result) {
    static const struct store_read plain = {0};
    struct store_key key = key_of(request, hash);
    struct store_read asked;
    struct store_item item;
    bool is_plain = (request->meta & META_GET_EFFECTS) == 0;
    if (!is_plain) {
        asked = read_of(shard, request);
    }
    enum store_status status =
        store_read(shard->store, &key, is_plain ? &plain : &asked, shard->now, &item);
    if ((request->meta & META_TOUCH) && status == STORE_OK && !item.created) {
        count_touch(&shard->counters, true);
    } else {
        count_get(&shard->counters, status == STORE_OK);
    }
    result->status = (uint8_t)result_of(status);
    if (status != STORE_OK) {
        return;
    }
    set_item(result, &item);
    set_facts(result, request, &item, shard->now);
    if (!mg_returns_value(request, item.cas)) {
        drop_value(result);
    }
}

static void run_meta_item(struct shard *shard, const struct request *request, uint64_t hash,
                          struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_item item;
    enum store_status status = store_peek(shard->store, &key, shard->now, &item);
    shard->counters.cmd_meta++;
    result->status = (uint8_t)result_of(status);
    if (status != STORE_OK) {
        return;
    }
    set_facts(result, request, &item, shard->now);
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

/* meta's s tells the length of the whole value. */
static void set_joined_length(struct shard *shard, const struct request *request,
                              const struct store_key *key, struct result *result) {
    struct store_item item;
    bool joined = request->op == OP_APPEND || request->op == OP_PREPEND;
    if (joined && store_peek(shard->store, key, shard->now, &item) == STORE_OK) {
        result->value_length = item.value_length;
    }
}

/* upload: where the value is in place of request->value, or 0. */
static void run_write(struct shard *shard, const struct request *request, uint64_t hash,
                      uint64_t upload, struct result *result) {
    struct store_key key = key_of(request, hash);
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
        .expires = expires_of(shard, request->exptime),
        .create_expires = expires_of(shard, request->vivify_exptime),
    };
    enum store_status status =
        upload ? store_upload_end(shard->store, upload, &key, &write, shard->now, &result->cas)
               : store_write(shard->store, &key, &write, shard->now, &result->cas);
    count_write(&shard->counters, request, status);
    result->status = (uint8_t)result_of(status);
    result->value_length = request->value_length;
    if (status == STORE_OK && request->protocol == PROTOCOL_META) {
        set_joined_length(shard, request, &key, result);
    }
}

static void run_delete(struct shard *shard, const struct request *request, uint64_t hash,
                       struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_removal removal = {
        .compare_cas = request->compare_cas,
        .cas = request->cas,
        .mark_stale = request->meta & META_INVALIDATE,
        .touch = request->meta & META_TOUCH,
        .expires = expires_of(shard, request->exptime),
        .empty = request->meta & META_EMPTY,
        .client_flags = request->client_flags,
        .set_cas = request->meta & META_SET_CAS,
        .new_cas = request->new_cas,
    };
    enum store_status status = store_delete(shard->store, &key, &removal, shard->now);
    shard->counters.delete_hits += status == STORE_OK && !removal.mark_stale;
    shard->counters.delete_misses += status != STORE_OK;
    result->status = (uint8_t)result_of(status);
}

static void run_delta(struct shard *shard, const struct request *request, uint64_t hash,
                      struct result *result) {
    struct store_key key = key_of(request, hash);
    bool decrement = request->op == OP_DECR, meta = request->protocol == PROTOCOL_META;
    struct store_delta delta = {
        .delta = request->delta,
        .decrement = decrement,
        .compare_cas = request->compare_cas,
        .cas = request->cas,
        .create = request->create,
        .initial = request->initial,
        .expires = expires_of(shard, meta ? request->vivify_exptime : request->exptime),
        .touch = request->meta & META_TOUCH,
        .touch_expires = expires_of(shard, request->exptime),
        .set_cas = request->meta & META_SET_CAS,
        .new_cas = request->new_cas,
        .binary_key = request->meta & META_BASE64,
    };
    struct store_item item;
    enum store_status status =
        store_delta(shard->store, &key, &delta, shard->now, &result->number, &item);
    if (status == STORE_OK) {
        set_facts(result, request, &item, shard->now);
    }
    struct counters *counters = &shard->counters;
    *(decrement ? &counters->decr_hits : &counters->incr_hits) +=
        status == STORE_OK && !item.created;
    *(decrement ? &counters->decr_misses : &counters->incr_misses) += status == STORE_NOT_FOUND;
    result->status = (uint8_t)result_of(status);
}

/* A value that was refused on the way in: whatever the key held is older than what its client
 * wanted there, so it goes, as in memcached. */
static void run_reject(struct shard *shard, const struct request *request, uint64_t hash,
                       struct result *result) {
    struct store_key key = key_of(request, hash);
    bool too_large = request->error == PROTO_ERROR_TOO_LARGE;
    store_delete(shard->store, &key, &(struct store_removal){0}, shard->now);
    shard->counters.store_too_large += too_large;
    shard->counters.store_no_memory += !too_large;
    result->status = too_large ? RESULT_TOO_LARGE : RESULT_NO_MEMORY;
}

static void run(struct shard *shard, const struct request *request, uint64_t hash,
                struct result *result) {
    switch ((enum op)request->op) {
    case OP_META_GET:
        run_meta_get(shard, request, hash, result);
        return;
    case OP_META_ITEM:
        run_meta_item(shard, request, hash, result);
        return;
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
        run_write(shard, request, hash, 0, result);
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

/* requester: whoever is NULL takes no turn. */
static bool lend(struct shard *shard, const void *requester, struct result *result) {
    struct priority *priority = &shard->lease_priority;
    if (result->large == 0 || (priority_allows(priority, requester, shard->now_ns) &&
                               store_lease(shard->store, result->large))) {
        priority_end(priority, requester);
        return true;
    }
    if (store_is_bulk(shard->store, result->value_length)) {
        priority_take(priority, requester, shard->now_ns);
    }
    result->large = 0;
    shard_note_refusal(shard);
    return false;
}

bool execute(struct shard *shard, const struct request *request, uint64_t hash,
             struct result *result) {
    *result = (struct result){0};
    run(shard, request, hash, result);
    prefix_record(&shard->prefixes, request, result->status == RESULT_OK);
    return result->large == 0 || lend(shard, NULL, result);
}

bool execute_lease(struct shard *shard, const void *requester, const struct request *request,
                   uint64_t hash, struct result *result) {
    struct store_key key = key_of(request, hash);
    struct store_item item;
    enum store_status status = store_peek(shard->store, &key, shard->now, &item);
    if (status == STORE_OK && item.large != 0 && item.cas == result->cas) {
        set_item(result, &item);
        return lend(shard, requester, result);
    }
    struct counters counted = shard->counters; /* it was one request */
    *result = (struct result){0};
    run(shard, request, hash, result);
    shard->counters = counted;
    return lend(shard, requester, result);
}

enum store_status execute_upload_window(struct shard *shard, uint64_t upload,
                                        struct upload_window *window) {
    window->length = store_upload_window(shard->store, upload, shard->now, &window->bytes);
    return window->length > 0 ? STORE_OK : STORE_NO_MEMORY;
}

/* As lend(). */
static enum store_status begin_upload(struct shard *shard, const void *requester,
                                      const struct store_key *key, const struct request *request,
                                      uint64_t *upload) {
    bool joins = request->op == OP_APPEND || request->op == OP_PREPEND;
    uint32_t length = request->value_length;
    struct priority *priority = &shard->upload_priority;
    enum store_status status = STORE_BUSY;
    if (priority_allows(priority, requester, shard->now_ns)) {
        status = store_upload_begin(shard->store, key, length, joins, shard->now, upload);
    }
    if (status != STORE_BUSY) {
        priority_end(priority, requester);
        return status;
    }
    if (store_is_bulk(shard->store, length)) {
        priority_take(priority, requester, shard->now_ns);
    }
    shard_note_refusal(shard);
    return status;
}

enum store_status execute_upload_begin(struct shard *shard, const void *requester,
                                       const struct request *request, uint64_t hash,
                                       uint64_t *upload, struct upload_window *window) {
    struct store_key key = key_of(request, hash);
    *upload = 0;
    enum store_status status = begin_upload(shard, requester, &key, request, upload);
    return status == STORE_OK ? execute_upload_window(shard, *upload, window) : status;
}

void execute_upload_end(struct shard *shard, const struct request *request, uint64_t hash,
                        uint64_t upload, struct result *result) {
    *result = (struct result){0};
    run_write(shard, request, hash, upload, result);
    prefix_record(&shard->prefixes, request, result->status == RESULT_OK);
}

/* A chunk of a scan lies in the message's wide range. */
static void execute_scan(struct shard *shard, struct message *message) {
    struct chunk chunk = {.bytes = message->wide, .capacity = MESSAGE_VALUE_BYTES_MAX};
    message->scan_more = scan_fill(shard, &message->request, &message->cursor, &chunk);
    message->result = (struct result){.status = RESULT_OK, .value_length = (uint32_t)chunk.length};
}

/* What the shard has counted, for OP_STATS, lies in the message's wide range. */
static void execute_part(struct shard *shard, struct message *message) {
    _Static_assert(sizeof(struct shard_stats) <= MESSAGE_VALUE_BYTES_MAX, "stats fit a message");
    struct result result = {.status = RESULT_OK};
    admin_execute(shard, &message->request, (void *)message->wide, &result);
    message_set_result(message, &result);
}

static void execute_request(struct shard *shard, struct message *message) {
    struct result result;
    message->refused = !execute(shard, &message->request, message->hash, &result);
    message_set_result(message, &result);
}

void execute_message(struct shard *shard, struct message *message) {
    const struct request *request = &message->request;
    struct result *result = &message->result;
    switch ((enum message_kind)message->kind) {
    case MESSAGE_REQUEST:
        execute_request(shard, message);
        return;
    case MESSAGE_EVERY_SHARD:
        execute_part(shard, message);
        return;
    case MESSAGE_SCAN:
        execute_scan(shard, message);
        return;
    case MESSAGE_UPLOAD_BEGIN:
        message->status = (uint8_t)execute_upload_begin(
            shard, message->requester, request, message->hash, &message->large, &message->window);
        return;
    case MESSAGE_UPLOAD_WINDOW:
        message->status = (uint8_t)execute_upload_window(shard, message->large, &message->window);
        return;
    case MESSAGE_UPLOAD_END:
        execute_upload_end(shard, request, message->hash, message->large, result);
        return;
    case MESSAGE_UPLOAD_CANCEL:
        store_upload_cancel(shard->store, message->large);
        return;
    case MESSAGE_LEASE:
        message->refused =
            !execute_lease(shard, message->requester, request, message->hash, result);
        message_set_result(message, result);
        return;
    case MESSAGE_LEASE_BACK:
    case MESSAGE_LEASE_END:
        store_lease_end(shard->store, message->large);
        return;
    case MESSAGE_CONNECTION:
        shard->hooks->open_connection(shard->reactor, message->descriptor);
        return;
    }
    assert(!"a message of unknown kind");
}
