/* op: what a request asks for. */
#ifndef PROTO_OP_H
#define PROTO_OP_H

#include <stdbool.h>
#include <stdint.h>

/* The order is by scope: first the commands that name a key, then those that concern every shard,
 * then those of the connection alone.
 *
 * Meta commands share the ops of the commands they resemble: ms is OP_SET to OP_PREPEND, md is
 * OP_DELETE, ma is OP_INCR or OP_DECR, mn is OP_NOOP; request.meta and request.returns have the
 * rest. */
enum op {
    /* These name a key and run on the shard that owns it. */
    OP_GET,
    OP_TOUCH,
    OP_GAT, /* get and touch */
    OP_SET,
    OP_ADD,
    OP_REPLACE,
    OP_APPEND,
    OP_PREPEND,
    OP_DELETE,
    OP_INCR,
    OP_DECR,
    OP_META_GET,  /* mg */
    OP_META_ITEM, /* me: an item's attributes, for people */

    /* A set whose value is refused, with the reason in request.error: the key's old value is
     * deleted, since it would be stale. A refused value of the other storage commands leaves the
     * item as it is: those are an OP_ERROR. */
    OP_REJECT,

    /* These concern every shard. */
    OP_FLUSH,        /* request.exptime is the delay */
    OP_FLUSH_PREFIX, /* request.key is the prefix, request.exptime the delay */
    OP_STATS,    /* request.key is the sub-command with its words; empty for general statistics */
    OP_METADUMP, /* lru_crawler metadump; request.key is what follows: all, hash or classes */
    OP_MGDUMP,   /* lru_crawler mgdump; likewise */
    OP_CRAWL,    /* lru_crawler crawl; likewise */
    OP_CRAWLER_SWITCH,  /* lru_crawler enable, disable: request.delta is 1 or 0 */
    OP_CRAWLER_SLEEP,   /* lru_crawler sleep: request.delta in microseconds */
    OP_CRAWLER_TOCRAWL, /* lru_crawler tocrawl: request.delta in items, 0 for no limit */
    OP_MEMORY_LIMIT,    /* cache_memlimit: request.delta in MiB */
    OP_DEBUG_TIME,      /* debugtime, in builds with PROTO_DEBUG_TIME: request.delta is an enum
                           debug_time, request.exptime the seconds of DEBUG_TIME_MOVE */
    OP_VERBOSITY,       /* request.delta is the level */

    /* These concern the connection alone. */
    OP_VERSION,
    OP_NOOP,
    OP_OK,       /* accepted without an effect: answered OK */
    OP_SHUTDOWN, /* request.delta is an enum shutdown_mode */
    OP_REFRESH_CERTS,
    OP_CONFIG,     /* config get cluster: the list of servers, which is the result's value */
    OP_CONFIG_KEY, /* a get of CONFIG_KEY, which stands for the same; request.key is that */

    /* watch: request.delta has the streams, see proto/streams.h. What follows on the connection is
     * passed over once it is answered OK, so that the caller looks no further before it has run. */
    OP_WATCH,

    /* Text: a set of a connection that must log in. Binary: SASL auth and step, with the mechanism
     * as request.key. request.value holds the credentials, at most LOGIN_LENGTH_MAX bytes; see
     * proto/login.h. */
    OP_LOGIN,
    OP_SASL_LIST, /* binary: asks for the mechanisms, which are the result's value */

    /* The next 1 to UPLOAD_PART_LENGTH_MAX bytes of the value of a request with `upload`, as
     * request.value. Not answered. */
    OP_UPLOAD_PART,

    /* The last bytes of such a value, 0 to UPLOAD_PART_LENGTH_MAX. request.error is
     * PROTO_ERROR_DATA_CHUNK when they aren't followed by \r\n in text. */
    OP_UPLOAD_END,

    /* The end of a get line whose last key was answered before its newline had arrived. */
    OP_END,
    OP_ERROR, /* request.error is the reason */
    OP_QUIT,
};

#define OP_COUNT (OP_QUIT + 1)

/* The caller refuses SHUTDOWN_UNKNOWN (a word that is no mode), and all modes unless shutdown is
 * enabled (memcached -A). */
enum shutdown_mode { SHUTDOWN_NOW, SHUTDOWN_GRACEFUL, SHUTDOWN_UNKNOWN };

enum debug_time { DEBUG_TIME_MOVE, DEBUG_TIME_PAUSE, DEBUG_TIME_RESUME };

/* What a command concerns, and so which shards take part in it. */
enum op_scope {
    OP_SCOPE_KEY,        /* one key: the shard that owns it */
    OP_SCOPE_SHARDS,     /* all shards */
    OP_SCOPE_CONNECTION, /* the connection alone */
};

/* How a protocol answers an op that was executed. The writers are text/reply.c, meta/reply.c and
 * binary/reply.c. */
enum answer {
    ANSWER_ABSENT,  /* no request of this protocol has the op, or reply_write() isn't called for it
                     */
    ANSWER_NOTHING, /* not answered */
    ANSWER_ERROR,   /* request.error */
    ANSWER_WORDS,   /* op_answer.words */
    ANSWER_LINE,    /* op_answer.words followed by result.value; nothing if that is empty */
    ANSWER_OUTCOME, /* op_answer.words when it was done, else the reason why not */
    ANSWER_NUMBER,  /* result.number, or why there is none */
    ANSWER_VALUE,   /* the item of a get, or a miss */
    ANSWER_ITEM,    /* what me tells of the item, or a miss */
    ANSWER_CONFIG,  /* result.value, as config get has it */
};

struct op_answer {
    uint8_t kind; /* enum answer */
    uint8_t length;
    char words[14]; /* `length` bytes, padded with zeros */
};

/* Everything about an op that is data. A command is entered here, in the table of its protocol
 * (text/command.c, binary/parse.c), and in core where it is executed. */
struct op_info {
    const char *name;  /* for logs: the text command */
    char meta_name[3]; /* the meta command, or empty */
    uint8_t scope;     /* enum op_scope */
    struct op_answer text;
    struct op_answer meta;
    struct op_answer binary;
};

extern const struct op_info op_infos[OP_COUNT];

/* Whether its scope is OP_SCOPE_KEY; a comparison, since it is asked for every request. */
static inline bool op_has_key(enum op op) {
    return op <= OP_REJECT;
}

/* Whether its reply may have an item's value. */
static inline bool op_returns_value(enum op op) {
    return op == OP_GET || op == OP_GAT || op == OP_META_GET;
}

/* Whether its scope is OP_SCOPE_SHARDS. */
static inline bool op_concerns_shards(enum op op) {
    return op >= OP_FLUSH && op <= OP_VERBOSITY;
}

/* Whether what is behind it on its connection is to be parsed only once it has run. */
static inline bool op_ends_batch(enum op op) {
    return op == OP_WATCH || op == OP_LOGIN;
}

#endif
