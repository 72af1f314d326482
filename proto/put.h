/* put: appends bytes to a reply. Private to proto/. */
#ifndef PROTO_PUT_H
#define PROTO_PUT_H

#include <string.h>

/* Appends bytes and returns what follows them. */
static inline char *put_bytes(char *out, const void *bytes, size_t length) {
    memcpy(out, bytes, length);
    return out + length;
}

/* The same for a string literal. */
#define PUT_LITERAL(out, literal) put_bytes((out), (literal), sizeof(literal) - 1)

#endif
