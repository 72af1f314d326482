/* binary: the binary protocol's side of parser_next() and reply_write(). Private to proto/. */
#ifndef PROTO_BINARY_BINARY_H
#define PROTO_BINARY_BINARY_H

#include "proto/parse.h"

/* Takes the next request from parse->bytes, of which there is at least one. */
enum parse_status binary_parse(struct parse *parse);

/* The name of the request's opcode, or NULL if it has none. */
const char *binary_opcode_name(uint8_t opcode);

size_t binary_reply_write(char *out, const struct request *request, const struct result *result);
size_t binary_reply_stat(char *out, const struct request *request, const char *name,
                         const char *value);
size_t binary_reply_stat_head(char *out, const struct request *request, const char *name,
                              uint32_t value_length);
size_t binary_reply_stats_end(char *out, const struct request *request);
size_t binary_reply_stats_unknown(char *out, const struct request *request);
size_t binary_reply_stats_line(char *out, const struct request *request, const char *line);

#endif
