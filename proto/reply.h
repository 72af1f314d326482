/* What the reply writers of the protocols share. Private to proto/. */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include "proto/proto.h"

#include <string.h>

/* Each writes the reply of its protocol as reply_write() and its companions do. */
size_t text_reply_write(char *out, const struct request *request, const struct result *result);
size_t binary_reply_write(char *out, const struct request *request, const struct result *result);

size_t text_reply_stat(char *out, const char *name, const char *value);
size_t binary_reply_stat(char *out, const struct request *request, const char *name,
                         const char *value);
size_t binary_reply_stats_end(char *out, const struct request *request);
size_t binary_reply_stats_unknown(char *out, const struct request *request);

/* Appends bytes and returns what follows them. */
static inline char *reply_put(char *out, const void *bytes, size_t length) {
    memcpy(out, bytes, length);
    return out + length;
}

/* The same for a string literal. */
#define REPLY_PUT(out, literal) reply_put((out), (literal), sizeof(literal) - 1)

#endif
