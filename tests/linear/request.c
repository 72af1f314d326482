#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/random.h"

#define FILL_EVERY 50 /* of the gets that find nothing one is followed by a set */
#define MULTIGET_MAX 4

static const char *const verbs[VERB_COUNT] = {
    "get", "gets",   "gat",  "set",  "add",   "replace",   "append",       "prepend",
    "cas", "delete", "incr", "decr", "touch", "flush_all", "flush_prefix", "fill"};

/* How often writes are of each kind; the first line for texts, the second for numbers. */
static const uint8_t weights[2][VERB_COUNT] = {
    {[VERB_GAT] = 2,
     [VERB_SET] = 12,
     [VERB_ADD] = 3,
     [VERB_REPLACE] = 3,
     [VERB_APPEND] = 2,
     [VERB_PREPEND] = 1,
     [VERB_CAS] = 6,
     [VERB_DELETE] = 4,
     [VERB_TOUCH] = 2},
    {[VERB_GAT] = 2,
     [VERB_SET] = 6,
     [VERB_ADD] = 3,
     [VERB_REPLACE] = 2,
     [VERB_CAS] = 4,
     [VERB_DELETE] = 4,
     [VERB_INCR] = 8,
     [VERB_DECR] = 3,
     [VERB_TOUCH] = 2},
};

_Noreturn void request_fail(const struct request *request, const struct keys *keys,
                            const char *what, const char *bytes, size_t length) {
    static const char *const dialects[] = {"text", "meta", "binary"};
    fprintf(stderr, "linear: %s %s %s: %s: ", dialects[request->dialect], verbs[request->verb],
            keys->keys[request->keys[request->answered % KEYS_MAX]].name, what);
    for (size_t i = 0; i < length && i < 200; i++) {
        int byte = (unsigned char)bytes[i];
        fprintf(stderr, byte >= ' ' && byte < 127 ? "%c" : "\\x%02x", byte);
    }
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

/* Choosing. */

static enum verb choose_write(struct keys *keys, const struct key *key) {
    uint32_t sum = 0;
    for (uint32_t verb = 0; verb < VERB_COUNT; verb++) {
        sum += weights[key->is_number][verb];
    }
    uint32_t left = (uint32_t)random_below(&keys->random, sum), verb = 0;
    while (left >= weights[key->is_number][verb]) {
        left -= weights[key->is_number][verb++];
    }
    return verb == VERB_CAS && key->last.cas == 0 ? VERB_SET : (enum verb)verb;
}

static enum verb choose_verb(struct keys *keys, const struct key *key) {
    if (key->is_missed && key->writing < KEY_WRITING_MAX &&
        random_below(&keys->random, FILL_EVERY) == 0) {
        return VERB_SET;
    }
    if (key->writing >= KEY_WRITING_MAX ||
        random_below(&keys->random, KEY_REQUESTS) >= key->writes) {
        return random_below(&keys->random, 8) ? VERB_GET : VERB_GETS;
    }
    return choose_write(keys, key);
}

static enum dialect choose_dialect(struct keys *keys, enum verb verb, bool is_binary) {
    if (is_binary) {
        return DIALECT_BINARY;
    }
    bool is_text = verb >= VERB_FLUSH_ALL || random_below(&keys->random, 2);
    return is_text ? DIALECT_TEXT : DIALECT_META;
}

/* All keys, or those whose names have the same letter as the first, as far as they are few enough.
 */
static bool choose_flush(struct request *request, struct keys *keys, bool is_binary) {
    bool all = is_binary || random_below(&keys->random, 2);
    request->verb = all ? VERB_FLUSH_ALL : VERB_FLUSH_PREFIX;
    uint32_t first = (uint32_t)random_below(&keys->random, keys->count);
    for (uint32_t i = 0; i < keys->count; i++) {
        if (all || i % 2 == first % 2) {
            request->keys[request->count++] = i;
        }
    }
    for (uint32_t i = 0; i < request->count; i++) {
        const struct key *key = &keys->keys[request->keys[i]];
        if (key->under_way >= KEY_UNDER_WAY_MAX || key->writing >= KEY_WRITING_MAX) {
            return false;
        }
    }
    return true;
}

static void choose_more_keys(struct request *request, struct keys *keys) {
    uint64_t more = random_below(&keys->random, 4) ? 0 : random_below(&keys->random, MULTIGET_MAX);
    for (uint64_t i = 0; i < more; i++) {
        uint32_t number = keys_choose(keys);
        bool is_new = number != OPERATION_NONE;
        for (uint32_t j = 0; j < request->count; j++) {
            is_new = is_new && request->keys[j] != number;
        }
        if (is_new) {
            request->keys[request->count++] = number;
        }
    }
}

static bool writes_value(const struct request *request) {
    return (request->verb >= VERB_SET && request->verb <= VERB_CAS) || request->creates;
}

bool request_choose(struct request *request, struct keys *keys, bool is_binary) {
    *request = (struct request){.dialect = is_binary ? DIALECT_BINARY : DIALECT_TEXT};
    if (!is_binary && random_below(&keys->random, 100) < keys->fills) {
        request->verb = VERB_FILL;
        return true;
    }
    if (keys->flush_every > 0 && random_below(&keys->random, keys->flush_every) == 0) {
        return choose_flush(request, keys, is_binary);
    }
    uint32_t number = keys_choose(keys);
    if (number == OPERATION_NONE) {
        return false;
    }
    const struct key *key = &keys->keys[number];
    request->keys[request->count++] = number;
    request->verb = choose_verb(keys, key);
    request->dialect = choose_dialect(keys, request->verb, is_binary);
    bool is_arithmetic = request->verb == VERB_INCR || request->verb == VERB_DECR;
    request->creates =
        is_arithmetic && request->dialect != DIALECT_TEXT && random_below(&keys->random, 2);
    /* Of so many that hardly two are the same: else an incr and a decr would bring back an old
     * value, though not its CAS. */
    request->delta = 1 + random_below(&keys->random, 1 << 24);
    request->expected = key->last;
    if (key->history.vanishes && random_below(&keys->random, 4)) {
        request->ttl_s = 1 + (uint32_t)random_below(&keys->random, REQUEST_TTL_S_MAX);
    }
    if (request->verb == VERB_GET && request->dialect == DIALECT_TEXT) {
        choose_more_keys(request, keys);
    }
    if (writes_value(request)) {
        char *end = keys_put_value(keys, key, request->bytes, &request->value);
        request->length = (uint32_t)(end - request->bytes);
    }
    return true;
}

/* Operations. */

static bool may_change(const struct request *request) {
    return request->verb > VERB_GAT && request->verb != VERB_TOUCH;
}

void request_begin(struct request *request, struct keys *keys, uint32_t connection,
                   const uint32_t *previous, uint64_t now_ns) {
    for (uint32_t i = 0; i < request->count; i++) {
        struct key *key = &keys->keys[request->keys[i]];
        const struct operation operation = {.sent_ns = now_ns,
                                            .previous = previous[request->keys[i]],
                                            .connection = connection,
                                            .verb = verbs[request->verb]};
        request->operations[i] = history_add(&key->history, &operation);
        key->under_way++;
        key->writing += may_change(request);
    }
}

static void operation_is(struct operation *operation, enum need need, struct value before,
                         enum act act, struct value after) {
    operation->need = need;
    operation->before = before;
    operation->act = act;
    operation->after = after;
}

/* A store, delete or flush that did what it was to do. */
static void request_done(const struct request *request, struct operation *operation) {
    const struct value none = {0};
    switch (request->verb) {
    case VERB_SET:
        operation_is(operation, NEED_NOTHING, none, ACT_SET, request->value);
        return;
    case VERB_ADD:
        operation_is(operation, NEED_ABSENT, none, ACT_SET, request->value);
        return;
    case VERB_REPLACE:
        operation_is(operation, NEED_PRESENT, none, ACT_SET, request->value);
        return;
    case VERB_APPEND:
        operation_is(operation, NEED_PRESENT, none, ACT_APPEND, request->value);
        return;
    case VERB_PREPEND:
        operation_is(operation, NEED_PRESENT, none, ACT_PREPEND, request->value);
        return;
    case VERB_CAS:
        operation_is(operation, NEED_VALUE, request->expected.value, ACT_SET, request->value);
        return;
    case VERB_DELETE:
        operation_is(operation, NEED_PRESENT, none, ACT_CLEAR, none);
        return;
    case VERB_FLUSH_ALL:
    case VERB_FLUSH_PREFIX:
        operation_is(operation, NEED_NOTHING, none, ACT_CLEAR, none);
        return;
    default:
        operation_is(operation, NEED_PRESENT, none, ACT_NOTHING, none);
        return;
    }
}

/* The new number was told, so that the old one is known, too. */
static void request_counted(const struct request *request, struct operation *operation,
                            uint64_t number) {
    struct value now = value_of(number);
    if (request->creates && value_is(now, request->value)) {
        operation_is(operation, NEED_ABSENT, (struct value){0}, ACT_SET, now);
        return;
    }
    uint64_t before =
        request->verb == VERB_INCR ? number - request->delta : number + request->delta;
    operation_is(operation, NEED_VALUE, value_of(before), ACT_SET, now);
}

static void request_tell(const struct request *request, struct operation *operation,
                         const struct answer *answer) {
    const struct value none = {0};
    switch (answer->outcome) {
    case OUTCOME_HIT:
        operation_is(operation, NEED_VALUE, answer->value, ACT_NOTHING, none);
        return;
    case OUTCOME_DONE:
        if (request->verb == VERB_INCR || request->verb == VERB_DECR) {
            request_counted(request, operation, answer->number);
        } else {
            request_done(request, operation);
        }
        return;
    case OUTCOME_NOT_STORED: /* by an add where something is, by others where nothing is */
        operation_is(operation, request->verb == VERB_ADD ? NEED_PRESENT : NEED_ABSENT, none,
                     ACT_NOTHING, none);
        return;
    case OUTCOME_EXISTS:
        operation_is(operation, request->verb == VERB_CAS ? NEED_OTHER : NEED_PRESENT,
                     request->expected.value, ACT_NOTHING, none);
        return;
    case OUTCOME_NOT_FOUND:
        operation_is(operation, NEED_ABSENT, none, ACT_NOTHING, none);
        return;
    case OUTCOME_REFUSED:
        operation_is(operation, NEED_NOTHING, none, ACT_NOTHING, none);
        return;
    }
}

static void request_note_cas(const struct request *request, struct key *key,
                             const struct operation *operation, uint64_t cas) {
    bool is_read = request->verb <= VERB_GAT;
    if (cas != 0 && (is_read || operation->act == ACT_SET)) {
        keys_note_cas(key, cas, is_read ? operation->before : operation->after);
    }
}

void request_end(struct request *request, struct keys *keys, uint32_t index,
                 const struct answer *answer, uint64_t now_ns) {
    struct key *key = &keys->keys[request->keys[index]];
    struct operation *operation = &key->history.operations[request->operations[index]];
    operation->answered_ns = now_ns;
    request_tell(request, operation, answer);
    request_note_cas(request, key, operation, answer->cas);
    if (request->verb <= VERB_GAT) {
        key->is_missed = answer->outcome == OUTCOME_NOT_FOUND;
    }
    key->under_way--;
    key->writing -= may_change(request);
    request->answered++;
}
