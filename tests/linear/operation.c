#include "operation.h"

#include <assert.h>
#include <stdlib.h>

#include "bench/random.h"

#define HASH_BASE 0x100000001b3u /* odd */

struct value value_of(uint64_t token) {
    return (struct value){.hash = random_mixed(token + 1) | 1, .tokens = 1};
}

static uint64_t hash_power(uint32_t n) {
    uint64_t power = 1;
    for (uint64_t base = HASH_BASE; n > 0; n >>= 1, base *= base) {
        power *= n & 1 ? base : 1;
    }
    return power;
}

struct value value_joined(struct value first, struct value second) {
    return (struct value){.hash = first.hash * hash_power(second.tokens) + second.hash,
                          .tokens = first.tokens + second.tokens};
}

bool operation_may_follow(const struct operation *operation, struct value value) {
    switch (operation->need) {
    case NEED_NOTHING:
        return true;
    case NEED_ABSENT:
        return value.tokens == 0;
    case NEED_PRESENT:
        return value.tokens > 0;
    case NEED_VALUE:
        return value_is(value, operation->before);
    case NEED_OTHER:
        return value.tokens > 0 && !value_is(value, operation->before);
    }
    return false;
}

struct value operation_apply(const struct operation *operation, struct value value) {
    switch (operation->act) {
    case ACT_NOTHING:
        return value;
    case ACT_SET:
        return operation->after;
    case ACT_CLEAR:
        return (struct value){0};
    case ACT_APPEND:
        return value_joined(value, operation->after);
    case ACT_PREPEND:
        return value_joined(operation->after, value);
    }
    return value;
}

uint32_t history_add(struct history *history, const struct operation *operation) {
    if (history->count == history->capacity) {
        history->capacity = history->capacity > 0 ? 2 * history->capacity : 1024;
        history->operations =
            realloc(history->operations, history->capacity * sizeof(*history->operations));
        assert(history->operations);
    }
    history->operations[history->count] = *operation;
    return history->count++;
}

void history_finish(struct history *history) {
    free(history->operations);
    *history = (struct history){0};
}
