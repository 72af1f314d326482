/* etcd_reply: what etcd 3.4 answers through its JSON gateway, taken apart with jansson.
 *
 * All 64-bit numbers are texts there, and fields that are zero are left out; keys and values are in
 * base64. Nothing is taken for granted of the bytes: what hasn't the shape is ETCD_BROKEN. The
 * rules are those of etcd's api/v3 (rpc.proto, kv.proto) and of what etcd 3.4 was seen to answer.
 *
 * Thread: any; all works on memory that the caller owns.
 */
#ifndef CORE_SERVER_ETCD_REPLY_H
#define CORE_SERVER_ETCD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum etcd_status {
    ETCD_OK,
    ETCD_BROKEN,  /* no answer of etcd's */
    ETCD_REFUSED, /* an error, see etcd_parse_error() */
};

struct etcd_header {
    uint64_t cluster_id; /* 0: not told */
    uint64_t revision;
};

/* A key that is there, or has been written or deleted. */
struct etcd_pair {
    bool deleted;
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
    uint64_t revision; /* of its last change */
    uint64_t lease;    /* 0: none */
};

/* Longer keys and values than these are passed over: nobody of ours has written them. */
#define ETCD_KEY_BYTES_MAX 1024
#define ETCD_VALUE_BYTES_MAX 65536

/* Called with each pair, whose bytes are gone afterwards. */
typedef void etcd_take_pair(void *context, const struct etcd_pair *pair);

enum etcd_status etcd_parse_range(const char *bytes, size_t length, struct etcd_header *header,
                                  etcd_take_pair *take, void *context);

/* One line of a watch. */
struct etcd_watch {
    struct etcd_header header;
    bool created;
    bool canceled; /* nothing more comes: what was asked for has been compacted, for example */
};
enum etcd_status etcd_parse_watch(const char *bytes, size_t length, struct etcd_watch *watch,
                                  etcd_take_pair *take, void *context);

/* A lease that has been granted: its seconds are etcd's choice. */
enum etcd_status etcd_parse_grant(const char *bytes, size_t length, struct etcd_header *header,
                                  uint64_t *lease, uint64_t *ttl_s);

/* *ttl_s is 0 when there is no such lease. */
enum etcd_status etcd_parse_keepalive(const char *bytes, size_t length, struct etcd_header *header,
                                      uint64_t *ttl_s);

enum etcd_status etcd_parse_transaction(const char *bytes, size_t length,
                                        struct etcd_header *header, bool *succeeded);

/* Anything else, of which the header is all that matters. */
enum etcd_status etcd_parse_done(const char *bytes, size_t length, struct etcd_header *header);

/* A token is sent back as a line of HTTP: letters, digits, and . - _ + / = alone. */
#define ETCD_TOKEN_BYTES 4096
enum etcd_status etcd_parse_token(const char *bytes, size_t length, char token[ETCD_TOKEN_BYTES]);

/* The number of an error (that of gRPC: 16 is who isn't logged in, 5 what isn't there), and its
 * text in one printable line. False: it is none. */
#define ETCD_MESSAGE_BYTES 200
#define ETCD_CODE_NOT_FOUND 5
#define ETCD_CODE_UNAUTHENTICATED 16
bool etcd_parse_error(const char *bytes, size_t length, uint64_t *code,
                      char message[ETCD_MESSAGE_BYTES]);

#endif
