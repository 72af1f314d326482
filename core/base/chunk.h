/* chunk: a block of memory for a part of a long answer, filled on one shard and read on another. */
#ifndef CORE_BASE_CHUNK_H
#define CORE_BASE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>

struct chunk {
    char *bytes;
    size_t length;
    size_t capacity;
};

/* True when `bytes` more fit. */
static inline bool chunk_has_space(const struct chunk *chunk, size_t bytes) {
    return chunk->capacity - chunk->length >= bytes;
}

#endif
