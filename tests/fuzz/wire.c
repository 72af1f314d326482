#include "tests/fuzz/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_HEAD_BYTES 5

void wire_insert(struct wire *wire, size_t at, const void *bytes, size_t length) {
    char *longer = malloc(wire->length + length + 1);
    assert(longer && at <= wire->length);
    if (wire->length > 0) {
        memcpy(longer, wire->bytes, at);
        memcpy(longer + at + length, wire->bytes + at, wire->length - at);
    }
    if (length > 0) {
        memcpy(longer + at, bytes, length); /* which may be on the wire */
    }
    free(wire->bytes);
    wire->bytes = longer;
    wire->length += length;
}

void wire_put(struct wire *wire, const void *bytes, size_t length) {
    wire_insert(wire, wire->length, bytes, length);
}

void wire_drop(struct wire *wire, size_t at, size_t length) {
    if (length > 0) {
        memmove(wire->bytes + at, wire->bytes + at + length, wire->length - at - length);
    }
    wire->length -= length;
}

size_t wire_record(const struct wire *wire, size_t at) {
    const unsigned char *head = (const unsigned char *)wire->bytes + at;
    size_t left = wire->length - at;
    if (left < RECORD_HEAD_BYTES) {
        return left;
    }
    size_t length = RECORD_HEAD_BYTES + 256 * (size_t)head[3] + head[4];
    return length < left ? length : left;
}

void wire_finish(struct wire *wire) {
    free(wire->bytes);
    *wire = (struct wire){0};
}
