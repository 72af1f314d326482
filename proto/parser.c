#include "proto/parser.h"

#include <assert.h>
#include <string.h>

#include "proto/binary/binary.h"
#include "proto/binary/packet.h"
#include "proto/text/text.h"
#include "proto/value.h"

void parser_init(struct parser *parser, uint32_t value_length_max, uint32_t upload_from) {
    *parser = (struct parser){
        .protocol = PROTOCOL_UNKNOWN,
        .value_length_max = value_length_max,
        .upload_from = upload_from,
        .need = 1,
    };
}

/* No text command begins with the magic of a binary request, so the first byte tells. */
static enum protocol parser_tell_protocol(char first) {
    return (unsigned char)first == BINARY_REQUEST_MAGIC ? PROTOCOL_BINARY : PROTOCOL_TEXT;
}

/* Skips what is here of a refused value. */
static void parser_skip_value(struct parse *parse) {
    struct parser *parser = parse->parser;
    size_t length = parser->skip < parse->length ? (size_t)parser->skip : parse->length;
    parser->skip -= length;
    parse_skip(parse, length);
}

/* Fewer bytes of an upload are not worth a request of their own, unless they are the last. */
#define PART_LENGTH_MIN 8192

_Static_assert(PART_LENGTH_MIN <= UPLOAD_PART_LENGTH_MAX, "the shortest part is a part");

/* How many bytes follow the value of an upload. */
static size_t parser_upload_end_length(const struct parser *parser) {
    return parser->protocol == PROTOCOL_TEXT ? VALUE_END_LENGTH : 0;
}

static enum parse_status parser_take_part(struct parse *parse, enum op op, uint64_t length) {
    *parse->request = (struct request){
        .op = (uint8_t)op,
        .protocol = parse->parser->protocol,
        .value = parse->bytes,
        .value_length = (uint32_t)length,
    };
    parse->next = parse->bytes + length;
    parse->parser->upload -= length;
    return PARSE_REQUEST;
}

/* The rest of a value, with text's \r\n. */
static enum parse_status parser_take_last_part(struct parse *parse, uint64_t length) {
    struct parser *parser = parse->parser;
    parser_take_part(parse, OP_UPLOAD_END, length);
    if (parser->upload > 0) {
        bool ends = memcmp(parse->next, VALUE_END, VALUE_END_LENGTH) == 0;
        parse->request->error = ends ? PROTO_ERROR_NONE : PROTO_ERROR_DATA_CHUNK;
    }
    parse->next += parser->upload;
    parser->upload = 0;
    return PARSE_REQUEST;
}

/* The next bytes of a value that isn't waited for. The last ones come with the OP_UPLOAD_END, so
 * that this has bytes of its own in binary, too. */
static enum parse_status parser_parse_upload(struct parse *parse) {
    const struct parser *parser = parse->parser;
    uint64_t left = parser->upload - parser_upload_end_length(parser);
    if (parser->upload <= parse->length && left <= UPLOAD_PART_LENGTH_MAX) {
        return parser_take_last_part(parse, left);
    }
    size_t need = parser->upload < PART_LENGTH_MIN ? (size_t)parser->upload : PART_LENGTH_MIN;
    if (parse->length < need) {
        return parse_more(parse, need);
    }
    uint64_t part = parse->length < UPLOAD_PART_LENGTH_MAX ? parse->length : UPLOAD_PART_LENGTH_MAX;
    return parser_take_part(parse, OP_UPLOAD_PART, part < left ? part : left);
}

size_t parser_upload_left(const struct parser *parser) {
    size_t behind = parser_upload_end_length(parser);
    return parser->upload > behind ? (size_t)parser->upload - behind - 1 : 0;
}

void parser_uploaded(struct parser *parser, size_t length) {
    assert(length <= parser_upload_left(parser));
    parser->upload -= length;
}

bool parser_has_header(const struct parser *parser, const char *bytes, size_t length) {
    if (parser->protocol == PROTOCOL_BINARY) {
        return length >= BINARY_HEADER_LENGTH;
    }
    return length > 0 && memchr(bytes, '\n', length);
}

enum parse_status parser_next(struct parse *parse) {
    struct parser *parser = parse->parser;
    parse->next = parse->bytes;
    if (parser->skip > 0) {
        parser_skip_value(parse);
    }
    if (parse->length == 0) {
        return parse_more(parse, 1);
    }
    if (parser->upload > 0) {
        return parser_parse_upload(parse);
    }
    if (parser->protocol == PROTOCOL_UNKNOWN) {
        parser->protocol = (uint8_t)parser_tell_protocol(parse->bytes[0]);
    }
    return parser->protocol == PROTOCOL_TEXT ? text_parse(parse) : binary_parse(parse);
}
