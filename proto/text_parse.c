/* Text: finding a line, telling its command by the first word, and the commands of one line. */
#include "proto/number.h"
#include "proto/text.h"

#include <assert.h>

/* A line shorter than the shortest command is malformed rather than unknown. */
#define LINE_LENGTH_MIN 4

enum parse_status text_error(struct request *request, enum proto_error error) {
    *request = (struct request){.op = OP_ERROR, .protocol = PROTOCOL_TEXT, .error = (uint8_t)error};
    return PARSE_REQUEST;
}

enum parse_status text_line_error(const struct text_line *line, struct request *request,
                                  enum proto_error error) {
    text_error(request, error);
    request->quiet = text_line_is_quiet(line);
    return PARSE_REQUEST;
}

bool text_line_is_quiet(const struct text_line *line) {
    static const char noreply[] = "noreply";
    const size_t length = sizeof(noreply) - 1;
    const char *end = line->end;
    while (end > line->start && end[-1] == ' ') {
        end--;
    }
    size_t there = (size_t)(end - line->start);
    return there >= length && memcmp(end - length, noreply, length) == 0 &&
           (there == length || end[-(ptrdiff_t)length - 1] == ' ');
}

/* A request with a key whose other fields the caller adds. */
static void fill(struct request *request, const struct text_command *command,
                 const struct text_line *line, struct text_word key) {
    *request = (struct request){
        .op = command->op,
        .protocol = PROTOCOL_TEXT,
        .quiet = text_line_is_quiet(line),
        .key_length = (uint16_t)key.length,
        .key = key.start,
    };
}

/* delete <key> [0] [noreply]: ancient clients send a 0, and any other delay is refused. */
static enum parse_status parse_delete(struct parser *parser, const struct text_command *command,
                                      struct text_line *line, struct request *request,
                                      size_t *used) {
    (void)parser, (void)used;
    struct text_word key = text_take_word(line);
    if (!text_key_fits(key)) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    fill(request, command, line, key);
    struct text_word word = text_take_word(line);
    if (text_word_is(word, "0")) {
        word = text_take_word(line);
    }
    if (text_word_is(word, "noreply")) {
        word = text_take_word(line);
    }
    if (word.length != 0) {
        return text_line_error(line, request, PROTO_ERROR_DELETE_USAGE);
    }
    return PARSE_REQUEST;
}

/* incr and decr <key> <delta> [noreply] */
static enum parse_status parse_delta(struct parser *parser, const struct text_command *command,
                                     struct text_line *line, struct request *request,
                                     size_t *used) {
    (void)parser, (void)used;
    struct text_word key = text_take_word(line);
    struct text_word delta = text_take_word(line);
    if (!text_key_fits(key) || delta.length == 0) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    fill(request, command, line, key);
    if (!number_parse_u64(delta.start, delta.length, &request->delta)) {
        return text_line_error(line, request, PROTO_ERROR_DELTA);
    }
    return PARSE_REQUEST;
}

/* touch <key> <exptime> [noreply] */
static enum parse_status parse_touch(struct parser *parser, const struct text_command *command,
                                     struct text_line *line, struct request *request,
                                     size_t *used) {
    (void)parser, (void)used;
    struct text_word key = text_take_word(line);
    struct text_word exptime = text_take_word(line);
    if (!text_key_fits(key) || exptime.length == 0) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    fill(request, command, line, key);
    if (!number_parse_i64(exptime.start, exptime.length, &request->exptime)) {
        return text_line_error(line, request, PROTO_ERROR_EXPTIME);
    }
    return PARSE_REQUEST;
}

/* flush_all [delay] [noreply]; a delay in the past means at once. */
static enum parse_status parse_flush(struct parser *parser, const struct text_command *command,
                                     struct text_line *line, struct request *request,
                                     size_t *used) {
    (void)parser, (void)used;
    fill(request, command, line, (struct text_word){NULL, 0});
    struct text_word delay = text_take_word(line);
    if (delay.length == 0 || text_word_is(delay, "noreply")) {
        return PARSE_REQUEST;
    }
    if (!number_parse_i64(delay.start, delay.length, &request->exptime)) {
        return text_line_error(line, request, PROTO_ERROR_EXPTIME);
    }
    if (request->exptime < 0) {
        request->exptime = 0;
    }
    return PARSE_REQUEST;
}

/* verbosity <level> [noreply] */
static enum parse_status parse_verbosity(struct parser *parser, const struct text_command *command,
                                         struct text_line *line, struct request *request,
                                         size_t *used) {
    (void)parser, (void)used;
    uint32_t level;
    if (!text_take_u32(line, &level)) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    fill(request, command, line, (struct text_word){NULL, 0});
    request->delta = level;
    return PARSE_REQUEST;
}

/* stats [sub-command and its words]; the sub-command is all that is left of the line. */
static enum parse_status parse_stats(struct parser *parser, const struct text_command *command,
                                     struct text_line *line, struct request *request,
                                     size_t *used) {
    (void)parser, (void)used;
    const char *start = text_skip_spaces(line->rest, line->end);
    const char *end = line->end;
    while (end > start && end[-1] == ' ') {
        end--;
    }
    struct text_word sub = {start, (size_t)(end - start)};
    if (sub.length > KEY_LENGTH_MAX) {
        return text_error(request, PROTO_ERROR_COMMAND);
    }
    fill(request, command, line, sub);
    request->quiet = false;
    return PARSE_REQUEST;
}

/* version and quit, which no noreply silences. */
static enum parse_status parse_bare(struct parser *parser, const struct text_command *command,
                                    struct text_line *line, struct request *request, size_t *used) {
    (void)parser, (void)line, (void)used;
    *request = (struct request){
        .op = command->op,
        .protocol = PROTOCOL_TEXT,
        .closes = command->op == OP_QUIT,
    };
    return PARSE_REQUEST;
}

/* Searched in this order, so the most frequent come first. */
#define COMMAND(word) word, sizeof(word) - 1
static const struct text_command commands[] = {
    {COMMAND("get"), OP_GET, false, text_parse_get},
    {COMMAND("set"), OP_SET, false, text_parse_store},
    {COMMAND("gets"), OP_GET, true, text_parse_get},
    {COMMAND("delete"), OP_DELETE, false, parse_delete},
    {COMMAND("incr"), OP_INCR, false, parse_delta},
    {COMMAND("decr"), OP_DECR, false, parse_delta},
    {COMMAND("add"), OP_ADD, false, text_parse_store},
    {COMMAND("cas"), OP_SET, true, text_parse_store},
    {COMMAND("touch"), OP_TOUCH, false, parse_touch},
    {COMMAND("gat"), OP_GAT, false, text_parse_gat},
    {COMMAND("gats"), OP_GAT, true, text_parse_gat},
    {COMMAND("replace"), OP_REPLACE, false, text_parse_store},
    {COMMAND("append"), OP_APPEND, false, text_parse_store},
    {COMMAND("prepend"), OP_PREPEND, false, text_parse_store},
    {COMMAND("version"), OP_VERSION, false, parse_bare},
    {COMMAND("stats"), OP_STATS, false, parse_stats},
    {COMMAND("flush_all"), OP_FLUSH, false, parse_flush},
    {COMMAND("verbosity"), OP_VERBOSITY, false, parse_verbosity},
    {COMMAND("quit"), OP_QUIT, false, parse_bare},
};
#undef COMMAND

/* The word's first eight characters as one number, zeros behind a shorter one. */
static uint64_t word_prefix(const struct text_line *line, struct text_word word) {
    uint64_t prefix = 0;
    if (line->next - line->start < (ptrdiff_t)sizeof(prefix)) {
        for (size_t i = 0; i < word.length; i++) {
            prefix |= (uint64_t)(unsigned char)word.start[i] << (8 * i);
        }
        return prefix;
    }
    prefix = text_load(word.start);
    return word.length < sizeof(prefix) ? prefix & (((uint64_t)1 << (8 * word.length)) - 1)
                                        : prefix;
}

static const struct text_command *find_command(const struct text_line *line,
                                               struct text_word word) {
    uint64_t prefix = word_prefix(line, word);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct text_command *command = &commands[i];
        if (text_load(command->word) == prefix && command->length == word.length &&
            (word.length <= sizeof(prefix) ||
             memcmp(command->word, word.start, word.length) == 0)) {
            return command;
        }
    }
    return NULL;
}

/* A browser that was led here must not get its body taken for commands: a line that ends like one
 * of HTTP ends the connection. */
static bool line_is_http(const struct text_line *line) {
    struct text_line rest = *line;
    struct text_word last = {line->start, 0};
    for (struct text_word word = text_take_word(&rest); word.length > 0;
         word = text_take_word(&rest)) {
        last = word;
    }
    return last.length >= 5 && memcmp(last.start, "HTTP/", 5) == 0;
}

static enum parse_status parse_unknown(const struct text_line *line, struct request *request) {
    if (line->next - line->start < LINE_LENGTH_MIN) {
        return text_error(request, PROTO_ERROR_FORMAT);
    }
    if (line_is_http(line)) {
        return PARSE_CLOSE;
    }
    return text_line_error(line, request, PROTO_ERROR_COMMAND);
}

/* The word must stand at the very front: a line that begins with a space has no command. */
static enum parse_status parse_line(struct parser *parser, struct text_line *line,
                                    struct request *request, size_t *used) {
    struct text_word word = {line->start,
                             text_word_length(line->start, (size_t)(line->end - line->start))};
    const struct text_command *command = find_command(line, word);
    *used = (size_t)(line->next - line->start);
    line->rest = line->start + word.length;
    if (command == NULL) {
        return parse_unknown(line, request);
    }
    return command->parse(parser, command, line, request, used);
}

/* The length of `get ` or `gets ` in front, or 0. */
static size_t get_prefix_length(const char *bytes, bool *return_cas) {
    *return_cas = memcmp(bytes, "gets ", 5) == 0;
    if (*return_cas) {
        return 5;
    }
    return memcmp(bytes, "get ", 4) == 0 ? 4 : 0;
}

/* No newline in sight: wait for it, stream the keys of a long get line, or give up. */
static enum parse_status parse_part_of_line(struct parser *parser, const char *bytes, size_t length,
                                            struct request *request, size_t *used) {
    if (length > TEXT_LINE_LENGTH_MAX) {
        bool return_cas;
        size_t prefix = get_prefix_length(bytes, &return_cas);
        if (prefix == 0) {
            return PARSE_CLOSE;
        }
        if (length >= TEXT_GET_LINE_WHOLE_MAX) {
            parser->state = TEXT_STREAMED_KEYS;
            parser->scanned = 0;
            parser->return_cas = return_cas;
            enum parse_status status =
                text_next_streamed_key(parser, bytes + prefix, length - prefix, request, used);
            *used += prefix;
            return status;
        }
    }
    parser->scanned = (uint32_t)length;
    return parse_more(parser, length + 1);
}

/* The newline is looked for only as far as a whole get line may reach, so that what becomes of a
 * line does not depend on how much of it arrives at once. */
static enum parse_status parse_next_line(struct parser *parser, const char *bytes, size_t length,
                                         struct request *request, size_t *used) {
    size_t window = length < TEXT_GET_LINE_WHOLE_MAX ? length : TEXT_GET_LINE_WHOLE_MAX;
    assert(parser->scanned <= window);
    const char *newline = memchr(bytes + parser->scanned, '\n', window - parser->scanned);
    if (newline == NULL) {
        return parse_part_of_line(parser, bytes, length, request, used);
    }
    parser->scanned = 0;
    struct text_line line = {
        .start = bytes,
        .end = text_line_end(bytes, newline),
        .newline = newline,
        .next = newline + 1,
        .after_next = length - (size_t)(newline + 1 - bytes),
    };
    return parse_line(parser, &line, request, used);
}

/* Drops the rest of a line, then takes up the next one. */
static enum parse_status skip_line(struct parser *parser, const char *bytes, size_t length,
                                   struct request *request, size_t *used) {
    const char *newline = memchr(bytes, '\n', length);
    if (newline == NULL) {
        *used = length;
        return parse_more(parser, 1);
    }
    parser->state = TEXT_LINE;
    size_t skipped = (size_t)(newline + 1 - bytes);
    if (skipped == length) {
        *used = skipped;
        return parse_more(parser, 1);
    }
    enum parse_status status =
        parse_next_line(parser, bytes + skipped, length - skipped, request, used);
    *used += skipped;
    return status;
}

enum parse_status text_parse(struct parser *parser, const char *bytes, size_t length,
                             struct request *request, size_t *used) {
    switch ((enum text_state)parser->state) {
    case TEXT_LINE:
        return parse_next_line(parser, bytes, length, request, used);
    case TEXT_KEYS:
    case TEXT_TOUCH_KEYS:
        return text_next_key(parser, bytes, length, request, used);
    case TEXT_STREAMED_KEYS:
        return text_next_streamed_key(parser, bytes, length, request, used);
    case TEXT_SKIP_LINE:
        return skip_line(parser, bytes, length, request, used);
    }
    assert(false);
    return PARSE_CLOSE;
}
