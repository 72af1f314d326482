/* stats: the answers to `stats` and its sub-commands.
 *
 * Those that a sum over all shards answers are written by stats_write(). Those that list things
 * (sizes, conns, detail dump, cachedump) are walked shard by shard: stats_sizes.h,
 * stats_connection.h, prefix.h and proto.h have what is needed for each.
 *
 * Every figure is true: what memcached lists and has no meaning here is left out, or 0 where that
 * is the truth and programs look for it.
 *
 * Thread: any; all of it works on what the caller owns.
 */
#ifndef CORE_STATS_COMMAND_H
#define CORE_STATS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/stats/counters.h"
#include "proto/proto.h"

/* What is the same for all shards and known from the start. Texts live as long as the server. */
struct server_facts {
    const char *version;
    uint64_t start_ns; /* monotonic time of the start */
    uint32_t reactors;
    uint32_t connections_max;

    const char *addresses;        /* -l as it was given, or NULL */
    const char *socket_path;      /* -s, or NULL */
    const char *password_file;    /* -Y, or NULL */
    const char *binding_protocol; /* -B: auto-negotiate, ascii or binary */
    uint64_t item_bytes_max;      /* -I */
    uint32_t socket_mode;         /* -a: the permissions of the unix socket */
    uint32_t backlog;             /* -b */
    uint32_t round_max;           /* -R: requests of a connection before others have their turn */
    uint32_t idle_timeout_s;      /* 0: connections may idle for ever */
    uint16_t tcp_port;            /* 0: none, as for udp_port */
    uint16_t udp_port;
    char prefix_delimiter; /* -D */
    bool no_eviction;      /* -M */
    bool sasl;             /* -S */
    bool no_flush;         /* -F */
    bool no_dump;          /* -X */
    bool no_cas;           /* -C */
    bool shutdown_enabled; /* -A */
};

/* What commands change while the server runs. */
struct server_settings {
    uint64_t memory_bytes;
    uint32_t flushed_at; /* of the last flush_all, on the store's scale, due or not; 0: none yet */
    uint64_t lru_crawler_tocrawl; /* items of a walk, 0 all */
    uint32_t lru_crawler_sleep_us;
    uint32_t verbosity;
    bool lru_crawler;
    bool detail_enabled;
};

enum stats_group {
    /* Answered by stats_write() from the sum over all shards. */
    STATS_GENERAL,
    STATS_ITEMS,
    STATS_SLABS,
    /* Answered by stats_write() at once; the sum is not looked at. */
    STATS_SETTINGS,
    STATS_EMPTY,   /* a list in which nothing is: cachedump of a class that is not there */
    STATS_REFUSED, /* of a wrong form: command.line says why */
    STATS_UNKNOWN,
    /* Answered by stats_write() with command.line, after every shard has done as told. */
    STATS_RESET,
    STATS_DETAIL_ON,
    STATS_DETAIL_OFF,
    /* Walks; not for stats_write(). */
    STATS_SIZES,
    STATS_CONNS,
    STATS_DETAIL_DUMP,
    STATS_CACHEDUMP,
};

/* The sub-command of an OP_STATS, taken apart. */
struct stats_command {
    enum stats_group group;
    uint32_t items_max; /* STATS_CACHEDUMP: at most so many, 0 no limit */
    const char *line;   /* the answer of those that have but one; a literal */
};

/* What is asked for by request->key. In binary, as in memcached, there are neither conns nor
 * cachedump, and what is of a wrong form is unknown. */
struct stats_command stats_command_of(const struct request *request);

static inline enum stats_group stats_group_of(const struct request *request) {
    return stats_command_of(request).group;
}

struct stats_sources {
    const struct shard_stats *sum; /* over all shards; may be NULL where it isn't looked at */
    uint32_t now;                  /* on the store's scale */
    int64_t unix_now;
    const struct server_facts *facts;
    const struct server_settings *settings;
};

/* Appends the whole answer in the request's protocol. False when there is no memory; what is in
 * output then is of no use. */
bool stats_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct stats_sources *sources);

#endif
