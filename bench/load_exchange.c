#include "bench/load_exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool exchange_init(struct exchange *exchange, struct exchange_common *common, uint32_t depth,
                   uint32_t keys_max) {
    *exchange = (struct exchange){.common = common, .depth = depth, .keys_max = keys_max};
    exchange->requests = calloc(depth, sizeof(*exchange->requests));
    exchange->numbers = calloc((size_t)depth * keys_max, sizeof(*exchange->numbers));
    return exchange->requests && exchange->numbers;
}

void exchange_finish(struct exchange *exchange) {
    free(exchange->requests);
    free(exchange->numbers);
}

static uint32_t *numbers_at(const struct exchange *exchange, uint32_t place) {
    return exchange->numbers + (size_t)place * exchange->keys_max;
}

uint32_t *exchange_begin(struct exchange *exchange, uint64_t intended_ns, uint32_t count) {
    assert(!exchange_is_full(exchange));
    assert(count <= exchange->keys_max);
    uint32_t place = exchange->first + exchange->count++;
    if (place >= exchange->depth) {
        place -= exchange->depth;
    }
    exchange->requests[place] =
        (struct exchange_request){.intended_ns = intended_ns, .keys_count = count};
    return numbers_at(exchange, place);
}

static void end_request(struct exchange *exchange, uint64_t now_ns) {
    const struct exchange_request *request = &exchange->requests[exchange->first];
    struct exchange_counts *counts = &exchange->common->counts;
    counts->requests++;
    counts->gets += request->keys_count;
    counts->sets += request->keys_count == 0;
    histogram_add(&exchange->common->latency,
                  now_ns > request->intended_ns ? now_ns - request->intended_ns : 0);
    if (++exchange->first == exchange->depth) {
        exchange->first = 0;
    }
    exchange->count--;
}

/* Whether a reply of its own tells the end of the oldest request. */
static bool has_end(const struct exchange *exchange) {
    return exchange->requests[exchange->first].keys_count > 1 ||
           exchange->common->protocol == PROTOCOL_TEXT;
}

/* Values. */

/* The key that a value is for: the next one that was asked for, or a later one, those between being
 * misses; KEYS_NONE if the reply names another. */
static uint32_t find_key(struct exchange *exchange, const struct reply_head *head) {
    struct exchange_request *request = &exchange->requests[exchange->first];
    const uint32_t *numbers = numbers_at(exchange, exchange->first);
    for (uint32_t i = request->keys_taken; i < request->keys_count; i++) {
        if (head->names_key && head->number != numbers[i]) {
            continue;
        }
        request->keys_taken = i + 1;
        return numbers[i];
    }
    return KEYS_NONE;
}

static void end_value(struct exchange *exchange, uint64_t now_ns) {
    struct exchange_counts *counts = &exchange->common->counts;
    exchange->in_value = false;
    counts->hits += exchange->number != KEYS_NONE;
    if (exchange->is_wrong && counts->wrong++ == 0) {
        counts->wrong_number = exchange->number;
    }
    if (!has_end(exchange)) {
        end_request(exchange, now_ns);
    }
}

static void begin_value(struct exchange *exchange, const struct reply_head *head, uint64_t now_ns) {
    const struct exchange_common *common = exchange->common;
    exchange->in_value = true;
    exchange->number = find_key(exchange, head);
    exchange->value_at = 0;
    exchange->value_bytes =
        head->value_bytes + (common->protocol == PROTOCOL_BINARY ? 0 : strlen("\r\n"));
    exchange->is_wrong = exchange->number == KEYS_NONE || head->has_flags ||
                         head->value_bytes != keys_value_bytes(common->keys, exchange->number);
    if (exchange->value_bytes == 0) {
        end_value(exchange, now_ns);
    }
}

/* The part of the value, and of the end of line behind it, that is in these bytes. */
static bool is_right(const struct exchange *exchange, const char *bytes, size_t length) {
    const struct exchange_common *common = exchange->common;
    size_t tail = common->protocol == PROTOCOL_BINARY ? 0 : strlen("\r\n");
    size_t end = exchange->value_bytes - tail, at = exchange->value_at, in_value = 0;
    if (at < end) {
        in_value = length < end - at ? length : end - at;
    }
    if (common->verify &&
        !keys_value_matches(common->keys, exchange->number, at, bytes, in_value)) {
        return false;
    }
    if (in_value == length) {
        return true;
    }
    return memcmp(bytes + in_value, &"\r\n"[at + in_value - end], length - in_value) == 0;
}

/* Returns how many bytes belong to the value. */
static size_t take_value(struct exchange *exchange, const char *bytes, size_t length,
                         uint64_t now_ns) {
    size_t left = exchange->value_bytes - exchange->value_at;
    size_t taken = length < left ? length : left;
    if (!exchange->is_wrong) {
        exchange->is_wrong = !is_right(exchange, bytes, taken);
    }
    exchange->value_at += taken;
    if (taken == left) {
        end_value(exchange, now_ns);
    }
    return taken;
}

/* Replies. */

/* One reply without a value. False: it is none to the oldest request. */
static bool take_reply(struct exchange *exchange, enum reply_kind kind, uint64_t now_ns) {
    const struct exchange_request *request = &exchange->requests[exchange->first];
    bool is_set = request->keys_count == 0, ends = !has_end(exchange);
    switch (kind) {
    case REPLY_STORED:
        if (!is_set) {
            return false;
        }
        ends = true;
        break;
    case REPLY_MISS:
        if (is_set) {
            return false;
        }
        break;
    case REPLY_END:
        if (is_set || ends) {
            return false;
        }
        ends = true;
        break;
    case REPLY_ERROR:
        exchange->common->counts.errors++;
        ends = ends || is_set || exchange->common->protocol == PROTOCOL_TEXT;
        break;
    case REPLY_VALUE:
    case REPLY_PART:
    case REPLY_NONE:
        return false;
    }
    if (ends) {
        end_request(exchange, now_ns);
    }
    return true;
}

/* What a reply's head tells; its value follows. */
static bool take_head(struct exchange *exchange, const struct reply_head *head, uint64_t now_ns) {
    if (exchange->count == 0) {
        return false;
    }
    if (head->kind != REPLY_VALUE) {
        return take_reply(exchange, head->kind, now_ns);
    }
    if (exchange->requests[exchange->first].keys_count == 0) {
        return false;
    }
    begin_value(exchange, head, now_ns);
    return true;
}

bool exchange_take(struct exchange *exchange, const char *bytes, size_t length, uint64_t now_ns,
                   size_t *taken) {
    const struct exchange_common *common = exchange->common;
    size_t at = 0;
    bool is_reply = true;
    while (at < length && is_reply) {
        if (exchange->in_value) {
            at += take_value(exchange, bytes + at, length - at, now_ns);
            continue;
        }
        struct reply_head head =
            protocol_read_head(common->protocol, common->keys, bytes + at, length - at);
        if (head.kind == REPLY_PART) {
            break;
        }
        is_reply = take_head(exchange, &head, now_ns);
        at += is_reply ? head.bytes : 0;
    }
    *taken = at;
    return is_reply;
}
