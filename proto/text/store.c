/* Text: set, add, replace, append, prepend and cas, which carry a value block behind their line. */
#include "proto/text/text.h"

/* Where it is 0 for all of them. */
#define CAS_OF_NO_ITEM UINT64_MAX

/* A length beyond this is taken for a mistake of the line, so that nothing is swallowed. */
#define VALUE_LENGTH_PLAUSIBLE_MAX (INT32_MAX - TEXT_VALUE_END_LENGTH)

bool text_take_value_length(struct text_line *line, uint32_t *length) {
    return text_take_u32(line, length) && *length <= VALUE_LENGTH_PLAUSIBLE_MAX;
}

/* <key> <flags> <exptime> <bytes> [<cas>] [noreply]. False when a field other than the length is
 * malformed; *length_ok tells of that one. */
static bool parse_fields(const struct text_command *command, struct text_line *line,
                         struct request *request, bool *length_ok) {
    struct text_word key = text_take_word(line);
    *request = (struct request){
        .op = command->op,
        .protocol = PROTOCOL_TEXT,
        .quiet = text_line_is_quiet(line),
        .compare_cas = command->cas,
        .key_length = (uint16_t)key.length,
        .key = key.start,
    };
    bool ok = text_key_fits(key);
    ok &= text_take_u32(line, &request->client_flags);
    ok &= text_take_i64(line, &request->exptime);
    *length_ok = text_take_value_length(line, &request->value_length);
    if (command->cas) {
        ok &= text_take_u64(line, &request->cas);
    }
    return ok;
}

enum parse_status text_refuse_value(struct parser *parser, bool drops, enum proto_error error,
                                    struct request *request) {
    parser->skip = (uint64_t)request->value_length + TEXT_VALUE_END_LENGTH;
    request->op = drops ? OP_REJECT : OP_ERROR;
    if (!drops) {
        request->key_length = 0; /* it may be longer than a key can be */
    }
    request->error = (uint8_t)error;
    return PARSE_REQUEST;
}

/* The header is parsed anew once the value is here: that is cheaper than keeping it. */
static enum parse_status wait_for_value(struct parser *parser, const struct text_line *line,
                                        size_t block_length, size_t *used) {
    size_t header_length = *used;
    parser->scanned = (uint32_t)(line->newline - line->start);
    *used = 0;
    return parse_more(parser, header_length + block_length);
}

/* For a parser with no_cas. */
static void settle_cas(struct request *request) {
    if (request->op == OP_APPEND || request->op == OP_PREPEND) {
        request->compare_cas = false;
    }
    request->cas = CAS_OF_NO_ITEM;
}

enum parse_status text_take_block(struct parser *parser, const struct text_line *line,
                                  struct request *request, size_t *used) {
    size_t block_length = (size_t)request->value_length + TEXT_VALUE_END_LENGTH;
    if (line->after_next < block_length) {
        return wait_for_value(parser, line, block_length, used);
    }
    *used += block_length;
    request->value = line->next;
    if (memcmp(line->next + request->value_length, TEXT_VALUE_END, TEXT_VALUE_END_LENGTH) != 0) {
        request->op = OP_ERROR;
        request->error = PROTO_ERROR_DATA_CHUNK;
    }
    return PARSE_REQUEST;
}

enum parse_status text_take_value(struct parser *parser, const struct text_line *line, bool drops,
                                  struct request *request, size_t *used) {
    if (request->value_length > parser->value_length_max) {
        return text_refuse_value(parser, drops, PROTO_ERROR_TOO_LARGE, request);
    }
    if (parser->no_cas) {
        settle_cas(request);
    }
    if (request->value_length <= parser->upload_from) {
        return text_take_block(parser, line, request, used);
    }
    request->upload = true;
    request->delete_on_refusal = drops;
    parser->upload = (uint64_t)request->value_length + TEXT_VALUE_END_LENGTH;
    return PARSE_REQUEST;
}

/* Only a refused set drops the old value of its key: what a failed set leaves behind would be
 * stale, the others say that they change something that is there. */
enum parse_status text_parse_store(struct parser *parser, const struct text_command *command,
                                   struct text_line *line, struct request *request, size_t *used) {
    bool length_ok;
    bool fields_ok = parse_fields(command, line, request, &length_ok);
    if (!length_ok) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    if (!fields_ok) {
        return text_refuse_value(parser, false, PROTO_ERROR_FORMAT, request);
    }
    bool drops = request->op == OP_SET && !request->compare_cas;
    return text_take_value(parser, line, drops, request, used);
}
