/* load_exchange: what is under way on one connection, and what its replies tell.
 *
 * Requests are begun in the order in which they are sent; replies are taken from the bytes that
 * arrive, in whatever pieces. Every value is compared on its way, none is kept.
 *
 * One thread; memory is allocated by exchange_init() alone.
 */
#ifndef BENCH_LOAD_EXCHANGE_H
#define BENCH_LOAD_EXCHANGE_H

#include "bench/histogram.h"
#include "bench/load_protocol.h"

/* What came of the requests. A get counts once for each of its keys. */
struct exchange_counts {
    uint64_t requests; /* answered */
    uint64_t gets, hits, sets;
    uint64_t errors;       /* keys and sets that were refused */
    uint64_t wrong;        /* values that are not those of their keys */
    uint32_t wrong_number; /* the first of these keys */
};

/* What the connections of a load share; `latency` counts from the intended time to the moment when
 * the whole reply is there. */
struct exchange_common {
    enum protocol protocol;
    bool verify; /* the bytes of values, too, not only their lengths */
    const struct keys *keys;
    struct exchange_counts counts;
    struct histogram latency;
};

struct exchange_request {
    uint64_t intended_ns;
    uint32_t keys_count; /* 0: a set */
    uint32_t keys_taken; /* those whose reply is there, or passed over */
};

struct exchange {
    struct exchange_common *common;
    struct exchange_request *requests; /* a ring of `depth` */
    uint32_t *numbers;                 /* of each place in the ring `keys_max` keys */
    uint32_t depth, keys_max;
    uint32_t first, count; /* the oldest request's place; how many are under way */
    /* The value that is arriving: */
    bool in_value, is_wrong;
    uint32_t number;              /* its key, KEYS_NONE for one that wasn't asked for */
    size_t value_at, value_bytes; /* how much is there, of how much, its end of line included */
};

/* For at most `depth` requests of at most `keys_max` keys each. False: no memory. */
bool exchange_init(struct exchange *exchange, struct exchange_common *common, uint32_t depth,
                   uint32_t keys_max);
void exchange_finish(struct exchange *exchange);

static inline bool exchange_is_full(const struct exchange *exchange) {
    return exchange->count == exchange->depth;
}

/* A request is sent: a get of `count` keys, or with 0 a set. Not when it is full. Returns where the
 * keys' numbers are to be put. */
uint32_t *exchange_begin(struct exchange *exchange, uint64_t intended_ns, uint32_t count);

/* Takes replies from bytes that arrived at that time. *taken becomes how many: what is left, at
 * most PROTOCOL_HEAD_BYTES_MAX, is to be given again with more behind it. False: what is left is no
 * reply to what was asked, and nothing more can be made of the connection. */
bool exchange_take(struct exchange *exchange, const char *bytes, size_t length, uint64_t now_ns,
                   size_t *taken);

#endif
