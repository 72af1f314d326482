/* request: what a client asks for, whatever the protocol, and what came of it.
 *
 * Pure functions over memory that the caller owns: no I/O, no allocation, no clock, no globals.
 * Any thread may call them.
 *
 *     bytes ─▶ parser_next() ─▶ struct request ─▶ (executed elsewhere)
 *                                                          │
 *                     bytes ◀─ reply_write() ◀─ struct result
 *
 * The rules come from memcached's doc/protocol.txt and from its description of the binary
 * protocol (BinaryProtocolRevamped); where those are silent, from what memcached 1.6 answers.
 */
#ifndef PROTO_REQUEST_H
#define PROTO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/op.h"

/* protocol.txt, "Keys". */
#define KEY_LENGTH_MAX 250

/* What clients ask by for the list of servers: ElastiCache's `config get cluster`, and a get of
 * this key, which older ones send. */
#define CONFIG_NAME "cluster"
#define CONFIG_KEY "AmazonElastiCache:cluster"

/* Bounds of request.value: of an OP_LOGIN, and of an OP_UPLOAD_PART or OP_UPLOAD_END. */
#define LOGIN_LENGTH_MAX 16384
#define UPLOAD_PART_LENGTH_MAX 16384

/* Bounds of request.delta, to which the parser holds OP_CRAWLER_SLEEP and OP_MEMORY_LIMIT. */
#define CRAWLER_SLEEP_US_MAX 1000000
#define MEMORY_LIMIT_MIB_MIN 8
#define MEMORY_LIMIT_MIB_MAX 1000000000

enum protocol {
    PROTOCOL_UNKNOWN, /* no byte seen yet */
    PROTOCOL_TEXT,
    PROTOCOL_BINARY,
    PROTOCOL_META, /* of a request only: meta commands are part of a PROTOCOL_TEXT stream */
};

/* Why a request is an OP_ERROR or OP_REJECT; the comment is the answer in text. Binary answers
 * with a status: see binary/reply.c. */
enum proto_error {
    PROTO_ERROR_NONE,
    PROTO_ERROR_COMMAND,      /* ERROR */
    PROTO_ERROR_FORMAT,       /* CLIENT_ERROR bad command line format */
    PROTO_ERROR_DATA_CHUNK,   /* CLIENT_ERROR bad data chunk */
    PROTO_ERROR_DELTA,        /* CLIENT_ERROR invalid numeric delta argument */
    PROTO_ERROR_EXPTIME,      /* CLIENT_ERROR invalid exptime argument */
    PROTO_ERROR_DELETE_USAGE, /* CLIENT_ERROR bad command line format.  Usage: delete … */
    PROTO_ERROR_TOO_LARGE,    /* SERVER_ERROR object too large for cache */
    PROTO_ERROR_NO_MEMORY,    /* SERVER_ERROR out of memory storing object */
    PROTO_ERROR_LOGIN,        /* CLIENT_ERROR unauthenticated */

    /* Commands that the server's options forbid, see struct parser. */
    PROTO_ERROR_FLUSH,        /* CLIENT_ERROR flush_all not allowed */
    PROTO_ERROR_FLUSH_PREFIX, /* CLIENT_ERROR flush_prefix not allowed */
    PROTO_ERROR_METADUMP,     /* ERROR metadump not allowed */
    PROTO_ERROR_MGDUMP,       /* ERROR key dump not allowed */
    PROTO_ERROR_DETAIL,       /* CLIENT_ERROR stats detail not allowed */
    PROTO_ERROR_CACHEDUMP,    /* CLIENT_ERROR stats cachedump not allowed */
    PROTO_ERROR_HOTKEYS,      /* ERROR hotkeys not allowed */
    PROTO_ERROR_WATCH,        /* CLIENT_ERROR watch commands not allowed */

    /* Logins. */
    PROTO_ERROR_LOGIN_LENGTH, /* CLIENT_ERROR auth token too long */
    PROTO_ERROR_LOGIN_END,    /* CLIENT_ERROR bad command line termination */
    PROTO_ERROR_LOGIN_FORMAT, /* CLIENT_ERROR bad authentication token format */
    PROTO_ERROR_LOGIN_STEP,   /* binary only, and no failure: the credentials come in a step */

    /* Meta commands. */
    PROTO_ERROR_FLAG,            /* CLIENT_ERROR invalid flag */
    PROTO_ERROR_FLAG_TWICE,      /* CLIENT_ERROR duplicate flag */
    PROTO_ERROR_FLAGS_TOO_MANY,  /* CLIENT_ERROR options flags are too long */
    PROTO_ERROR_FLAG_TOKEN,      /* CLIENT_ERROR bad token in command line format */
    PROTO_ERROR_FLAG_INITIAL,    /* CLIENT_ERROR invalid numeric initial value */
    PROTO_ERROR_FLAG_DELTA,      /* CLIENT_ERROR invalid numeric delta value */
    PROTO_ERROR_FLAG_KEY,        /* CLIENT_ERROR error decoding key */
    PROTO_ERROR_FLAG_OPAQUE,     /* CLIENT_ERROR opaque token too long */
    PROTO_ERROR_FLAG_SET_MODE,   /* CLIENT_ERROR invalid mode for ms M token */
    PROTO_ERROR_FLAG_DELTA_MODE, /* CLIENT_ERROR invalid mode for ma M token */
    PROTO_ERROR_DELTA_FLAGS,     /* CLIENT_ERROR invalid or duplicate flag */

    /* Administration. */
    PROTO_ERROR_MEMORY_TOO_SMALL, /* MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m */
    PROTO_ERROR_MEMORY_IN_BYTES,  /* MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes */
    PROTO_ERROR_CRAWLER_SLEEP,    /* CLIENT_ERROR sleep must be one second or less */
    PROTO_ERROR_SLAB_REASSIGN,    /* CLIENT_ERROR slab reassignment disabled */
    PROTO_ERROR_AUTOMOVE_WINDOW,  /* CLIENT_ERROR automove window too low or too high */
    PROTO_ERROR_LRU_SHARES,       /* ERROR hot and warm pcts must not exceed 80 */
    PROTO_ERROR_LRU_FACTORS,      /* ERROR hot/warm age factors must be greater than 0 */

    /* Found by the executor: see reply_error_line(). */
    PROTO_ERROR_MEMORY_LIMIT,       /* MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust */
    PROTO_ERROR_CRAWLER_DISABLED,   /* CLIENT_ERROR lru crawler disabled */
    PROTO_ERROR_CLASSES,            /* BADCLASS invalid class id */
    PROTO_ERROR_METADUMP_PIPELINED, /* ERROR cannot pipeline other commands before metadump */
    PROTO_ERROR_MGDUMP_PIPELINED,   /* ERROR cannot pipeline other commands before mgdump */
    PROTO_ERROR_WATCH_PIPELINED,    /* ERROR cannot pipeline other commands before watch */
    PROTO_ERROR_WATCHERS,           /* WATCHER_TOO_MANY log watcher limit reached */
    PROTO_ERROR_SHUTDOWN_DISABLED,  /* SERVER_ERROR: shutdown not enabled */
    PROTO_ERROR_SHUTDOWN_MODE,      /* CLIENT_ERROR invalid shutdown mode */
    PROTO_ERROR_PREFIXES,           /* SERVER_ERROR too many prefixes being flushed */
    PROTO_ERROR_STATS_MEMORY,       /* SERVER_ERROR out of memory writing stats */
};

/* Flags of a meta command that change what it does: request.meta. */
enum meta_bits {
    META_RETURN_VALUE = 1 << 0,   /* v */
    META_COMPARE_EQUAL = 1 << 1,  /* mg C: no value is returned when the CAS equals request.cas */
    META_VIVIFY = 1 << 2,         /* mg, ma, ms MA and MP N: request.vivify_exptime */
    META_RECACHE = 1 << 3,        /* mg R: request.recache_exptime */
    META_TOUCH = 1 << 4,          /* T: request.exptime (ms always has one) */
    META_NO_BUMP = 1 << 5,        /* mg u */
    META_INVALIDATE = 1 << 6,     /* md I: mark stale; ms I: an older CAS stores as stale */
    META_SET_CAS = 1 << 7,        /* E: the item's next CAS is request.new_cas */
    META_EMPTY = 1 << 8,          /* md x: the value is deleted, the item stays */
    META_BASE64 = 1 << 9,         /* b: the key came in base64; an item created by it keeps that */
    META_TTL_AFTER = 1 << 10,     /* mg, ma: T or N stand before t, which reports what they set */
    META_RECACHE_AFTER = 1 << 11, /* mg: T stands before R, which compares with what T has set */
};

/* The most flags that are returned beside the value: O k c f h l s t, with some to spare. */
#define META_RETURNS_MAX 12
#define META_OPAQUE_LENGTH_MAX 31

/* One request. key, value and token point into the bytes given to parser_next() (a key that came
 * in base64: to its key_space) and live as long as those; whoever keeps a request longer copies
 * them and sets the pointers. All other fields are plain values. */
struct request {
    uint8_t op;       /* enum op */
    uint8_t protocol; /* enum protocol: how the reply is written */
    uint8_t opcode;   /* binary: as received, repeated in the reply */
    uint8_t error;    /* enum proto_error, with OP_ERROR, OP_REJECT and OP_UPLOAD_END */

    /* Text noreply: nothing is answered. Binary: the quiet form of the opcode. Meta q: no EN, and
     * no HD or VA of a change. */
    bool quiet;
    bool return_cas;  /* text gets: the CAS is part of the reply (binary replies always have it) */
    bool return_key;  /* binary getk: the key is part of the reply */
    bool last;        /* text: the last key of its get line, END follows */
    bool compare_cas; /* the item is changed only if its CAS equals cas */

    /* incr, decr: a missing item is created with `initial`. Binary, and ma with N, whose exptime
     * for that is vivify_exptime. */
    bool create;
    bool closes; /* the connection is closed once the replies up to this one are sent */

    /* OP_SET to OP_PREPEND: the value isn't here but comes in the OP_UPLOAD_PARTs and the
     * OP_UPLOAD_END that follow; value_length is that of the whole. */
    bool upload;

    /* With upload: if the value is refused, the key's old one is deleted, as by OP_REJECT. */
    bool delete_on_refusal;

    /* With OP_REJECT, and with the OP_ERROR of a value that is too large or has no memory: the enum
     * op that was refused. Both have its key. */
    uint8_t refused_op;
    uint16_t key_length;
    uint32_t value_length;
    uint32_t client_flags;
    uint32_t opaque; /* binary: in network order as received, repeated in the reply */

    /* Seconds, as the client sent it (of a text set the lower 32 bits): 0 never, negative already
     * expired, up to 30 days relative to now, else Unix time (protocol.txt, "Expiration times"). */
    int64_t exptime;
    uint64_t cas;
    uint64_t delta; /* incr, decr; administration: see enum op */
    uint64_t initial;
    const char *key;
    const char *value;

    /* Meta commands only. */
    uint16_t meta; /* enum meta_bits */
    uint8_t token_length;

    /* The flags that the reply has, as letters in the order of the request: O k c f h l s t, then
     * zeros. A key in base64 is followed by b. */
    char returns[META_RETURNS_MAX + 1];
    const char *token; /* O: the opaque */
    int64_t vivify_exptime;
    int64_t recache_exptime;
    uint64_t new_cas;
};

/* Whether an mg is answered with the value of an item of this CAS. */
static inline bool mg_returns_value(const struct request *request, uint64_t cas) {
    bool known = (request->meta & META_COMPARE_EQUAL) != 0 && request->cas == cas;
    return (request->meta & META_RETURN_VALUE) != 0 && !known;
}

/* The flags of an mg that change the item. */
#define META_GET_EFFECTS (META_NO_BUMP | META_TOUCH | META_VIVIFY | META_RECACHE)

/* Whether it may have the value of an item as its answer, and changes nothing: no time, no mark. */
static inline bool request_only_reads(const struct request *request) {
    return request->op == OP_GET ||
           (request->op == OP_META_GET && (request->meta & META_GET_EFFECTS) == 0);
}

/* The command's name in its protocol, for logs. A text line that is malformed has none of its own
 * ("command"): its words may be anything, part of somebody's value too. */
const char *request_name(const struct request *request);

enum result_status {
    RESULT_OK, /* found, stored, deleted, touched, counted, logged in */
    RESULT_NOT_FOUND,
    RESULT_EXISTS,     /* the CAS differs */
    RESULT_NOT_STORED, /* the condition of add, replace, append, prepend does not hold */
    RESULT_TOO_LARGE,
    RESULT_NO_MEMORY,
    RESULT_NON_NUMERIC,
    RESULT_LOGIN_FAILED,
    RESULT_LOGIN_CONTINUES, /* binary only: a step is to follow; the value is the challenge */
};

/* State of an item for the meta protocol, as it was before the request: result.state. */
enum item_state {
    STATE_WON = 1 << 0,        /* W: this client is to renew the item */
    STATE_BINARY_KEY = 1 << 4, /* it was stored with a key in base64 */
    STATE_STALE = 1 << 5,      /* X */
    STATE_TOKEN_SENT = 1 << 6, /* Z: another client is to renew it already */
    STATE_FETCHED = 1 << 7,    /* h: it was read since it was stored */
};

/* The outcome of a request. value is borrowed from whoever executed it. */
struct result {
    uint8_t status; /* enum result_status */
    uint8_t state;  /* enum item_state bits */
    uint32_t client_flags;
    uint32_t value_length; /* of value; ms: of the item that was stored, for s */
    uint32_t idle_s;       /* l, la=: seconds since it was last read */

    /* t, exp=: seconds left, -1 never expires, at most INT32_MAX; with META_TTL_AFTER as this
     * request has set it. */
    int32_t ttl_s;
    uint64_t cas;
    uint64_t number; /* incr, decr; me: the item's bytes in memory */

    /* get and gat: the item's value. mg: likewise if mg_returns_value(); value_length is set all
     * the same, for s. OP_VERSION: the version. OP_SHUTDOWN and the commands for every shard that
     * are answered with one line: that line without its end; empty for no answer. OP_CONFIG,
     * OP_CONFIG_KEY: the list. Else NULL. */
    const char *value;

    /* get, gat and mg: not 0 when the value isn't at `value` but is sent by the caller itself,
     * which knows it by this number. The reply then stops before it, see reply_write_tail(). */
    uint64_t large;
};

#endif
