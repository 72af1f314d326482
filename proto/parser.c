#include "proto/parser.h"

#include "proto/binary/packet.h"
#include "proto/parse.h"

#include <assert.h>
#include <string.h>

void parser_init(struct parser *parser, uint32_t value_length_max, uint32_t upload_from) {
    *parser = (struct parser){
        .protocol = PROTOCOL_UNKNOWN,
        .value_length_max = value_length_max,
        .upload_from = upload_from,
        .need = 1,
    };
}

/* No text command begins with the magic of a binary request, so the first byte tells. */
static enum protocol tell_protocol(char first) {
    return (unsigned char)first == BINARY_REQUEST_MAGIC ? PROTOCOL_BINARY : PROTOCOL_TEXT;
}

/* Drops what is here of a refused value. Returns how many bytes that is. */
static size_t swallow(struct parser *parser, size_t length) {
    size_t taken = parser->skip < length ? (size_t)parser->skip : length;
    parser->skip -= taken;
    return taken;
}

static bool begins_with_word(const char *words, size_t length, const char *word) {
    size_t there = strlen(word);
    return length >= there && memcmp(words, word, there) == 0 &&
           (length == there || words[there] == ' ');
}

enum proto_error stats_refusal(const struct parser *parser, const char *words, size_t length) {
    if (parser->no_dump && begins_with_word(words, length, "detail")) {
        return PROTO_ERROR_DETAIL;
    }
    if (parser->no_dump && begins_with_word(words, length, "cachedump")) {
        return PROTO_ERROR_CACHEDUMP;
    }
    return PROTO_ERROR_NONE;
}

/* Fewer bytes than these are not worth a request of their own, unless they are the last. */
#define PART_LENGTH_MIN 8192

_Static_assert(PART_LENGTH_MIN <= UPLOAD_PART_LENGTH_MAX, "a part can be as long as it must be");

static enum parse_status take_part(struct parser *parser, enum op op, const char *bytes,
                                   uint64_t length, struct request *request, size_t *used) {
    *request = (struct request){
        .op = (uint8_t)op,
        .protocol = parser->protocol,
        .value = bytes,
        .value_length = (uint32_t)length,
    };
    *used = length;
    parser->upload -= length;
    return PARSE_REQUEST;
}

/* The rest of a value, with text's \r\n. */
static enum parse_status take_last_part(struct parser *parser, const char *bytes, uint64_t length,
                                        struct request *request, size_t *used) {
    take_part(parser, OP_UPLOAD_END, bytes, length, request, used);
    if (parser->upload > 0) {
        bool ends = memcmp(bytes + length, TEXT_VALUE_END, TEXT_VALUE_END_LENGTH) == 0;
        request->error = ends ? PROTO_ERROR_NONE : PROTO_ERROR_DATA_CHUNK;
    }
    *used += parser->upload;
    parser->upload = 0;
    return PARSE_REQUEST;
}

/* The next bytes of a value that isn't waited for. The last ones come with the end, so that in
 * binary, too, a request has bytes of its own. */
static enum parse_status parse_upload(struct parser *parser, const char *bytes, size_t length,
                                      struct request *request, size_t *used) {
    size_t behind = parser->protocol == PROTOCOL_TEXT ? TEXT_VALUE_END_LENGTH : 0;
    uint64_t left = parser->upload - behind;
    if (parser->upload <= length && left <= UPLOAD_PART_LENGTH_MAX) {
        return take_last_part(parser, bytes, left, request, used);
    }
    size_t need = parser->upload < PART_LENGTH_MIN ? (size_t)parser->upload : PART_LENGTH_MIN;
    if (length < need) {
        return parse_more(parser, need);
    }
    uint64_t part = length < UPLOAD_PART_LENGTH_MAX ? length : UPLOAD_PART_LENGTH_MAX;
    return take_part(parser, OP_UPLOAD_PART, bytes, part < left ? part : left, request, used);
}

size_t parser_upload_left(const struct parser *parser) {
    size_t behind = parser->protocol == PROTOCOL_TEXT ? TEXT_VALUE_END_LENGTH : 0;
    return parser->upload > behind ? (size_t)parser->upload - behind - 1 : 0;
}

void parser_uploaded(struct parser *parser, size_t length) {
    assert(length <= parser_upload_left(parser));
    parser->upload -= length;
}

static enum parse_status parse(struct parser *parser, const char *bytes, size_t length,
                               char *key_space, struct request *request, size_t *used) {
    if (length == 0) {
        return parse_more(parser, 1);
    }
    if (parser->upload > 0) {
        return parse_upload(parser, bytes, length, request, used);
    }
    switch ((enum protocol)parser->protocol) {
    case PROTOCOL_TEXT:
        return text_parse(parser, bytes, length, key_space, request, used);
    case PROTOCOL_BINARY:
        return binary_parse(parser, bytes, length, request, used);
    case PROTOCOL_UNKNOWN:
        parser->protocol = (uint8_t)tell_protocol(bytes[0]);
        return parse(parser, bytes, length, key_space, request, used);
    case PROTOCOL_META:
        break;
    }
    assert(false);
    return PARSE_CLOSE;
}

enum parse_status parser_next(struct parser *parser, const char *bytes, size_t length,
                              char *key_space, struct request *request, size_t *used) {
    size_t swallowed = 0;
    if (parser->skip > 0) {
        swallowed = swallow(parser, length);
    }
    size_t parsed = 0;
    enum parse_status status =
        parse(parser, bytes + swallowed, length - swallowed, key_space, request, &parsed);
    *used = swallowed + parsed;
    assert(*used <= length);
    return status;
}
