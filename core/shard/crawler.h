/* crawler: looks through a shard for items past their time, a slice a turn, and gives their memory
 * back. An expired item that a client asks for is dropped at once; the crawler finds those that
 * nobody asks for any more.
 *
 * It begins by command; and by itself when something has expired or was flushed, at once where
 * memory is short or rules of flush_prefix are in force, else a minute later; but then it takes no
 * more than a hundredth of the reactor's time, or a tenth where there are such rules.
 *
 * Thread: the one that serves the keys.
 */
#ifndef CORE_SHARD_CRAWLER_H
#define CORE_SHARD_CRAWLER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/clock.h"

struct keyspace;
struct server_settings;

/* Items looked at in one slice. */
#define CRAWLER_SLICE_ITEMS 256

/* Between two slices of a crawl by command, until another command says otherwise; memcached's
 * default. */
#define CRAWLER_SLEEP_US 100

/* A crawl that began by itself rests after each slice, CRAWLER_REST times as long as the slice
 * took; one that ends rules of flush_prefix, which cost each look-up while they are in force,
 * CRAWLER_REST_FLUSHES times. Between the end of any crawl and the beginning of such a one
 * CRAWLER_PAUSE_NS pass at least. */
#define CRAWLER_REST 99
#define CRAWLER_REST_FLUSHES 9
#define CRAWLER_PAUSE_NS ((uint64_t)1000000000)

/* For how long dead items stay where there is room: memcached's crawler does not come more often
 * either. */
#define CRAWLER_GRACE_TICKS (60 * CLOCK_TICKS_PER_SECOND)

struct crawler {
    bool running;
    bool commanded;
    bool flushes;     /* rules of flush_prefix were in force when it began */
    uint64_t cursor;  /* of store_crawl() */
    uint64_t left;    /* items that it still may look at */
    uint64_t next_ns; /* when the next slice, or the next crawl, is due */
    uint32_t planned; /* of crawler_plan() */

    /* Of this crawl or the last one: when it began and ended, and the one before it ended; items
     * looked at, and dropped. Monotonic; 0: never. */
    uint64_t begun_ns;
    uint64_t before_ns;
    uint64_t ended_ns;
    uint64_t examined;
    uint64_t reclaimed;
};

/* Begins a crawl by command, or begins again. */
void crawler_start(struct keyspace *keys, const struct server_settings *settings);

/* Does the slice that is due at now_ns, if one is. */
void crawler_step(struct keyspace *keys, const struct server_settings *settings, uint64_t now_ns);

/* How long the reactor may sleep before the next call, in ns; UINT64_MAX: for ever. */
uint64_t crawler_wait_ns(const struct keyspace *keys, const struct server_settings *settings,
                         uint64_t now_ns);

/* Before the shard's reactor leaves its keys: notes for which time, on the store's scale, it plans
 * a crawl by itself. Who has served the shard meanwhile asks whether there is reason for an earlier
 * one: then the reactor is to be woken, to plan again. */
void crawler_plan(struct keyspace *keys, const struct server_settings *settings);
bool crawler_is_late(const struct keyspace *keys, const struct server_settings *settings);

#endif
