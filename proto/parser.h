/* What the parsers of the protocols share. Private to proto/. */
#ifndef PROTO_PARSER_H
#define PROTO_PARSER_H

#include "proto/proto.h"

/* What stands behind a value block in text. */
#define TEXT_VALUE_END "\r\n"
#define TEXT_VALUE_END_LENGTH 2

/* Each takes the next request of its protocol from bytes[0..length), length > 0, as parser_next()
 * does; *used is 0 on entry. */
enum parse_status text_parse(struct parser *parser, const char *bytes, size_t length,
                             char *key_space, struct request *request, size_t *used);
enum parse_status binary_parse(struct parser *parser, const char *bytes, size_t length,
                               struct request *request, size_t *used);

/* Whether a SASL mechanism is the one that is understood. */
bool login_mechanism_is_plain(const char *mechanism, size_t length);

/* Says that the parser can't go on before there are `need` bytes behind those used. */
static inline enum parse_status parse_more(struct parser *parser, size_t need) {
    parser->need = need;
    return PARSE_MORE;
}

#endif
