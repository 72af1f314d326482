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
};

/* What a request asks for. Those up to OP_REJECT name a key and run on the shard that owns it. */
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
    OP_REJECT, /* a set whose value is refused, see request.error: any old value of the key is
                  dropped. The other storage commands leave it, and are refused by OP_ERROR. */

    OP_FLUSH, /* concerns every shard; request.exptime is the delay */
    OP_STATS, /* concerns every shard; request.key is the sub-command, length 0 for the general
                 statistics */

    OP_VERSION, /* those from here on concern the connection alone */
    OP_VERBOSITY,
    OP_NOOP,
    OP_END,   /* the end of a get line whose last key was not known to be the last when it was
                 answered */
    OP_ERROR, /* see request.error */
    OP_QUIT,
};

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
};

/* One request. key and value point into the bytes given to parser_next() and live as long as those;
 * whoever keeps a request longer copies them and sets the pointers anew. All other fields are plain
 * values. */
struct request {
    uint8_t op;       /* enum op */
    uint8_t protocol; /* enum protocol: how the reply is written */
    uint8_t opcode;   /* binary: as received, echoed in the reply */
    uint8_t error;    /* enum proto_error, with OP_ERROR and OP_REJECT */
    bool quiet;       /* text noreply: nothing is answered; binary: the quiet form of the opcode */
    bool return_cas;  /* text gets: the CAS is part of the reply (binary replies always carry it) */
    bool return_key;  /* binary getk: the key is part of the reply */
    bool last;        /* text: the last key of its get line: END follows */
    bool compare_cas; /* the item is changed only when its CAS equals cas */
    bool create;      /* incr, decr: a missing item is created with initial (binary only) */
    bool closes;      /* the connection is closed once the replies up to this one are sent */
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
};

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
    bool no_memory; /* set by the caller after PARSE_MORE, when it can't hold `need` bytes: the next
                       call refuses the value with PROTO_ERROR_NO_MEMORY and swallows it; cleared by
                       that call */
    uint32_t value_length_max; /* a longer value is refused from its header on with
                                  PROTO_ERROR_TOO_LARGE */
    uint32_t scanned; /* bytes at the front known to hold no newline, so that they are not searched
                         again */
    size_t need;   /* after PARSE_MORE: how many bytes, counted from the first one not used, must be
                      there before it is worth calling again; more than there are now; for a value,
                      up to its end, so that a caller can make room for it at once */
    uint64_t skip; /* bytes of a refused value that are still to be swallowed */
    int64_t exptime; /* of the gat line under way */
};

/* Prepares a parser for a new connection. value_length_max in bytes. */
void parser_init(struct parser *parser, uint32_t value_length_max);

/* Takes the next request from the front of bytes[0..length). The protocol is told from the first
 * byte of the stream. Sets *used to the bytes consumed, which may be more than 0 with PARSE_MORE
 * too; the caller drops them and calls again with what follows. Requests without an answer
 * (swallowed values) don't surface. Never reads past length. Bytes that were given and not used
 * must be given again, followed by what arrived since: of a get line, all that was there when its
 * first key was taken. Not to be called again after PARSE_CLOSE or a request that closes. */
enum parse_status parser_next(struct parser *parser, const char *bytes, size_t length,
                              struct request *request, size_t *used);

enum result_status {
    RESULT_OK, /* found, stored, deleted, touched, counted */
    RESULT_NOT_FOUND,
    RESULT_EXISTS,     /* the CAS differs */
    RESULT_NOT_STORED, /* the condition of add, replace, append, prepend does not hold */
    RESULT_TOO_LARGE,
    RESULT_NO_MEMORY,
    RESULT_NON_NUMERIC,
};

/* What came of a request. value is borrowed from whoever executed it. */
struct result {
    uint8_t status; /* enum result_status */
    uint32_t client_flags;
    uint32_t value_length;
    uint64_t cas;
    uint64_t number;   /* incr, decr */
    const char *value; /* get, gat; for OP_VERSION the version */
};

/* The most bytes that reply_write() writes for this request and result. */
size_t reply_bound(const struct request *request, const struct result *result);

/* Writes the reply, if the request has one (quiet forms may have none), for every op but OP_STATS.
 * Returns its length. result may be NULL for the ops that have none: OP_REJECT, OP_FLUSH and those
 * from OP_VERBOSITY on; it may for reply_bound() too. */
size_t reply_write(char *out, const struct request *request, const struct result *result);

/* One statistic and the end of a stream of them, for OP_STATS. At most REPLY_STAT_MAX bytes beside
 * name and value. */
#define REPLY_STAT_MAX 64
size_t reply_stat(char *out, const struct request *request, const char *name, const char *value);
size_t reply_stats_end(char *out, const struct request *request);

/* The answer to a sub-command of stats that does not exist: ERROR, or binary status 1. At most
 * REPLY_STAT_MAX bytes. */
size_t reply_stats_unknown(char *out, const struct request *request);

#endif
