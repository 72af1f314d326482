/* The meta commands mg, ms, md, ma, me and mn. */
#include "proto/meta/flags.h"
#include "proto/meta/meta.h"
#include "proto/refusal.h"
#include "proto/value.h"

/* As in memcached a shorter line, newline included, is malformed: mn with a bare newline. */
#define LINE_LENGTH_MIN 4

/* The words of a command without a value before its flags: itself and its key. */
#define WORDS_BEFORE_FLAGS 2

static struct request *meta_fill(struct parse *parse, const struct line *line, struct word key) {
    *parse->request = (struct request){
        .op = line->op,
        .protocol = PROTOCOL_META,
        .key_length = (uint16_t)key.length,
        .key = key.start,
        .delta = line->op == OP_INCR, /* unless there is a D */
    };
    return parse->request;
}

/* Whether C was given. Commands differ in what C0 means: the item's CAS must be 0, or no condition.
 */
static bool meta_compares(const struct request *request) {
    return (request->meta & META_COMPARE_EQUAL) != 0;
}

static bool meta_compares_other_than_0(const struct request *request) {
    return meta_compares(request) && request->cas != 0;
}

/* Takes the key and the flags of a command without a value. */
static inline enum proto_error meta_take_key_and_flags(struct parse *parse, struct line *line,
                                                       enum meta_command command, char *mode) {
    struct word key = line_take_word(line);
    meta_fill(parse, line, key);
    return word_fits_key(key) ? meta_take_flags(parse, line, command, mode) : PROTO_ERROR_FORMAT;
}

/* The answer is the flags' error, unless the line is malformed as a command. */
static enum parse_status meta_refuse_flags(struct parse *parse, const struct line *line,
                                           enum proto_error error) {
    bool malformed = meta_line_is_malformed(line, WORDS_BEFORE_FLAGS);
    return refusal_fill(parse, malformed ? PROTO_ERROR_FORMAT : error);
}

/* mg <key> <flag>* */
enum parse_status meta_parse_get(struct parse *parse, struct line *line) {
    struct request *request = parse->request;
    char mode;
    enum proto_error error = meta_take_key_and_flags(parse, line, META_COMMAND_GET, &mode);
    if (error != PROTO_ERROR_NONE) {
        return meta_refuse_flags(parse, line, error);
    }
    request->meta &= META_RETURN_VALUE | META_COMPARE_EQUAL | META_VIVIFY | META_RECACHE |
                     META_TOUCH | META_NO_BUMP | META_SET_CAS | META_BASE64 | META_TTL_AFTER |
                     META_RECACHE_AFTER;
    return PARSE_REQUEST;
}

/* md <key> <flag>* */
enum parse_status meta_parse_delete(struct parse *parse, struct line *line) {
    struct request *request = parse->request;
    char mode;
    enum proto_error error = meta_take_key_and_flags(parse, line, META_COMMAND_DELETE, &mode);
    if (error != PROTO_ERROR_NONE) {
        return meta_refuse_flags(parse, line, error);
    }
    bool stays = (request->meta & (META_INVALIDATE | META_EMPTY)) != 0;
    request->compare_cas = meta_compares(request);
    request->meta &=
        META_INVALIDATE | META_EMPTY | META_SET_CAS | META_BASE64 | (stays ? META_TOUCH : 0);
    return PARSE_REQUEST;
}

/* ma <key> <flag>* */
enum parse_status meta_parse_delta(struct parse *parse, struct line *line) {
    struct request *request = parse->request;
    char mode;
    enum proto_error error = meta_take_key_and_flags(parse, line, META_COMMAND_DELTA, &mode);
    if (error != PROTO_ERROR_NONE) {
        bool opaque = error == PROTO_ERROR_FLAG_OPAQUE;
        return meta_refuse_flags(parse, line, opaque ? error : PROTO_ERROR_DELTA_FLAGS);
    }
    if (mode == 'D' || mode == '-') {
        request->op = OP_DECR;
    } else if (mode != '\0' && mode != 'I' && mode != '+') {
        return refusal_fill(parse, PROTO_ERROR_FLAG_DELTA_MODE);
    }
    request->compare_cas = meta_compares_other_than_0(request);
    request->create = (request->meta & META_VIVIFY) != 0;
    request->meta &=
        META_RETURN_VALUE | META_VIVIFY | META_TOUCH | META_SET_CAS | META_BASE64 | META_TTL_AFTER;
    return PARSE_REQUEST;
}

/* M of ms. False when there is no such mode. */
static bool meta_choose_store(struct request *request, char mode) {
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

/* As in memcached C makes a replace a set on that condition, and an add ignores it. */
static void meta_finish_store(struct request *request) {
    bool extends = request->op == OP_APPEND || request->op == OP_PREPEND;
    if (extends) {
        request->compare_cas = meta_compares_other_than_0(request);
    } else if (request->op != OP_ADD && meta_compares(request)) {
        request->op = OP_SET;
        request->compare_cas = true;
    }
    bool may_be_older = request->op == OP_SET && request->compare_cas;
    request->meta &= META_SET_CAS | META_BASE64 | (extends ? META_VIVIFY : 0) |
                     (may_be_older ? META_INVALIDATE : 0);
}

static enum proto_error meta_take_store_flags(struct parse *parse, struct line *line) {
    struct request *request = parse->request;
    char mode;
    if (request->key_length > KEY_LENGTH_MAX) {
        return PROTO_ERROR_FORMAT;
    }
    enum proto_error error = meta_take_flags(parse, line, META_COMMAND_STORE, &mode);
    if (error == PROTO_ERROR_NONE && !meta_choose_store(request, mode)) {
        return PROTO_ERROR_FLAG_SET_MODE;
    }
    return error;
}

/* ms <key> <bytes> <flag>*. As in memcached a refused value deletes the key's old one in any mode.
 */
enum parse_status meta_parse_store(struct parse *parse, struct line *line) {
    struct word key = line_take_word(line);
    struct request *request = meta_fill(parse, line, key);
    if (!value_take_length(line, &request->value_length)) {
        return refusal_fill(parse, PROTO_ERROR_FORMAT);
    }
    enum proto_error error = meta_take_store_flags(parse, line);
    if (error != PROTO_ERROR_NONE) {
        if (meta_line_is_malformed(line, WORDS_BEFORE_FLAGS + 1)) {
            return refusal_fill(parse, PROTO_ERROR_FORMAT);
        }
        return value_refuse(parse, false, error);
    }
    meta_finish_store(request);
    return value_take(parse, line, true);
}

/* me <key> [b] */
enum parse_status meta_parse_item(struct parse *parse, struct line *line) {
    struct word key = line_take_word(line);
    if (!word_fits_key(key) || meta_line_is_malformed(line, WORDS_BEFORE_FLAGS)) {
        return refusal_fill(parse, PROTO_ERROR_FORMAT);
    }
    struct request *request = meta_fill(parse, line, key);
    if (word_is(line_take_word(line), "b")) {
        request->meta = META_BASE64;
        if (!meta_decode_key(parse)) {
            return refusal_fill(parse, PROTO_ERROR_FORMAT);
        }
    }
    return PARSE_REQUEST;
}

/* mn, with anything behind it */
enum parse_status meta_parse_noop(struct parse *parse, struct line *line) {
    if (line->next - line->start < LINE_LENGTH_MIN) {
        return refusal_fill(parse, PROTO_ERROR_FORMAT);
    }
    meta_fill(parse, line, (struct word){NULL, 0});
    return PARSE_REQUEST;
}
