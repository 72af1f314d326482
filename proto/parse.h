/* What the parsers of the protocols share. Private to proto/. */
#ifndef PROTO_PARSE_H
#define PROTO_PARSE_H

#include "proto/parser.h"

/* What stands behind a value block in text. */
#define TEXT_VALUE_END "\r\n"
#define TEXT_VALUE_END_LENGTH 2

/* Each takes the next request of its protocol from bytes[0..length), length > 0, as parser_next()
 * does; *used is 0 on entry. */
enum parse_status text_parse(struct parser *parser, const char *bytes, size_t length,
                             char *key_space, struct request *request, size_t *used);
enum parse_status binary_parse(struct parser *parser, const char *bytes, size_t length,
                               struct request *request, size_t *used);

/* What is wrong with a sub-command of stats where the caller has forbidden dumps. */
enum proto_error stats_refusal(const struct parser *parser, const char *words, size_t length);

/* Says that the parser can't go on before there are `need` bytes behind those used. */
static inline enum parse_status parse_more(struct parser *parser, size_t need) {
    parser->need = need;
    return PARSE_MORE;
}

#endif
