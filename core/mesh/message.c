#include "core/mesh/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(KEY_LENGTH_MAX + META_OPAQUE_LENGTH_MAX <= MESSAGE_KEY_BYTES,
               "key and opaque fit their place in a message");

#define WIDES_BYTES (MESSAGE_WIDES_MAX * MESSAGE_VALUE_BYTES_MAX)

/* The wide ranges come first, since these are whole pages. */
uint64_t message_pool_bytes(uint64_t count) {
    return WIDES_BYTES + count * sizeof(struct message);
}

/* The ones with the lowest numbers are given out first. */
static void message_pool_order_wides(struct message_pool *pool) {
    assert(pool->wides_free == MESSAGE_WIDES_MAX);
    for (uint32_t i = 0; i < MESSAGE_WIDES_MAX; i++) {
        pool->wides[i] = (uint8_t)(MESSAGE_WIDES_MAX - 1 - i);
    }
}

int message_pool_init(struct message_pool *pool, uint32_t count) {
    void *memory = mmap(NULL, message_pool_bytes(count), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    *pool = (struct message_pool){.messages = (void *)((char *)memory + WIDES_BYTES),
                                  .wide = memory,
                                  .count = count,
                                  .wides_free = MESSAGE_WIDES_MAX};
    message_pool_order_wides(pool);
    return 0;
}

void message_pool_finish(struct message_pool *pool) {
    if (pool->messages) {
        munmap(pool->wide, message_pool_bytes(pool->count));
    }
    *pool = (struct message_pool){0};
}

struct message *message_take(struct message_pool *pool) {
    struct message *message = pool->free;
    if (message) {
        pool->free = message->next;
        __builtin_prefetch(pool->free, 1); /* the next one, whose own next is read first of all */
    } else if (pool->used_ever < pool->count) {
        message = &pool->messages[pool->used_ever++];
        pool->is_large |= pool->used_ever > MESSAGE_POOL_KEPT;
    } else {
        return NULL;
    }
    pool->out++;
    memset(message, 0, offsetof(struct message, request));
    message->wide = NULL;
    return message;
}

bool message_widen(struct message_pool *pool, struct message *message, bool comes_back) {
    if (message->wide) {
        return true;
    }
    if (pool->wides_free <= (comes_back ? 0 : MESSAGE_WIDES_SPARE)) {
        return false;
    }
    uint32_t number = pool->wides[--pool->wides_free];
    pool->wides_touched = number < pool->wides_touched ? pool->wides_touched : number + 1;
    pool->is_large |= pool->wides_touched > MESSAGE_WIDES_KEPT;
    message->wide = pool->wide + number * MESSAGE_VALUE_BYTES_MAX;
    return true;
}

void message_narrow(struct message_pool *pool, struct message *message) {
    if (message->wide) {
        size_t number = (size_t)(message->wide - pool->wide) / MESSAGE_VALUE_BYTES_MAX;
        pool->wides[pool->wides_free++] = (uint8_t)number;
        message->wide = NULL;
    }
}

void message_park(struct message_pool *pool, struct message *message) {
    if (message->parked) {
        return;
    }
    message->parked = true;
    pool->out--;
    pool->parked++;
}

void message_give(struct message_pool *pool, struct message *message) {
    if (message->parked) {
        assert(pool->parked > 0);
        pool->parked--;
    } else {
        assert(pool->out > 0);
        pool->out--;
    }
    message_narrow(pool, message);
    message->next = pool->free;
    pool->free = message;
}

size_t message_pool_touched(const struct message_pool *pool) {
    return pool->wides_touched * MESSAGE_VALUE_BYTES_MAX + pool->used_ever * sizeof(struct message);
}

static void message_pool_trim_wides(struct message_pool *pool) {
    if (pool->wides_free < MESSAGE_WIDES_MAX || pool->wides_touched <= MESSAGE_WIDES_KEPT) {
        return;
    }
    madvise(pool->wide + MESSAGE_WIDES_KEPT * MESSAGE_VALUE_BYTES_MAX,
            (pool->wides_touched - MESSAGE_WIDES_KEPT) * MESSAGE_VALUE_BYTES_MAX, MADV_DONTNEED);
    pool->wides_touched = MESSAGE_WIDES_KEPT;
    message_pool_order_wides(pool);
}

void message_pool_trim(struct message_pool *pool) {
    message_pool_trim_wides(pool);
    if (pool->out + pool->parked == 0 && pool->used_ever > MESSAGE_POOL_KEPT) {
        madvise(pool->messages, pool->used_ever * sizeof(struct message), MADV_DONTNEED);
        pool->free = NULL;
        pool->used_ever = 0;
    }
    pool->is_large =
        pool->wides_touched > MESSAGE_WIDES_KEPT || pool->used_ever > MESSAGE_POOL_KEPT;
}

void message_pool_check(const struct message_pool *pool) {
    uint32_t free = 0;
    for (const struct message *message = pool->free; message; message = message->next) {
        free++;
        assert(free <= pool->used_ever);
    }
    assert(pool->used_ever <= pool->count);
    assert(free + pool->out + pool->parked == pool->used_ever);
    assert(pool->wides_free <= MESSAGE_WIDES_MAX);
    for (uint32_t i = 0; i < pool->wides_free; i++) {
        assert(pool->wides[i] < MESSAGE_WIDES_MAX);
    }
}

void message_keep_request(struct message *message, const struct request *request, uint64_t hash) {
    assert(request->key_length <= KEY_LENGTH_MAX);
    message->hash = hash;
    message->request = *request;
    if (request->key_length) {
        memcpy(message->key, request->key, request->key_length);
    }
    message->request.key = message->key;
    if (request->token_length) {
        message->request.token = message->key + request->key_length;
        memcpy(message->key + request->key_length, request->token, request->token_length);
    }
    message->request.value = NULL;
}

/* Copies a value into the message. Returns the copy. */
static const char *copy_value(struct message *message, const char *value, uint32_t length) {
    assert(length <= MESSAGE_VALUE_BYTES_MAX);
    assert(message_fits(message, length));
    char *place = length <= MESSAGE_VALUE_BYTES_NEAR ? message->value : message->wide;
    if (length > 0) {
        memcpy(place, value, length);
    }
    return place;
}

void message_set_request(struct message *message, const struct request *request, uint64_t hash) {
    message_keep_request(message, request, hash);
    if (!request->value) {
        return;
    }
    message->request.value = copy_value(message, request->value, request->value_length);
}

void message_set_result(struct message *message, const struct result *result) {
    message->result = *result;
    if (!result->value) {
        return;
    }
    if (!message_fits(message, result->value_length)) {
        message->result.value = NULL;
        message->refused = true;
        return;
    }
    message->result.value = copy_value(message, result->value, result->value_length);
}
