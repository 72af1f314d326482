/* parse: helpers of the parsers for struct parse. Private to proto/. */
#ifndef PROTO_PARSE_H
#define PROTO_PARSE_H

#include "proto/parser.h"

/* Consumes bytes at the front that are part of no request. */
static inline void parse_skip(struct parse *parse, size_t length) {
    parse->bytes += length;
    parse->length -= length;
    parse->next = parse->bytes;
}

/* The parser can't go on before there are `need` bytes from parse->next on. */
static inline enum parse_status parse_more(const struct parse *parse, size_t need) {
    parse->parser->need = need;
    return PARSE_MORE;
}

#endif
