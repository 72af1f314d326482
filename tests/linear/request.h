/* request: what is asked of the server, and what comes of it for the operations of its keys.
 *
 * ascii.c and binary.c write requests and read answers, request.c chooses them and says what they
 * mean.
 */
#ifndef TESTS_LINEAR_REQUEST_H
#define TESTS_LINEAR_REQUEST_H

#include "keys.h"

/* The longest request, and the longest time to live of an item. */
#define REQUEST_BYTES_MAX 2048
#define REQUEST_TTL_S_MAX 2

enum verb {
    VERB_GET, /* by text perhaps of several keys */
    VERB_GETS,
    VERB_GAT,
    VERB_SET,
    VERB_ADD,
    VERB_REPLACE,
    VERB_APPEND,
    VERB_PREPEND,
    VERB_CAS,
    VERB_DELETE,
    VERB_INCR,
    VERB_DECR,
    VERB_TOUCH,
    VERB_FLUSH_ALL,
    VERB_FLUSH_PREFIX, /* text alone */
    VERB_FILL,         /* stores a key whose history nobody keeps; text alone */
    VERB_COUNT,
};

/* By which commands. */
enum dialect { DIALECT_TEXT, DIALECT_META, DIALECT_BINARY };

struct request {
    enum verb verb;
    enum dialect dialect;
    uint32_t count, answered; /* keys */
    bool is_whole;            /* nothing of its answer is to come any more */
    uint32_t keys[KEYS_MAX];
    uint32_t operations[KEYS_MAX]; /* the numbers in the keys' histories */
    uint32_t ttl_s;
    uint64_t delta;
    struct known expected; /* of a cas */
    bool creates;          /* an incr or decr of a key that is not there, with `value` */
    struct value value;    /* that is stored, or added */
    char bytes[TOKEN_BYTES_MAX];
    uint32_t length; /* of the value's bytes */
};

enum outcome {
    OUTCOME_HIT, /* with the value */
    OUTCOME_DONE,
    OUTCOME_NOT_STORED,
    OUTCOME_EXISTS,
    OUTCOME_NOT_FOUND, /* a miss, too */
    OUTCOME_REFUSED,   /* a flush, for which the server has no memory at the moment */
};

/* What was answered for one key. */
struct answer {
    enum outcome outcome;
    struct value value;
    uint64_t number; /* of an incr or decr */
    uint64_t cas;    /* 0: it was not told */
};

/* Chooses one for a connection that speaks binary or not. False: no key can have another now. */
bool request_choose(struct request *request, struct keys *keys, bool is_binary);

/* Adds its operations to the histories; previous[key] is what history.previous is to be. */
void request_begin(struct request *request, struct keys *keys, uint32_t connection,
                   const uint32_t *previous, uint64_t now_ns);

/* The key numbered `index` of the request was answered. */
void request_end(struct request *request, struct keys *keys, uint32_t index,
                 const struct answer *answer, uint64_t now_ns);

/* Write a request. Return what follows it. */
char *ascii_put(const struct request *request, const struct keys *keys, char *out);
char *binary_put(const struct request *request, const struct keys *keys, char *out);

/* Read what is there of an answer. Return how many bytes it took: 0, more are needed. They call
 * request_end(). Exit when it is no answer to that request. */
size_t ascii_take(struct request *request, struct keys *keys, const char *bytes, size_t length,
                  uint64_t now_ns);
size_t binary_take(struct request *request, struct keys *keys, const char *bytes, size_t length,
                   uint64_t now_ns);

/* Says what is wrong, and exits with status 1. */
_Noreturn void request_fail(const struct request *request, const struct keys *keys,
                            const char *what, const char *bytes, size_t length);

#endif
