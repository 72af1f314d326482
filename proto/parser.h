/* parser: takes requests off a connection's stream of bytes.
 *
 * A struct parser belongs to one connection, and so to one thread at a time.
 */
#ifndef PROTO_PARSER_H
#define PROTO_PARSER_H

#include "proto/request.h"

/* A command line may have this many bytes without a newline before the connection is closed. As in
 * memcached, a longer one is served when it arrives with its newline. */
#define TEXT_LINE_LENGTH_MAX 2048

/* A get or gets line of up to this length is checked as a whole before its first key is answered;
 * a longer one is answered key by key as it arrives, so that memory stays bounded. */
#define TEXT_GET_LINE_WHOLE_MAX 65536

enum parse_status {
    PARSE_REQUEST, /* *request is filled in */
    PARSE_MORE,    /* more bytes are needed; see parser.need */

    /* The stream is broken (no newline in sight, or HTTP): the caller sends the replies that are
     * due, answers no more and closes the connection. */
    PARSE_CLOSE,
};

/* The state of one connection's stream between two calls. Plain data: a copy made before
 * parser_next() undoes the call when it is assigned back (a request that can't be executed yet is
 * parsed again later). */
struct parser {
    uint8_t protocol; /* enum protocol */
    uint8_t state;    /* private to the parser of that protocol */
    bool return_cas;  /* the get line being parsed is a gets */

    /* Set by the caller: only a login is understood (memcached -Y, -S). The caller clears it once
     * a login has succeeded, sets it again when a later one fails, and parses nothing between an
     * OP_LOGIN and its outcome. The parser sets it, too: as in memcached each SASL command ends an
     * earlier login, the list of mechanisms among them. */
    bool must_login;

    /* Set by the caller: the SASL commands of the binary protocol are understood, before and after
     * a login (memcached -S). */
    bool sasl;

    /* Set by the caller, with sasl: mechanisms and their steps are the caller's to know. Each SASL
     * auth and step is an OP_LOGIN. Without it there is PLAIN, whose steps the parser knows. */
    bool sasl_steps;

    /* Set by the caller. no_flush: flush_all is refused (memcached -F). no_dump: metadump, mgdump,
     * stats detail, cachedump and hotkeys are refused (-X). no_watch: watch is (-W). no_cas: all
     * items' CAS is 0 (-C); as in memcached, text's cas and meta's C of a set then never match, and
     * append, prepend and binary's storage commands ignore their CAS. */
    bool no_flush : 1;
    bool no_dump : 1;
    bool no_watch : 1;
    bool no_cas : 1;

    /* Set by the caller: the list of servers can be asked for, see OP_CONFIG. Without it `config`
     * and its opcode are unknown, and CONFIG_KEY is a key like any other. */
    bool discovers : 1;

    /* Bytes. A longer value is refused with PROTO_ERROR_TOO_LARGE once its header is here. */
    uint32_t value_length_max;

    /* Bytes. A longer value is not waited for but comes in parts: request.upload. */
    uint32_t upload_from;

    /* Bytes at the front known to hold no newline, so that they are not searched again. */
    uint32_t scanned;

    /* After PARSE_MORE: bytes, counted from the first one not used, that must be there before it
     * is worth calling again. More than there are now; for a value it reaches to the end of that,
     * so that the caller can reserve memory for it at once. */
    size_t need;
    uint64_t skip;   /* bytes of a refused value that are still to be skipped */
    uint64_t upload; /* bytes of an upload still to come, with the \r\n behind it in text */
    int64_t exptime; /* of the gat line being parsed */
};

/* Prepares a parser for a new connection. value_length_max and upload_from in bytes; with an
 * upload_from of UINT32_MAX a value always comes with its request. */
void parser_init(struct parser *parser, uint32_t value_length_max, uint32_t upload_from);

/* One call of parser_next().
 *
 *     bytes             next              bytes + length
 *       ▼                 ▼                     ▼
 *       get some_key\r\n  get other_key\r\n  get
 *       └─── request ───┘
 */
struct parse {
    struct parser *parser;
    struct request *request; /* filled in on PARSE_REQUEST */
    char *key_space;         /* KEY_LENGTH_MAX bytes for a key that has to be decoded */

    /* What has arrived and isn't consumed. Moved on by the call where it skips something. */
    const char *bytes;
    size_t length;
    const char *next; /* set by the call: the first byte that isn't consumed */
};

/* Takes the next request from the front of what has arrived. The first byte of the stream tells
 * the protocol. The caller drops the bytes before parse->next, which may be some with PARSE_MORE
 * too, and calls again with what follows. Skipped values of refused requests aren't returned as
 * requests.
 *
 * Never reads past the length. Bytes that were given and not consumed must be given again, followed
 * by what arrived since: of a get line, all that was there when its first key was taken. Not to be
 * called again after PARSE_CLOSE or a request that closes. */
enum parse_status parser_next(struct parse *parse);

/* How many bytes of the current upload the caller may receive by itself before it calls again: all
 * but the last one, which comes with the OP_UPLOAD_END. 0 when there is no upload. */
size_t parser_upload_left(const struct parser *parser);

/* The caller has received that many bytes itself, at most parser_upload_left(). */
void parser_uploaded(struct parser *parser, size_t length);

/* Whether bytes[0..length), which the parser waits to be completed, hold a whole command line or
 * packet header. */
bool parser_has_header(const struct parser *parser, const char *bytes, size_t length);

/* Whether the last request was a key of a get line with more keys behind it: the next request
 * belongs to the same line. */
bool parser_is_amid_keys(const struct parser *parser);

#endif
