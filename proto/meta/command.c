/* Text: the meta commands mg, ms, md, ma, me and mn. */
#include "proto/meta/flags.h"

/* A shorter line is malformed, whatever it says: mn with a bare newline. */
#define LINE_LENGTH_MIN 4

/* The words of a command without a value before its flags: itself and its key. */
#define WORDS_BEFORE_FLAGS 2

static void fill(struct request *request, const struct text_command *command,
                 struct text_word key) {
    *request = (struct request){
        .op = command->op,
        .protocol = PROTOCOL_META,
        .key_length = (uint16_t)key.length,
        .key = key.start,
        .delta = command->op == OP_INCR, /* unless D says otherwise */
    };
}

/* A condition on the CAS that holds for 0, too, or stands for no condition then. */
static bool compares(const struct request *request) {
    return (request->meta & META_COMPARE_EQUAL) != 0;
}

static bool compares_other_than_0(const struct request *request) {
    return compares(request) && request->cas != 0;
}

/* The key and the flags of a line without a value. */
static inline enum proto_error take_flags(const struct text_command *command,
                                          enum meta_command meta, struct text_line *line,
                                          struct request *request, char *mode) {
    struct text_word key = text_take_word(line);
    fill(request, command, key);
    return text_key_fits(key) ? meta_take_flags(line, meta, request, mode) : PROTO_ERROR_FORMAT;
}

/* What is wrong with one is told, unless it is no command at all. */
static enum parse_status refuse_flags(const struct text_line *line, struct request *request,
                                      enum proto_error error) {
    bool malformed = meta_line_is_malformed(line, WORDS_BEFORE_FLAGS);
    return text_error(request, malformed ? PROTO_ERROR_FORMAT : error);
}

/* mg <key> <flag>* */
enum parse_status text_parse_meta_get(struct parser *parser, const struct text_command *command,
                                      struct text_line *line, struct request *request,
                                      size_t *used) {
    (void)parser, (void)used;
    char mode;
    enum proto_error error = take_flags(command, META_COMMAND_GET, line, request, &mode);
    if (error != PROTO_ERROR_NONE) {
        return refuse_flags(line, request, error);
    }
    request->meta &= META_RETURN_VALUE | META_COMPARE_EQUAL | META_VIVIFY | META_RECACHE |
                     META_TOUCH | META_NO_BUMP | META_SET_CAS | META_BASE64 | META_TTL_AFTER |
                     META_RECACHE_AFTER;
    return PARSE_REQUEST;
}

/* md <key> <flag>* */
enum parse_status text_parse_meta_delete(struct parser *parser, const struct text_command *command,
                                         struct text_line *line, struct request *request,
                                         size_t *used) {
    (void)parser, (void)used;
    char mode;
    enum proto_error error = take_flags(command, META_COMMAND_DELETE, line, request, &mode);
    if (error != PROTO_ERROR_NONE) {
        return refuse_flags(line, request, error);
    }
    bool stays = (request->meta & (META_INVALIDATE | META_EMPTY)) != 0;
    request->compare_cas = compares(request);
    request->meta &=
        META_INVALIDATE | META_EMPTY | META_SET_CAS | META_BASE64 | (stays ? META_TOUCH : 0);
    return PARSE_REQUEST;
}

/* ma <key> <flag>* */
enum parse_status text_parse_meta_delta(struct parser *parser, const struct text_command *command,
                                        struct text_line *line, struct request *request,
                                        size_t *used) {
    (void)parser, (void)used;
    char mode;
    enum proto_error error = take_flags(command, META_COMMAND_DELTA, line, request, &mode);
    if (error != PROTO_ERROR_NONE) {
        bool opaque = error == PROTO_ERROR_FLAG_OPAQUE;
        return refuse_flags(line, request, opaque ? error : PROTO_ERROR_DELTA_FLAGS);
    }
    if (mode == 'D' || mode == '-') {
        request->op = OP_DECR;
    } else if (mode != '\0' && mode != 'I' && mode != '+') {
        return text_error(request, PROTO_ERROR_FLAG_DELTA_MODE);
    }
    request->compare_cas = compares_other_than_0(request);
    request->create = (request->meta & META_VIVIFY) != 0;
    request->meta &=
        META_RETURN_VALUE | META_VIVIFY | META_TOUCH | META_SET_CAS | META_BASE64 | META_TTL_AFTER;
    return PARSE_REQUEST;
}

/* False when there is no such mode. */
static bool choose_store(struct request *request, char mode) {
    switch (mode) {
    case '\0':
    case 'S':
        request->op = OP_SET;
        return true;
    case 'E':
        request->op = OP_ADD;
        return true;
    case 'A':
        request->op = OP_APPEND;
        return true;
    case 'P':
        request->op = OP_PREPEND;
        return true;
    case 'R':
        request->op = OP_REPLACE;
        return true;
    default:
        return false;
    }
}

/* As in memcached, a CAS makes a replace a set on that condition, and an add takes no notice. */
static void settle_store(struct request *request) {
    bool extends = request->op == OP_APPEND || request->op == OP_PREPEND;
    if (extends) {
        request->compare_cas = compares_other_than_0(request);
    } else if (request->op != OP_ADD && compares(request)) {
        request->op = OP_SET;
        request->compare_cas = true;
    }
    bool may_be_older = request->op == OP_SET && request->compare_cas;
    request->meta &= META_SET_CAS | META_BASE64 | (extends ? META_VIVIFY : 0) |
                     (may_be_older ? META_INVALIDATE : 0);
}

static enum proto_error take_store_flags(struct text_line *line, struct request *request) {
    char mode;
    if (request->key_length > KEY_LENGTH_MAX) {
        return PROTO_ERROR_FORMAT;
    }
    enum proto_error error = meta_take_flags(line, META_COMMAND_STORE, request, &mode);
    if (error == PROTO_ERROR_NONE && !choose_store(request, mode)) {
        return PROTO_ERROR_FLAG_SET_MODE;
    }
    return error;
}

/* ms <key> <bytes> <flag>*; whatever it does, a refused value drops the old one. */
enum parse_status text_parse_meta_store(struct parser *parser, const struct text_command *command,
                                        struct text_line *line, struct request *request,
                                        size_t *used) {
    struct text_word key = text_take_word(line);
    fill(request, command, key);
    if (!text_take_value_length(line, &request->value_length)) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    enum proto_error error = take_store_flags(line, request);
    if (error != PROTO_ERROR_NONE) {
        if (meta_line_is_malformed(line, WORDS_BEFORE_FLAGS + 1)) {
            return text_error(request, PROTO_ERROR_FORMAT);
        }
        return text_refuse_value(parser, false, error, request);
    }
    settle_store(request);
    return text_take_value(parser, line, true, request, used);
}

/* me <key> [b] */
enum parse_status text_parse_meta_item(struct parser *parser, const struct text_command *command,
                                       struct text_line *line, struct request *request,
                                       size_t *used) {
    (void)parser, (void)used;
    struct text_word key = text_take_word(line);
    if (!text_key_fits(key) || meta_line_is_malformed(line, WORDS_BEFORE_FLAGS)) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    fill(request, command, key);
    if (text_word_is(text_take_word(line), "b")) {
        request->meta = META_BASE64;
        if (!meta_decode_key(line, request)) {
            return text_error(request, PROTO_ERROR_FORMAT);
        }
    }
    return PARSE_REQUEST;
}

/* mn, with anything behind it */
enum parse_status text_parse_meta_noop(struct parser *parser, const struct text_command *command,
                                       struct text_line *line, struct request *request,
                                       size_t *used) {
    (void)parser, (void)used;
    if (line->next - line->start < LINE_LENGTH_MIN) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    fill(request, command, (struct text_word){NULL, 0});
    return PARSE_REQUEST;
}
