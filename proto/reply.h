/* reply: writes the answer to a request, in the protocol it came in.
 *
 * Each function writes to `out`, where the caller has room for the bound given here, and returns
 * the number of bytes written.
 */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include "proto/request.h"

/* The most bytes that reply_write() writes for this request and result. */
size_t reply_bound(const struct request *request, const struct result *result);

/* Writes the reply; of a quiet request there may be none. For every op but OP_STATS and the
 * OP_UPLOADs. result may be NULL, here and in reply_bound(), where the protocol's answer in
 * op_infos is ANSWER_WORDS, ANSWER_ERROR or ANSWER_NOTHING. */
size_t reply_write(char *out, const struct request *request, const struct result *result);

/* Of a reply with result.large, reply_write() writes what stands before the value, and this what
 * stands behind it: at most REPLY_TAIL_MAX bytes. */
#define REPLY_TAIL_MAX 8
size_t reply_write_tail(char *out, const struct request *request);

/* The text of an error's answer without its frame, for logs, whether the answer is sent or not. At
 * most REPLY_ERROR_MAX bytes; binary has statuses without a text. */
#define REPLY_ERROR_MAX 128
size_t reply_error_text(char *out, const struct request *request);

/* An error's answer in text without its end, for an executor that finds the error itself. A
 * literal. */
const char *reply_error_line(enum proto_error error);

/* Replaces replies that are too long for a datagram by an error. They are of a stream of that
 * protocol, and at least one of them is complete up to its header in binary. Writes at most
 * REPLY_ERROR_MAX bytes. A binary client finds the error by the opcode and opaque of its first
 * request, which the first reply repeats. */
size_t reply_replace_by_error(char *replies, enum protocol protocol);

/* For OP_STATS: one statistic, at most REPLY_STAT_MAX bytes beside name and value; and the end of
 * the list, at most REPLY_STAT_MAX bytes. */
#define REPLY_STAT_MAX 64
size_t reply_stat(char *out, const struct request *request, const char *name, const char *value);
/* What stands before the value of a statistic, of that length, in binary: at most REPLY_STAT_MAX
 * bytes beside the name. */
size_t reply_stat_head(char *out, const struct request *request, const char *name,
                       uint32_t value_length);
size_t reply_stats_end(char *out, const struct request *request);

/* The answer to a sub-command of stats that does not exist: ERROR, or binary status 1. At most
 * REPLY_STAT_MAX bytes. */
size_t reply_stats_unknown(char *out, const struct request *request);

/* The answer of a sub-command of stats that has one line (RESET, OK, CLIENT_ERROR …), which is
 * given without its end; in binary what memcached sends for it. At most REPLY_STAT_MAX bytes
 * beside the line. */
size_t reply_stats_line(char *out, const struct request *request, const char *line);

/* A key as dumps show it: percent-encoded but for unreserved characters (RFC 3986, section 2.3).
 * Returns the length, at most REPLY_KEY_ENCODED_MAX for a key of KEY_LENGTH_MAX bytes. */
#define REPLY_KEY_ENCODED_MAX ((size_t)3 * KEY_LENGTH_MAX)
size_t reply_encode_key(char *out, const char *key, size_t length);

/* Lines about items, for dumps: at most REPLY_ITEM_LINE_MAX bytes each. As in memcached a metadump
 * is answered with OK, the lines and END, an mgdump with OK, the lines and EN, a cachedump with the
 * lines and END. */
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
#define REPLY_DUMP_BEGIN "OK\r\n"
#define REPLY_MGDUMP_END "EN\r\n"
#define REPLY_LIST_END "END\r\n"
size_t reply_metadump_line(char *out, const struct item_line *item);
size_t reply_mgdump_line(char *out, const struct item_line *item);

/* Of stats cachedump, which doesn't list keys in base64: nothing is written for those. */
size_t reply_cachedump_line(char *out, const struct item_line *item);

#endif
