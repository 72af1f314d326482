#include "core/mesh/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(KEY_LENGTH_MAX + META_OPAQUE_LENGTH_MAX <= MESSAGE_KEY_BYTES,
               "key and opaque fit their place in a message");

/* A message and its part of the wide range. */
#define MESSAGE_BYTES (sizeof(struct message) + MESSAGE_VALUE_BYTES_MAX)

uint64_t message_pool_bytes(uint64_t count) {
    return count * MESSAGE_BYTES;
}

int message_pool_init(struct message_pool *pool, uint32_t count) {
    void *memory = mmap(NULL, count * MESSAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    *pool = (struct message_pool){.messages = memory,
                                  .wide = (char *)memory + count * sizeof(struct message),
                                  .count = count};
    return 0;
}

void message_pool_finish(struct message_pool *pool) {
    if (pool->messages) {
        munmap(pool->messages, pool->count * MESSAGE_BYTES);
    }
    *pool = (struct message_pool){0};
}

struct message *message_take(struct message_pool *pool) {
    struct message *message = pool->free;
    if (message) {
        pool->free = message->next;
    } else if (pool->used_ever < pool->count) {
        message = &pool->messages[pool->used_ever++];
    } else {
        return NULL;
    }
    pool->out++;
    memset(message, 0, offsetof(struct message, request));
    message->wide = pool->wide + (size_t)(message - pool->messages) * MESSAGE_VALUE_BYTES_MAX;
    return message;
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
    message->next = pool->free;
    pool->free = message;
}

void message_pool_check(const struct message_pool *pool) {
    uint32_t free = 0;
    for (const struct message *message = pool->free; message; message = message->next) {
        free++;
        assert(free <= pool->used_ever);
    }
    assert(pool->used_ever <= pool->count);
    assert(free + pool->out + pool->parked == pool->used_ever);
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
    message->result.value = copy_value(message, result->value, result->value_length);
}
