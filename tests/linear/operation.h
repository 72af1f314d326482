/* operation: what one request did to one key, as far as its answer tells; and histories of them.
 *
 * A key is a register that holds a value or nothing. The values that are written are all different,
 * so that a read tells which write it saw: a value is a sequence of tokens, each of which is
 * written once. A set makes it a single token, an append or prepend adds one.
 *
 * Memory is the caller's; any thread.
 */
#ifndef TESTS_LINEAR_OPERATION_H
#define TESTS_LINEAR_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#define OPERATION_NONE UINT32_MAX

/* Nothing is there with 0 tokens; then the hash is 0, too. */
struct value {
    uint64_t hash;
    uint32_t tokens;
};

/* What must have been there for this answer. */
enum need {
    NEED_NOTHING, /* it could have been anything */
    NEED_ABSENT,
    NEED_PRESENT,
    NEED_VALUE, /* `before` */
    NEED_OTHER, /* present, but not `before` */
};

/* What it did. */
enum act {
    ACT_NOTHING,
    ACT_SET, /* `after` */
    ACT_CLEAR,
    ACT_APPEND, /* `after` is the one token that is added */
    ACT_PREPEND,
};

struct operation {
    uint64_t sent_ns;     /* a moment before the request was sent */
    uint64_t answered_ns; /* one after the whole answer had come */
    struct value before, after;
    enum need need;
    enum act act;
    /* The last operation on the same key that was sent before it on the same connection and not
     * answered yet; it comes before this one. Or OPERATION_NONE. */
    uint32_t previous;
    uint32_t connection;
    const char *verb; /* for the report */
};

struct history {
    struct operation *operations; /* in the order in which they were sent */
    uint32_t count, capacity;
    bool vanishes; /* what is there may go at any time, since it expires or is evicted */
};

/* The value of one token, which is a number. */
struct value value_of(uint64_t token);
/* A value with another one behind it. */
struct value value_joined(struct value first, struct value second);
static inline bool value_is(struct value a, struct value b) {
    return a.hash == b.hash && a.tokens == b.tokens;
}

/* Whether an operation can come next where that value is, and what is there then. */
bool operation_may_follow(const struct operation *operation, struct value value);
struct value operation_apply(const struct operation *operation, struct value value);

/* Adds one. Returns its number. */
uint32_t history_add(struct history *history, const struct operation *operation);
void history_finish(struct history *history);

#endif
