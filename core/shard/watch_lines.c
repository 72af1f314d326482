#include "core/shard/watch_lines.h"

#include <assert.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/shard/commands.h"
#include "core/shard/shard.h"
#include "proto/number.h"

/* All items are of one slab class, as `stats items` has it. */
#define WATCH_CLASS 1

/* What memcached prints for an item that is stored with a time in the past is near 2^32, since it
 * takes the seconds left for a number without a sign: here it is -1, so printed. */
#define WATCH_TTL_PAST UINT32_MAX

/* Words and numbers. */

static char *watch_put(char *out, const char *text) {
    return stpcpy(out, text); /* the NUL is written over, or behind the line */
}

static char *watch_put_number(char *out, const char *name, uint64_t number) {
    return number_write(watch_put(out, name), number);
}

static char *watch_put_signed(char *out, const char *name, int64_t number) {
    out = watch_put(out, name);
    if (number < 0) {
        *out++ = '-';
    }
    return number_write(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

static bool watch_is_plain(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

/* As in an address of the web (RFC 3986, 2.1 and 2.3), so that no key can end the line. */
static char *watch_put_key(char *out, const char *key, uint32_t length) {
    static const char digits[] = "0123456789ABCDEF";
    for (uint32_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)key[i];
        if (watch_is_plain(c)) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    return out;
}

static char *watch_put_type(char *out, const char *type, const char *key, uint32_t length) {
    out = watch_put(watch_put(out, "type="), type);
    return watch_put_key(watch_put(out, " key="), key, length);
}

/* Class, client and size stand at the end of most lines. */
static char *watch_put_item(char *out, bool is_item, int client, uint32_t size) {
    out = watch_put_number(out, " clsid=", is_item ? WATCH_CLASS : 0);
    out = watch_put_signed(out, " cfd=", client);
    out = watch_put_number(out, " size=", size);
    return watch_put(out, "\n");
}

/* Of one request. */

static const char *watch_presence_name(enum store_presence presence) {
    switch (presence) {
    case STORE_PRESENT:
        return "found";
    case STORE_MISSING:
        return "not_found";
    case STORE_EXPIRED:
        return "expired";
    case STORE_FLUSHED:
        return "flushed";
    }
    assert(!"a presence without a name");
    return "";
}

static void watch_tell_fetch(const struct watch_case *about, enum store_presence presence) {
    const struct request *request = about->request;
    bool found = presence == STORE_PRESENT;
    char *out = watch_begin(about->shard, STREAM_FETCHERS);
    if (!out) {
        return;
    }
    out = watch_put_type(out, "item_get", request->key, request->key_length);
    out = watch_put(watch_put(out, " status="), watch_presence_name(presence));
    watch_end(about->shard, watch_put_item(out, found, about->client, found ? about->length : 0));
}

static const char *watch_status_name(enum result_status status) {
    switch (status) {
    case RESULT_OK:
        return "stored";
    case RESULT_NOT_FOUND:
        return "not_found";
    case RESULT_EXISTS:
        return "exists";
    case RESULT_NOT_STORED:
        return "not_stored";
    case RESULT_TOO_LARGE:
        return "too_large";
    case RESULT_NO_MEMORY:
        return "no_memory";
    case RESULT_NON_NUMERIC:
    case RESULT_LOGIN_FAILED:
    case RESULT_LOGIN_CONTINUES:
        break;
    }
    assert(!"no outcome of a write");
    return "";
}

static const char *watch_write_name(enum op op, bool compare_cas) {
    bool sets = op == OP_SET || op == OP_REPLACE;
    return sets && compare_cas ? "cas" : op_infos[op].name;
}

/* A write as its line tells it. */
struct watch_write {
    enum result_status status;
    const char *command;
    uint32_t ttl_s; /* 0: for ever */
    uint32_t size;
};

static void watch_tell_write(const struct watch_case *about, const struct watch_write *write) {
    const struct request *request = about->request;
    char *out = watch_begin(about->shard, STREAM_MUTATIONS);
    if (!out) {
        return;
    }
    bool is_item = write->status != RESULT_TOO_LARGE && write->status != RESULT_NO_MEMORY;
    out = watch_put_type(out, "item_store", request->key, request->key_length);
    out = watch_put(watch_put(out, " status="), watch_status_name(write->status));
    out = watch_put(watch_put(out, " cmd="), write->command);
    out = watch_put_number(out, " ttl=", write->ttl_s);
    watch_end(about->shard, watch_put_item(out, is_item, about->client, write->size));
}

static void watch_tell_deletion(const struct watch_case *about, const char *command,
                                uint32_t size) {
    const struct request *request = about->request;
    char *out = watch_begin(about->shard, STREAM_DELETIONS);
    if (!out) {
        return;
    }
    out = watch_put_type(out, "deleted", request->key, request->key_length);
    out = watch_put(watch_put(out, " cmd="), command);
    out = watch_put_number(out, " clsid=", WATCH_CLASS);
    watch_end(about->shard, watch_put(watch_put_number(out, " size=", size), "\n"));
}

static uint32_t watch_ttl_of(const struct keyspace *keys, int64_t exptime) {
    uint32_t expires = clock_expires(keys->clock, exptime, keys->now, keys->debug_offset_s);
    if (expires == 0) {
        return 0;
    }
    return expires > keys->now ? clock_seconds_left(expires, keys->now) : WATCH_TTL_PAST;
}

/* By request kind. */

/* As in memcached nothing is known of a value that was refused: its line comes first, with zeros,
 * and then the look-up of what a refused set deletes. */
static void watch_case_refused(const struct watch_case *about, enum op op,
                               enum result_status status, bool deletes) {
    const struct watch_write refused = {
        .status = status, .command = watch_write_name(op, about->request->compare_cas)};
    watch_tell_write(about, &refused);
    if (deletes) {
        watch_tell_fetch(about, about->presence);
    }
}

/* An item that was appended or prepended to is told of as it is now. */
static void watch_show_joined(const struct watch_case *about, uint64_t hash,
                              struct watch_write *write) {
    struct store_key key = command_key(about->request, hash);
    struct store_item item;
    uint32_t now = about->keys->now;
    if (store_peek(about->keys->store, &key, now, &item) != STORE_OK) {
        return;
    }
    write->size = item.value_length;
    write->ttl_s = item.expires == 0 ? 0 : clock_seconds_left(item.expires, now);
}

static void watch_case_write(const struct watch_case *about, uint64_t hash,
                             const struct result *result) {
    const struct request *request = about->request;
    enum op op = (enum op)request->op;
    enum result_status status = (enum result_status)result->status;
    if (status == RESULT_TOO_LARGE || status == RESULT_NO_MEMORY) {
        watch_case_refused(about, op, status, op == OP_SET && !request->compare_cas);
        return;
    }
    struct watch_write write = {
        .status = status,
        .command = watch_write_name(op, request->compare_cas),
        .ttl_s = watch_ttl_of(about->keys, request->exptime),
        .size = request->value_length,
    };
    if (status == RESULT_OK && (op == OP_APPEND || op == OP_PREPEND)) {
        watch_show_joined(about, hash, &write);
    }
    watch_tell_fetch(about, about->presence);
    watch_tell_write(about, &write);
}

/* As in memcached md with x replaces the item by an empty one, which it tells of as deleted; and
 * nothing tells of what the binary protocol deletes. */
static void watch_case_delete(const struct watch_case *about, const struct result *result) {
    const struct request *request = about->request;
    bool meta = request->protocol == PROTOCOL_META;
    watch_tell_fetch(about, about->presence);
    if (result->status != RESULT_OK || request->protocol == PROTOCOL_BINARY) {
        return;
    }
    uint32_t size = about->length;
    if (request->meta & META_EMPTY) {
        const struct watch_write emptied = {
            .status = RESULT_OK,
            .command = "set",
            .ttl_s = request->meta & META_TOUCH ? watch_ttl_of(about->keys, request->exptime) : 0,
        };
        watch_tell_fetch(about, about->presence);
        watch_tell_write(about, &emptied);
        size = 0;
    }
    if (!(request->meta & META_INVALIDATE)) {
        watch_tell_deletion(about, meta ? "md" : "delete", size);
    }
}

static uint32_t watch_digits(uint64_t number) {
    char digits[NUMBER_DIGITS_MAX];
    return (uint32_t)(number_write(digits, number) - digits);
}

/* One that creates its item looks for it twice, and adds it. */
static void watch_case_delta(const struct watch_case *about, const struct result *result) {
    const struct request *request = about->request;
    bool meta = request->protocol == PROTOCOL_META;
    watch_tell_fetch(about, about->presence);
    if (!request->create || about->presence == STORE_PRESENT || result->status != RESULT_OK) {
        return;
    }
    const struct watch_write added = {
        .status = RESULT_OK,
        .command = "add",
        .ttl_s = watch_ttl_of(about->keys, meta ? request->vivify_exptime : request->exptime),
        .size = watch_digits(request->initial),
    };
    watch_tell_fetch(about, STORE_MISSING);
    watch_tell_write(about, &added);
}

static enum result_status watch_refusal_of(const struct request *request) {
    return request->error == PROTO_ERROR_TOO_LARGE ? RESULT_TOO_LARGE : RESULT_NO_MEMORY;
}

void watch_tell(const struct watch_case *about, uint64_t hash, const struct result *result) {
    const struct request *request = about->request;
    switch (request->op) {
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
        watch_case_write(about, hash, result);
        return;
    case OP_DELETE:
        watch_case_delete(about, result);
        return;
    case OP_INCR:
    case OP_DECR:
        watch_case_delta(about, result);
        return;
    case OP_REJECT:
        watch_case_refused(about, (enum op)request->refused_op, watch_refusal_of(request), true);
        return;
    default: /* those that read */
        watch_tell_fetch(about, about->presence);
        return;
    }
}

struct watch_case watch_look(struct keyspace *keys, int client, const struct request *request,
                             uint64_t hash) {
    struct watch_case about = {
        .shard = keys->watched_by, .keys = keys, .client = client, .request = request};
    struct store_key key = command_key(request, hash);
    about.presence = store_look(keys->store, &key, keys->now, &about.length);
    return about;
}

void watch_tell_refused(struct shard *shard, int client, const struct request *request) {
    const struct watch_case about = {.shard = shard, .client = client, .request = request};
    watch_case_refused(&about, (enum op)request->refused_op, watch_refusal_of(request), false);
}

/* Of one for every shard, which the reactor of its connection tells of once. */
void watch_tell_flush(struct shard *shard, int client, const struct request *request) {
    char *out = watch_begin(shard, STREAM_DELETIONS);
    if (!out) {
        return;
    }
    out = watch_put_type(out, "flush_prefix", request->key, request->key_length);
    out = watch_put_number(out, " delay=", (uint64_t)request->exptime);
    watch_end(shard, watch_put(watch_put_signed(out, " cfd=", client), "\n"));
}

/* Of nobody's request. */

void watch_change(struct keyspace *keys, struct shard *watched_by) {
    keys->watched_by = watched_by;
    store_tell_evictions(keys->store, watched_by ? watch_tell_evicted : NULL, keys);
}

void watch_tell_evicted(void *context, const struct store_entry *entry) {
    struct keyspace *keys = context;
    struct shard *shard = keys->watched_by;
    const struct store_item *item = &entry->item;
    char *out = shard ? watch_begin(shard, STREAM_EVICTIONS) : NULL;
    if (!out) {
        return;
    }
    out = watch_put_type(out, "eviction", entry->key, entry->key_length);
    out = watch_put(out, item->state & STORE_FETCHED ? " fetch=yes" : " fetch=no");
    out = watch_put_signed(
        out,
        " ttl=", item->expires == 0 ? -1 : (int64_t)clock_seconds_left(item->expires, keys->now));
    out = watch_put_number(out, " la=", clock_seconds_since(item->access, keys->now));
    out = watch_put_number(out, " clsid=", WATCH_CLASS);
    watch_end(shard, watch_put(watch_put_number(out, " size=", item->value_length), "\n"));
}

/* A crawl goes through all queues of a shard at once; items are in the one called hot at first. */
void watch_tell_crawl(struct keyspace *keys, uint64_t now_ns) {
    const struct crawler *crawler = &keys->crawler;
    struct shard *shard = keys->watched_by;
    char *out = shard ? watch_begin(shard, STREAM_SYSEVENTS) : NULL;
    if (!out) {
        return;
    }
    uint64_t since_ns = crawler->before_ns > 0 ? crawler->begun_ns - crawler->before_ns : 0;
    out = watch_put_number(out, "type=lru_crawler crawler=", WATCH_CLASS);
    out = watch_put_number(out, " lru=hot low_mark=", 0);
    out = watch_put_number(out, " next_reclaims=", crawler->reclaimed);
    out = watch_put_number(out, " since_run=", since_ns / CLOCK_SECOND_NS);
    out = watch_put(out, " next_run=1"); /* CRAWLER_PAUSE_NS, at least */
    out = watch_put_number(out, " elapsed=", (now_ns - crawler->begun_ns) / CLOCK_SECOND_NS);
    out = watch_put_number(out, " examined=", crawler->examined);
    out = watch_put_number(out, " reclaimed=", crawler->reclaimed);
    watch_end(shard, watch_put(out, "\n"));
}
