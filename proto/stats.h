/* stats: the sub-commands of `stats`, in text and binary (protocol.txt, "Statistics").
 *
 * Thread: any; all of it works on what the caller owns.
 */
#ifndef PROTO_STATS_H
#define PROTO_STATS_H

#include "proto/parser.h"

enum stats_group {
    /* Summed over all shards. */
    STATS_GENERAL,
    STATS_ITEMS,
    STATS_SLABS,
    STATS_LATENCY,
    STATS_HOTKEYS,

    /* Known everywhere. */
    STATS_SETTINGS,
    STATS_CLUSTER,
    STATS_EMPTY,   /* a list without entries: cachedump of a class without items */
    STATS_REFUSED, /* malformed: command.line is the error */
    STATS_UNKNOWN,

    /* Orders to every shard, answered with command.line. */
    STATS_RESET,
    STATS_DETAIL_ON,
    STATS_DETAIL_OFF,

    /* Lists that are collected shard by shard. */
    STATS_SIZES,
    STATS_CONNS,
    STATS_DETAIL_DUMP,
    STATS_CACHEDUMP,
};

struct stats_command {
    enum stats_group group;
    uint32_t items_max; /* STATS_CACHEDUMP: the most items listed, 0 for no limit */
    const char *line;   /* the answer, if it is one line: a literal without its end */
};

/* The sub-command in the key of an OP_STATS. As in memcached there are no conns and no cachedump in
 * binary, and what is malformed is unknown there. */
struct stats_command stats_command_of(const struct request *request);

static inline enum stats_group stats_group_of(const struct request *request) {
    return stats_command_of(request).group;
}

/* The error of a sub-command that parser.no_dump forbids, else PROTO_ERROR_NONE. */
enum proto_error stats_check_allowed(const struct parser *parser, const char *words, size_t length);

#endif
