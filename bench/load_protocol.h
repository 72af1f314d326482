/* load_protocol: requests as bytes, and the heads of replies out of bytes, in the three protocols.
 *
 * A get of one key is a plain get, mg or GET. One of several is a line of `get`, or as many quiet
 * ones (`mg … v k q`, GETKQ) with `mn` or NOOP behind them. Flags and expiry times are 0.
 *
 * One thread; nothing is allocated, nothing is read beyond the bytes given.
 */
#ifndef BENCH_LOAD_PROTOCOL_H
#define BENCH_LOAD_PROTOCOL_H

#include "bench/load_keys.h"

#define PROTOCOL_HEAD_BYTES_MAX 512 /* no reply's head is longer */

enum protocol { PROTOCOL_TEXT, PROTOCOL_META, PROTOCOL_BINARY };

enum reply_kind {
    REPLY_PART,   /* not whole yet */
    REPLY_VALUE,  /* the value follows, with an end of line behind it but for binary */
    REPLY_MISS,   /* of one key */
    REPLY_STORED, /* a set is done */
    REPLY_END,    /* of a get in text, of several keys in any protocol */
    REPLY_ERROR,  /* what was asked for is refused */
    REPLY_NONE,   /* no reply of this protocol to any such request */
};

struct reply_head {
    enum reply_kind kind;
    size_t bytes;    /* its length, whatever follows it for a miss or an error included */
    bool names_key;  /* the reply says whose it is: */
    uint32_t number; /* the key's, or KEYS_NONE for one that no request can name */
    bool has_flags;  /* a value's client flags aren't 0 */
    uint32_t value_bytes;
};

/* At most how many bytes the two below write. */
size_t protocol_get_bytes_max(const struct keys *keys, uint32_t count);
size_t protocol_set_bytes_max(const struct keys *keys, uint32_t number);

/* Write a request for one or more keys, and one that stores a key's value. Return what follows. */
char *protocol_put_get(char *out, enum protocol protocol, const struct keys *keys,
                       const uint32_t *numbers, uint32_t count);
char *protocol_put_set(char *out, enum protocol protocol, const struct keys *keys, uint32_t number);

/* Reads the head of the reply that begins with these bytes. A reply's head that is longer than
 * PROTOCOL_HEAD_BYTES_MAX is REPLY_NONE. */
struct reply_head protocol_read_head(enum protocol protocol, const struct keys *keys,
                                     const char *bytes, size_t length);

#endif
