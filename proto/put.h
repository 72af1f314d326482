/* What the reply writers of the protocols share. Private to proto/. */
#ifndef PROTO_PUT_H
#define PROTO_PUT_H

#include "proto/reply.h"

#include <string.h>

/* Each writes the reply of its protocol as reply_write() and its companions do. */
size_t text_reply_write(char *out, const struct request *request, const struct result *result);
size_t binary_reply_write(char *out, const struct request *request, const struct result *result);
size_t meta_reply_write(char *out, const struct request *request, const struct result *result);

/* The lines of text for a request that was refused, and for one that failed. */
size_t text_reply_error(char *out, enum proto_error error);
size_t text_reply_failure(char *out, enum result_status status);

size_t text_reply_stat(char *out, const char *name, const char *value);
size_t binary_reply_stat(char *out, const struct request *request, const char *name,
                         const char *value);
size_t binary_reply_stats_end(char *out, const struct request *request);
size_t binary_reply_stats_unknown(char *out, const struct request *request);
size_t binary_reply_stats_line(char *out, const struct request *request, const char *line);

/* The slab class that is reported for every item: there is but one. */
#define REPLY_CLASS "1"

/* Appends bytes and returns what follows them. */
static inline char *reply_put(char *out, const void *bytes, size_t length) {
    memcpy(out, bytes, length);
    return out + length;
}

/* The same for a string literal. */
#define REPLY_PUT(out, literal) reply_put((out), (literal), sizeof(literal) - 1)

#endif
