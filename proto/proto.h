/* proto: bytes to requests, results to bytes.
 *
 * Pure functions over memory that the caller owns: no I/O, no allocation, no clock, no globals. Any
 * thread may call them; a struct parser belongs to one connection and so to one thread at a time.
 *
 *     bytes ─▶ parser_next() ─▶ struct request ─▶ (executed elsewhere)
 *                                                          │
 *                     bytes ◀─ reply_write() ◀─ struct result
 *
 * The sources of the rules are memcached's doc/protocol.txt and its binary protocol description;
 * where those are silent, what memcached itself answers.
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_LENGTH_MAX 250

/* A text command line (without a value block) may be this long before its newline is seen, or the
 * connection closes. As in memcached, a longer one is served when its newline is there at the first
 * look. */
#define TEXT_LINE_LENGTH_MAX 2048

/* A get or gets line is checked as a whole before its first key is answered up to this length; a
 * longer one is answered key by key as it arrives, so that memory stays bounded. */
#define TEXT_GET_LINE_WHOLE_MAX 65536

enum protocol {
    PROTOCOL_UNKNOWN, /* no byte seen yet */
    PROTOCOL_TEXT,
    PROTOCOL_BINARY,
    PROTOCOL_META, /* only of a request: the stream is PROTOCOL_TEXT, of which it is a part */
};

/* What a request asks for. Those up to OP_REJECT name a key and run on the shard that owns it. The
 * meta commands ms, md and ma are OP_SET to OP_PREPEND, OP_DELETE, OP_INCR and OP_DECR with
 * request.meta; mn is OP_NOOP. */
enum op {
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
    OP_META_ITEM, /* me: what is known of an item, for people */
    OP_REJECT,    /* a set whose value is refused, see request.error: any old value of the key is
                     dropped. The other storage commands leave it, and are refused by OP_ERROR. */

    OP_FLUSH, /* concerns every shard, as those up to OP_DEBUG_TIME; request.exptime is the delay */
    OP_STATS, /* request.key is the sub-command with its words, length 0 for the general statistics
               */
    OP_METADUMP,       /* lru_crawler metadump; request.key is what follows: all, hash or classes */
    OP_MGDUMP,         /* lru_crawler mgdump; likewise */
    OP_CRAWL,          /* lru_crawler crawl; likewise */
    OP_CRAWLER_SWITCH, /* lru_crawler enable, disable: request.delta is 1 or 0 */
    OP_CRAWLER_SLEEP,  /* lru_crawler sleep: request.delta in microseconds */
    OP_CRAWLER_TOCRAWL, /* lru_crawler tocrawl: request.delta in items, 0 no limit */
    OP_MEMORY_LIMIT,    /* cache_memlimit: request.delta in MiB */
    OP_DEBUG_TIME,      /* debugtime, in builds with PROTO_DEBUG_TIME: request.delta is an enum
                           debug_time, request.exptime the seconds of DEBUG_TIME_MOVE */

    OP_VERSION, /* those from here on concern the connection alone */
    OP_VERBOSITY,
    OP_NOOP,
    OP_OK,          /* accepted without an effect here: answered OK */
    OP_SHUTDOWN,    /* request.delta is an enum shutdown_mode */
    OP_LOGIN,       /* text: a set of a connection that must log in; binary: SASL auth and step,
                     request.key is the mechanism. request.value holds what was sent, at most
                     LOGIN_LENGTH_MAX bytes; request_credentials() tells user and password apart. */
    OP_SASL_LIST,   /* binary: the mechanisms; answered PLAIN */
    OP_UPLOAD_PART, /* the next bytes of the value of a request with `upload`, 1 to
                       UPLOAD_PART_LENGTH_MAX: request.value; answered by nothing */
    OP_UPLOAD_END,  /* its last bytes, as many or none: request.value. request.error is
                       PROTO_ERROR_DATA_CHUNK when text's end of a value isn't behind them. */
    OP_END,         /* the end of a get line whose last key was not known to be the last when it was
                     answered */
    OP_ERROR,       /* see request.error */
    OP_QUIT,
};

/* The caller refuses SHUTDOWN_UNKNOWN, a word that is no mode, and all of them where shutdown isn't
 * enabled. */
enum shutdown_mode { SHUTDOWN_NOW, SHUTDOWN_GRACEFUL, SHUTDOWN_UNKNOWN };

#define LOGIN_LENGTH_MAX 16384

#define UPLOAD_PART_LENGTH_MAX 16384

enum debug_time { DEBUG_TIME_MOVE, DEBUG_TIME_PAUSE, DEBUG_TIME_RESUME };

static inline bool op_has_key(enum op op) {
    return op <= OP_REJECT;
}

/* Why a request is an OP_ERROR or OP_REJECT. */
enum proto_error {
    PROTO_ERROR_NONE,
    PROTO_ERROR_COMMAND,      /* ERROR; binary status 0x81 */
    PROTO_ERROR_FORMAT,       /* CLIENT_ERROR bad command line format; binary status 4 */
    PROTO_ERROR_DATA_CHUNK,   /* CLIENT_ERROR bad data chunk */
    PROTO_ERROR_DELTA,        /* CLIENT_ERROR invalid numeric delta argument */
    PROTO_ERROR_EXPTIME,      /* CLIENT_ERROR invalid exptime argument */
    PROTO_ERROR_DELETE_USAGE, /* CLIENT_ERROR bad command line format.  Usage: delete <key>
                                 [noreply] */
    PROTO_ERROR_TOO_LARGE,    /* SERVER_ERROR object too large for cache; binary status 3 */
    PROTO_ERROR_NO_MEMORY,    /* SERVER_ERROR out of memory storing object; binary status 0x82 */
    PROTO_ERROR_LOGIN,        /* CLIENT_ERROR unauthenticated; binary status 0x20 */

    /* Forbidden by the caller, see struct parser. */
    PROTO_ERROR_FLUSH,     /* CLIENT_ERROR flush_all not allowed; binary status 0x20 */
    PROTO_ERROR_METADUMP,  /* ERROR metadump not allowed */
    PROTO_ERROR_MGDUMP,    /* ERROR key dump not allowed */
    PROTO_ERROR_DETAIL,    /* CLIENT_ERROR stats detail not allowed; binary status 1 */
    PROTO_ERROR_CACHEDUMP, /* CLIENT_ERROR stats cachedump not allowed; binary status 1 */
    PROTO_ERROR_WATCH,     /* CLIENT_ERROR watch commands not allowed: there is no watch */

    /* Logins: CLIENT_ERROR and */
    PROTO_ERROR_LOGIN_LENGTH, /* auth token too long */
    PROTO_ERROR_LOGIN_END,    /* bad command line termination */
    PROTO_ERROR_LOGIN_FORMAT, /* bad authentication token format */
    PROTO_ERROR_LOGIN_STEP,   /* binary only, status 0x21: no error, the data come in a step */

    /* Meta commands: CLIENT_ERROR and */
    PROTO_ERROR_FLAG,            /* invalid flag */
    PROTO_ERROR_FLAG_TWICE,      /* duplicate flag */
    PROTO_ERROR_FLAGS_TOO_MANY,  /* options flags are too long */
    PROTO_ERROR_FLAG_TOKEN,      /* bad token in command line format */
    PROTO_ERROR_FLAG_INITIAL,    /* invalid numeric initial value */
    PROTO_ERROR_FLAG_DELTA,      /* invalid numeric delta value */
    PROTO_ERROR_FLAG_KEY,        /* error decoding key */
    PROTO_ERROR_FLAG_OPAQUE,     /* opaque token too long */
    PROTO_ERROR_FLAG_SET_MODE,   /* invalid mode for ms M token */
    PROTO_ERROR_FLAG_DELTA_MODE, /* invalid mode for ma M token */
    PROTO_ERROR_DELTA_FLAGS,     /* invalid or duplicate flag */

    /* Administration. */
    PROTO_ERROR_MEMORY_TOO_SMALL, /* MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m */
    PROTO_ERROR_MEMORY_IN_BYTES,  /* MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes */
    PROTO_ERROR_CRAWLER_SLEEP,    /* CLIENT_ERROR sleep must be one second or less */
    PROTO_ERROR_SLAB_REASSIGN,    /* CLIENT_ERROR slab reassignment disabled */
    PROTO_ERROR_AUTOMOVE_WINDOW,  /* CLIENT_ERROR automove window too low or too high */
    PROTO_ERROR_LRU_SHARES,       /* ERROR hot and warm pcts must not exceed 80 */
    PROTO_ERROR_LRU_FACTORS,      /* ERROR hot/warm age factors must be greater than 0 */
};

/* What a meta command carries beside its key and value: request.meta. */
enum meta_bits {
    META_RETURN_VALUE = 1 << 0,   /* v */
    META_COMPARE_EQUAL = 1 << 1,  /* mg C: no value is returned when the CAS equals request.cas */
    META_VIVIFY = 1 << 2,         /* mg, ma, ms MA and MP N: request.vivify_exptime */
    META_RECACHE = 1 << 3,        /* mg R: request.recache_exptime */
    META_TOUCH = 1 << 4,          /* T: request.exptime (ms always has one) */
    META_NO_BUMP = 1 << 5,        /* mg u */
    META_INVALIDATE = 1 << 6,     /* md I: mark stale; ms I: an older CAS stores as stale */
    META_SET_CAS = 1 << 7,        /* E: the item's next CAS is request.new_cas */
    META_EMPTY = 1 << 8,          /* md x: the value is dropped, the item stays */
    META_BASE64 = 1 << 9,         /* b: the key came in base64, and an item made now keeps that */
    META_TTL_AFTER = 1 << 10,     /* mg, ma: T or N stand before t, which reports what they set */
    META_RECACHE_AFTER = 1 << 11, /* mg: T stands before R, which looks at what T has set */
};

/* The most flags that come back, beside the value: O k c f h l s t, to spare. */
#define META_RETURNS_MAX 12
#define META_OPAQUE_LENGTH_MAX 31

/* One request. key, value and token point into the bytes given to parser_next() (a key that came in
 * base64: to key_space) and live as long as those; whoever keeps a request longer copies them and
 * sets the pointers anew. All other fields are plain values. */
struct request {
    uint8_t op;       /* enum op */
    uint8_t protocol; /* enum protocol: how the reply is written */
    uint8_t opcode;   /* binary: as received, echoed in the reply */
    uint8_t error;    /* enum proto_error, with OP_ERROR and OP_REJECT */
    bool quiet; /* text noreply: nothing is answered; binary: the quiet form of the opcode; meta
                         q: no EN, and no HD or VA of a change */
    bool return_cas;  /* text gets: the CAS is part of the reply (binary replies always carry it) */
    bool return_key;  /* binary getk: the key is part of the reply */
    bool last;        /* text: the last key of its get line: END follows */
    bool compare_cas; /* the item is changed only when its CAS equals cas */
    bool create;      /* incr, decr: a missing item is created with initial (binary, and ma N, whose
                         exptime for that is vivify_exptime) */
    bool closes;      /* the connection is closed once the replies up to this one are sent */
    bool upload; /* OP_SET to OP_PREPEND: the value isn't here, but comes in the OP_UPLOAD_PARTs and
                    the OP_UPLOAD_END that follow; value_length is that of the whole */
    bool drops;  /* with upload: if the value is refused, the key's old one goes, as by OP_REJECT */
    uint16_t key_length;
    uint32_t value_length;
    uint32_t client_flags;
    uint32_t opaque; /* binary: echoed in network order as received */
    int64_t exptime; /* as the client sent it: 0 never, < 0 past, up to 30 days relative, else Unix
                        time, in seconds */
    uint64_t cas;
    uint64_t delta; /* incr, decr; verbosity: the level */
    uint64_t initial;
    const char *key;
    const char *value;

    /* The meta protocol's own. */
    uint16_t meta; /* enum meta_bits */
    uint8_t token_length;
    char returns[META_RETURNS_MAX + 1]; /* flags that the reply carries, in the order of the
                                           request, as letters: O k c f h l s t; zeros behind. A key
                                           in base64 brings its b along. */
    const char *token;                  /* O: the opaque */
    int64_t vivify_exptime;
    int64_t recache_exptime;
    uint64_t new_cas;
};

/* Whether an mg is answered with the value of an item of this CAS. */
static inline bool mg_returns_value(const struct request *request, uint64_t cas) {
    bool known = (request->meta & META_COMPARE_EQUAL) != 0 && request->cas == cas;
    return (request->meta & META_RETURN_VALUE) != 0 && !known;
}

enum parse_status {
    PARSE_REQUEST, /* *request is filled in */
    PARSE_MORE,    /* nothing more can be told from these bytes; see parser.need */
    PARSE_CLOSE,   /* the stream is broken (no newline in sight, HTTP): send what is owed, answer no
                      more, close */
};

/* The state of one connection's stream between two calls. Plain data: a copy made before
 * parser_next() takes the call back when it is assigned again (a request that can't be executed yet
 * is parsed again later). */
struct parser {
    uint8_t protocol; /* enum protocol */
    uint8_t state;    /* private to the parser of that protocol */
    bool return_cas;  /* the get line under way is a gets */
    bool must_login;  /* set by the caller: nothing but a login is understood (memcached -Y, SASL).
                         The caller clears it once a login has succeeded, sets it again when a later
                         one fails, and parses nothing between an OP_LOGIN and its outcome. */
    bool sasl;        /* set by the caller: the SASL commands of the binary protocol are understood,
                         before and after a login (memcached -S) */
    /* Set by the caller. no_flush: flush_all is refused (memcached -F). no_dump: so is what tells
     * of keys in numbers, metadump, mgdump, stats detail and cachedump (-X). no_cas: all items' CAS
     * is 0 (-C); as in memcached, text's cas and meta's C of a set find another one then, whatever
     * they ask for, and what else stores or extends a value asks for none. */
    bool no_flush : 1;
    bool no_dump : 1;
    bool no_cas : 1;
    uint32_t value_length_max; /* a longer value is refused from its header on with
                                  PROTO_ERROR_TOO_LARGE */
    uint32_t upload_from;      /* a longer value is not waited for: request.upload */
    uint32_t scanned; /* bytes at the front known to hold no newline, so that they are not searched
                         again */
    size_t need;   /* after PARSE_MORE: how many bytes, counted from the first one not used, must be
                      there before it is worth calling again; more than there are now; for a value,
                      up to its end, so that a caller can make room for it at once */
    uint64_t skip; /* bytes of a refused value that are still to be swallowed */
    uint64_t upload; /* bytes of an upload that are still to come, text's end of a value included */
    int64_t exptime; /* of the gat line under way */
};

/* Prepares a parser for a new connection. value_length_max and upload_from in bytes; UINT32_MAX: a
 * value always comes with its request. */
void parser_init(struct parser *parser, uint32_t value_length_max, uint32_t upload_from);

/* Takes the next request from the front of bytes[0..length). key_space holds KEY_LENGTH_MAX bytes
 * for a key that has to be decoded. The protocol is told from the first byte of the stream. Sets
 * *used to the bytes consumed, which may be more than 0 with PARSE_MORE too; the caller drops them
 * and calls again with what follows. Requests without an answer (swallowed values) don't surface.
 * Never reads past length. Bytes that were given and not used must be given again, followed by what
 * arrived since: of a get line, all that was there when its first key was taken. Not to be called
 * again after PARSE_CLOSE or a request that closes. */
enum parse_status parser_next(struct parser *parser, const char *bytes, size_t length,
                              char *key_space, struct request *request, size_t *used);

/* How many bytes of the value under way a caller may receive by itself before it calls again: all
 * but the last, which comes with the OP_UPLOAD_END. 0: there is none. */
size_t parser_upload_left(const struct parser *parser);

/* It has received so many, at most as many as that. */
void parser_uploaded(struct parser *parser, size_t length);

/* Tells user and password of an OP_LOGIN apart (text: user, space, password; binary: RFC 4616);
 * they point into request->value. False when it is malformed, its mechanism isn't PLAIN, or it asks
 * to act for another user. */
struct credentials {
    const char *user;
    const char *password;
    uint32_t user_length;
    uint32_t password_length;
};
bool request_credentials(const struct request *request, struct credentials *credentials);

/* Whether the last request taken was a key of a get line with more behind it: what comes next
 * belongs to the same line. */
bool parser_is_amid_keys(const struct parser *parser);

/* For people: the command's name, as its protocol has it. A text command that is no request because
 * of its form has none: its words may be anything, somebody's value too. */
const char *request_name(const struct request *request);

/* The same for an error's answer, whether it is sent or not: writes it without its frame. At most
 * REQUEST_ERROR_MAX bytes, which may be none. */
#define REQUEST_ERROR_MAX 128
size_t request_error(char *out, const struct request *request);

enum result_status {
    RESULT_OK, /* found, stored, deleted, touched, counted, logged in */
    RESULT_NOT_FOUND,
    RESULT_EXISTS,     /* the CAS differs */
    RESULT_NOT_STORED, /* the condition of add, replace, append, prepend does not hold */
    RESULT_TOO_LARGE,
    RESULT_NO_MEMORY,
    RESULT_NON_NUMERIC,
    RESULT_LOGIN_FAILED,
};

/* How an item stands, for the meta protocol: result.state. As it was before the request, where that
 * changed it. */
enum item_state {
    STATE_WON = 1 << 0,        /* W: this request is to renew it */
    STATE_BINARY_KEY = 1 << 4, /* it was stored with a key in base64 */
    STATE_STALE = 1 << 5,      /* X */
    STATE_TOKEN_SENT = 1 << 6, /* Z: another one has won before */
    STATE_FETCHED = 1 << 7,    /* h: it was read since it was stored */
};

/* What came of a request. value is borrowed from whoever executed it. */
struct result {
    uint8_t status; /* enum result_status */
    uint8_t state;  /* enum item_state bits */
    uint32_t client_flags;
    uint32_t value_length; /* of value; ms: of the item that was stored, for s */
    uint32_t idle_s;       /* l, la=: seconds since it was read before */
    int32_t ttl_s;         /* t, exp=: seconds left, -1 for ever; with META_TTL_AFTER after this
                              request. More than fit are INT32_MAX. */
    uint64_t cas;
    uint64_t number;   /* incr, decr; me: the item's size in memory */
    const char *value; /* get and gat; mg: if the reply carries it, see mg_returns_value(); s needs
                          value_length all the same. OP_VERSION: the version; OP_METADUMP to
                          OP_DEBUG_TIME and OP_SHUTDOWN: the line that answers, without its end;
                          empty: nothing is answered. Otherwise NULL */
    /* Of a get, gat or mg whose value is not at `value`: not 0, but what its maker knows it by. The
     * reply is written without it then, see reply_write_tail(). */
    uint64_t large;
};

/* The most bytes that reply_write() writes for this request and result. */
size_t reply_bound(const struct request *request, const struct result *result);

/* Writes the reply, if the request has one (quiet forms may have none), for every op but OP_STATS.
 * Returns its length. result may be NULL for the ops that have none: OP_REJECT, OP_FLUSH, OP_ERROR,
 * OP_OK, OP_VERBOSITY, OP_NOOP, OP_END, OP_QUIT, OP_SASL_LIST; it may for reply_bound() too. */
size_t reply_write(char *out, const struct request *request, const struct result *result);

/* Of a reply that carries a value with result.large, reply_write() writes only what stands before
 * the value, and this what stands behind it, at most REPLY_TAIL_MAX bytes. */
#define REPLY_TAIL_MAX 8
size_t reply_write_tail(char *out, const struct request *request);

/* One statistic and the end of a stream of them, for OP_STATS. At most REPLY_STAT_MAX bytes beside
 * name and value. */
#define REPLY_STAT_MAX 64
size_t reply_stat(char *out, const struct request *request, const char *name, const char *value);
size_t reply_stats_end(char *out, const struct request *request);

/* The answer to a sub-command of stats that does not exist: ERROR, or binary status 1. At most
 * REPLY_STAT_MAX bytes. */
size_t reply_stats_unknown(char *out, const struct request *request);

/* A sub-command of stats that is answered with one line (RESET, OK, CLIENT_ERROR …), in binary with
 * what memcached sends for it. At most REPLY_STAT_MAX bytes beside the line, which comes without
 * its end. */
size_t reply_stats_line(char *out, const struct request *request, const char *line);

/* Lines about items, for dumps: at most REPLY_ITEM_LINE_MAX bytes each. memcached answers a
 * metadump with OK, the lines and END, an mgdump with OK, the lines and EN, a cachedump with the
 * lines and END.
 */
struct item_line {
    const char *key;
    uint32_t key_length;
    bool binary_key;
    bool fetched;
    int64_t exptime;     /* Unix time, -1 never */
    int64_t last_access; /* Unix time */
    uint64_t cas;
    uint64_t bytes; /* in memory */
    uint32_t value_length;
    uint32_t client_flags;
};
#define REPLY_ITEM_LINE_MAX 1024
size_t reply_metadump_line(char *out, const struct item_line *item);
size_t reply_mgdump_line(char *out, const struct item_line *item);

/* Of stats cachedump, which doesn't show keys in base64: nothing is written for those. */
size_t reply_cachedump_line(char *out, const struct item_line *item);

#endif
