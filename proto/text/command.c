/* Text: the table of commands, and those that fit on one line. */
#include "proto/number.h"
#include "proto/text/text.h"

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
    if (!number_parse_seconds(exptime.start, exptime.length, &request->exptime)) {
        return text_line_error(line, request, PROTO_ERROR_EXPTIME);
    }
    return PARSE_REQUEST;
}

/* flush_all [delay] [noreply]; a delay in the past means at once. */
static enum parse_status parse_flush(struct parser *parser, const struct text_command *command,
                                     struct text_line *line, struct request *request,
                                     size_t *used) {
    (void)used;
    if (parser->no_flush) {
        return text_line_error(line, request, PROTO_ERROR_FLUSH);
    }
    fill(request, command, line, (struct text_word){NULL, 0});
    struct text_word delay = text_take_word(line);
    struct text_line behind = *line;
    bool is_last = text_take_word(&behind).length == 0;
    if (delay.length == 0 || (is_last && text_word_is(delay, "noreply"))) {
        return PARSE_REQUEST;
    }
    if (!number_parse_seconds(delay.start, delay.length, &request->exptime)) {
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
    (void)used;
    const char *start = text_skip_spaces(line->rest, line->end);
    const char *end = line->end;
    while (end > start && end[-1] == ' ') {
        end--;
    }
    struct text_word sub = {start, (size_t)(end - start)};
    if (sub.length > KEY_LENGTH_MAX) {
        return text_error(request, PROTO_ERROR_COMMAND);
    }
    enum proto_error error = stats_refusal(parser, sub.start, sub.length);
    if (error != PROTO_ERROR_NONE) {
        return text_error(request, error);
    }
    fill(request, command, line, sub);
    request->quiet = false;
    return PARSE_REQUEST;
}

/* watch …: as in a memcached that was told not to have it (-W). */
static enum parse_status parse_watch(struct parser *parser, const struct text_command *command,
                                     struct text_line *line, struct request *request,
                                     size_t *used) {
    (void)parser, (void)command, (void)line, (void)used;
    return text_error(request, PROTO_ERROR_WATCH);
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
    {COMMAND("mg"), OP_META_GET, false, text_parse_meta_get},
    {COMMAND("set"), OP_SET, false, text_parse_store},
    {COMMAND("ms"), OP_SET, false, text_parse_meta_store},
    {COMMAND("gets"), OP_GET, true, text_parse_get},
    {COMMAND("delete"), OP_DELETE, false, parse_delete},
    {COMMAND("md"), OP_DELETE, false, text_parse_meta_delete},
    {COMMAND("mn"), OP_NOOP, false, text_parse_meta_noop},
    {COMMAND("incr"), OP_INCR, false, parse_delta},
    {COMMAND("decr"), OP_DECR, false, parse_delta},
    {COMMAND("ma"), OP_INCR, false, text_parse_meta_delta},
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
    {COMMAND("me"), OP_META_ITEM, false, text_parse_meta_item},
    {COMMAND("lru_crawler"), OP_CRAWL, false, text_parse_lru_crawler},
    {COMMAND("lru"), OP_OK, false, text_parse_lru},
    {COMMAND("slabs"), OP_OK, false, text_parse_slabs},
    {COMMAND("cache_memlimit"), OP_MEMORY_LIMIT, false, text_parse_memory_limit},
    {COMMAND("watch"), OP_ERROR, false, parse_watch},
    {COMMAND("shutdown"), OP_SHUTDOWN, false, text_parse_shutdown},
#ifdef PROTO_DEBUG_TIME
    {COMMAND("debugtime"), OP_DEBUG_TIME, false, text_parse_debug_time},
#endif
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

const struct text_command *text_find_command(const struct text_line *line, struct text_word word) {
    uint64_t prefix = word_prefix(line, word);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct text_command *command = &commands[i];
        if (text_load(command->word) == prefix && command->length == word.length) {
            bool whole = word.length <= sizeof(prefix);
            return whole || memcmp(command->word, word.start, word.length) == 0 ? command : NULL;
        }
    }
    return NULL;
}
