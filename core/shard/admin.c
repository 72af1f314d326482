#include "core/shard/admin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/shard/flush_slots.h"
#include "core/shard/share.h"
#include "core/shard/watch_send.h"
#include "core/stats/command.h"
#include "proto/classes.h"
#include "proto/reply.h"

#define MIB ((uint64_t)1 << 20)

static void admin_say(struct result *result, const char *line) {
    result->value = line;
    result->value_length = (uint32_t)strlen(line);
}

/* What is to be gone after n seconds is not seen later: a tick less than an item has to live. */
static uint32_t admin_flush_at(const struct keyspace *keys, const struct request *request) {
    if (request->exptime <= 0) {
        return keys->now;
    }
    return clock_expires(keys->clock, request->exptime, keys->now, keys->debug_offset_s) - 1;
}

static void admin_flush(struct shard *shard, const struct request *request) {
    struct keyspace *keys = &shard->keys;
    uint32_t at = admin_flush_at(keys, request);
    store_flush(keys->store, at, keys->now);
    flush_slots_settle(keys, 0);
    shard->settings.flushed_at = at;
}

/* It has been promised a place. */
static void admin_flush_prefix(struct shard *shard, const struct request *request) {
    struct keyspace *keys = &shard->keys;
    bool added = store_flush_prefix(keys->store, request->key, request->key_length,
                                    admin_flush_at(keys, request), keys->now);
    assert(added);
    flush_slots_settle(keys, 1);
}

static void admin_flush_any(struct shard *shard, const struct request *request) {
    share_forget(&shard->keys);
    if (request->op == OP_FLUSH) {
        admin_flush(shard, request);
    } else {
        admin_flush_prefix(shard, request);
    }
}

static void admin_crawl(struct shard *shard, const struct request *request, struct result *result) {
    enum classes classes = classes_of(request);
    if (classes == CLASSES_BAD) {
        admin_say(result, reply_error_line(PROTO_ERROR_CLASSES));
    } else if (!shard->settings.lru_crawler) {
        admin_say(result, reply_error_line(PROTO_ERROR_CRAWLER_DISABLED));
    } else {
        if (classes == CLASSES_ALL) {
            crawler_start(&shard->keys, &shard->settings);
        }
        admin_say(result, "OK");
    }
}

static void set_crawler_sleep(struct shard *shard, uint64_t microseconds, struct result *result) {
    assert(microseconds <= CRAWLER_SLEEP_US_MAX);
    shard->settings.lru_crawler_sleep_us = (uint32_t)microseconds;
    admin_say(result, "OK");
}

static void set_crawler_items(struct shard *shard, uint32_t items_max, struct result *result) {
    shard->settings.lru_crawler_tocrawl = items_max;
    admin_say(result, "OK");
}

static void admin_watch(struct shard *shard, struct result *result) {
    watch_refresh(shard);
    admin_say(result, "OK");
}

/* Each shard takes an equal share; items beyond it are evicted in slices, turn by turn. */
static void set_memory_limit(struct shard *shard, uint64_t mib, struct result *result) {
    uint64_t share = mib < UINT64_MAX / MIB ? mib * MIB / shard->count : UINT64_MAX;
    if (share < STORE_MEMORY_BYTES_MIN) {
        admin_say(result, reply_error_line(PROTO_ERROR_MEMORY_TOO_SMALL));
    } else if (shard_resize(shard, share) != 0) {
        admin_say(result, reply_error_line(PROTO_ERROR_MEMORY_LIMIT));
    } else {
        shard->settings.memory_bytes = mib * MIB;
        admin_say(result, "OK");
    }
}

/* By so many seconds, and to the end of a tick, so that what was set before has lived for at least
 * as long. */
static void admin_move_clock(struct shard *shard, uint32_t seconds) {
    uint64_t now = shard->keys.now + (uint64_t)seconds * CLOCK_TICKS_PER_SECOND + 1;
    shard->keys.now = now < CLOCK_LAST_TICK ? (uint32_t)now : CLOCK_LAST_TICK;
    shard->now_s += seconds;
}

static void set_debug_time(struct shard *shard, const struct request *request,
                           struct result *result) {
    share_forget(&shard->keys);
    switch ((enum debug_time)request->delta) {
    case DEBUG_TIME_MOVE:
        shard->keys.debug_offset_s += request->exptime;
        if (request->exptime > 0) {
            admin_move_clock(shard, (uint32_t)request->exptime);
        }
        break;
    case DEBUG_TIME_PAUSE:
        shard->keys.debug_paused = true;
        break;
    case DEBUG_TIME_RESUME:
        shard->keys.debug_paused = false;
        break;
    }
    admin_say(result, "OK");
}

/* Higher levels log no more than LOG_COMMANDS, as in memcached. */
static void set_verbosity(struct shard *shard, uint64_t level) {
    shard->settings.verbosity = level < LOG_COMMANDS ? (uint32_t)level : LOG_COMMANDS;
}

static void set_detail(struct shard *shard, bool enabled) {
    shard->settings.detail_enabled = shard->keys.prefixes.enabled = enabled;
}

static void run_stats(struct shard *shard, const struct request *request, union stats_part *part) {
    switch (stats_group_of(request)) {
    case STATS_RESET:
        counters_reset(&shard->counters);
        counters_reset(&shard->keys.counters);
        store_stats_reset(shard->keys.store);
        prefix_table_clear(&shard->keys.prefixes);
        latency_reset(&shard->latency);
        hotkeys_reset(&shard->keys.hotkeys, shard->now_ns);
        break;
    case STATS_LATENCY:
        part->latency = shard->latency;
        return;
    case STATS_HOTKEYS:
        hotkeys_list(&shard->keys.hotkeys, &part->hotkeys, shard->now_ns);
        share_mark(&shard->keys, &part->hotkeys);
        return;
    case STATS_DETAIL_ON:
        set_detail(shard, true);
        break;
    case STATS_DETAIL_OFF:
        set_detail(shard, false);
        break;
    default:
        break;
    }
    shard_stats_read(shard, &part->stats);
}

void admin_execute(struct shard *shard, const struct request *request, union stats_part *part,
                   struct result *result) {
    switch ((enum op)request->op) {
    case OP_FLUSH:
    case OP_FLUSH_PREFIX:
        admin_flush_any(shard, request);
        return;
    case OP_STATS:
        run_stats(shard, request, part);
        return;
    case OP_VERBOSITY:
        set_verbosity(shard, request->delta);
        return;
    case OP_CRAWL:
        admin_crawl(shard, request, result);
        return;
    case OP_CRAWLER_SWITCH:
        shard->settings.lru_crawler = request->delta != 0;
        admin_say(result, "OK");
        return;
    case OP_CRAWLER_SLEEP:
        set_crawler_sleep(shard, request->delta, result);
        return;
    case OP_CRAWLER_TOCRAWL:
        set_crawler_items(shard, (uint32_t)request->delta, result);
        return;
    case OP_MEMORY_LIMIT:
        set_memory_limit(shard, request->delta, result);
        return;
    case OP_DEBUG_TIME:
        set_debug_time(shard, request, result);
        return;
    case OP_WATCH:
        admin_watch(shard, result);
        return;
    case OP_METADUMP: /* a scan, like MGDUMP */
    case OP_MGDUMP:
    case OP_GET:
    case OP_TOUCH:
    case OP_GAT:
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
    case OP_APPEND:
    case OP_PREPEND:
    case OP_DELETE:
    case OP_INCR:
    case OP_DECR:
    case OP_META_GET:
    case OP_META_ITEM:
    case OP_REJECT:
    case OP_VERSION:
    case OP_NOOP:
    case OP_OK:
    case OP_SHUTDOWN:
    case OP_REFRESH_CERTS:
    case OP_CONFIG:
    case OP_CONFIG_KEY:
    case OP_LOGIN:
    case OP_SASL_LIST:
    case OP_UPLOAD_PART:
    case OP_UPLOAD_END:
    case OP_END:
    case OP_ERROR:
    case OP_QUIT:
        break;
    }
    assert(!"not a command for every shard");
}
