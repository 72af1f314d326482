#include "proto/value.h"

/* For a parser with no_cas, where every item's CAS is 0: matches no item. */
#define CAS_OF_NO_ITEM UINT64_MAX

/* As in memcached a greater length is a mistake of the line. */
#define VALUE_LENGTH_PLAUSIBLE_MAX (INT32_MAX - VALUE_END_LENGTH)

bool value_take_length(struct line *line, uint32_t *length) {
    int64_t wide;
    if (!line_take_i32(line, &wide) || wide < 0 || wide > VALUE_LENGTH_PLAUSIBLE_MAX) {
        return false;
    }
    *length = (uint32_t)wide;
    return true;
}

enum parse_status value_refuse(struct parse *parse, bool delete_old, enum proto_error error) {
    struct request *request = parse->request;
    parse->parser->skip = (uint64_t)request->value_length + VALUE_END_LENGTH;
    request->refused_op = request->op;
    request->op = delete_old ? OP_REJECT : OP_ERROR;
    if (error != PROTO_ERROR_TOO_LARGE) {
        request->key_length = 0; /* it may be longer than a key can be */
    }
    request->error = (uint8_t)error;
    return PARSE_REQUEST;
}

/* The line is parsed again once the value is here: that is cheaper than keeping the request. */
static enum parse_status value_wait(struct parse *parse, const struct line *line,
                                    size_t block_length) {
    parse->parser->scanned = (uint32_t)(line->newline - line->start);
    parse->next = parse->bytes;
    return parse_more(parse, (size_t)(line->next - line->start) + block_length);
}

/* What a condition on the CAS means for a parser with no_cas. */
static void value_override_cas(struct request *request) {
    if (request->op == OP_APPEND || request->op == OP_PREPEND) {
        request->compare_cas = false;
    }
    request->cas = CAS_OF_NO_ITEM;
}

enum parse_status value_take_block(struct parse *parse, const struct line *line) {
    struct request *request = parse->request;
    size_t block_length = (size_t)request->value_length + VALUE_END_LENGTH;
    if (line->after_next < block_length) {
        return value_wait(parse, line, block_length);
    }
    parse->next = line->next + block_length;
    request->value = line->next;
    if (memcmp(line->next + request->value_length, VALUE_END, VALUE_END_LENGTH) != 0) {
        request->op = OP_ERROR;
        request->error = PROTO_ERROR_DATA_CHUNK;
    }
    return PARSE_REQUEST;
}

enum parse_status value_take(struct parse *parse, const struct line *line, bool delete_on_refusal) {
    struct parser *parser = parse->parser;
    struct request *request = parse->request;
    if (request->value_length > parser->value_length_max) {
        return value_refuse(parse, delete_on_refusal, PROTO_ERROR_TOO_LARGE);
    }
    if (parser->no_cas) {
        value_override_cas(request);
    }
    if (request->value_length <= parser->upload_from) {
        return value_take_block(parse, line);
    }
    request->upload = true;
    request->delete_on_refusal = delete_on_refusal;
    parser->upload = (uint64_t)request->value_length + VALUE_END_LENGTH;
    return PARSE_REQUEST;
}
