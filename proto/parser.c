#include "proto/parser.h"
#include "proto/binary.h"

#include <assert.h>
#include <string.h>

void parser_init(struct parser *parser, uint32_t value_length_max) {
    *parser = (struct parser){
        .protocol = PROTOCOL_UNKNOWN,
        .value_length_max = value_length_max,
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

static enum parse_status parse(struct parser *parser, const char *bytes, size_t length,
                               char *key_space, struct request *request, size_t *used) {
    if (length == 0) {
        return parse_more(parser, 1);
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
    parser->no_memory = false;
    *used = swallowed + parsed;
    assert(*used <= length);
    return status;
}
