/* The table of commands of the text stream, and the commands of one line that have no file of their
 * own. */
#include "proto/text/command.h"

#include "proto/meta/meta.h"
#include "proto/number.h"
#include "proto/refusal.h"
#include "proto/stats.h"

#define NO_KEY ((struct word){NULL, 0})

/* A request with a key, to which the caller adds the other fields. */
static struct request *command_fill(struct parse *parse, const struct line *line, struct word key) {
    *parse->request = (struct request){
        .op = line->op,
        .protocol = PROTOCOL_TEXT,
        .quiet = line_is_quiet(line),
        .key_length = (uint16_t)key.length,
        .key = key.start,
    };
    return parse->request;
}

/* delete <key> [0] [noreply]: ancient clients send a 0, and any other delay is refused. */
static enum parse_status command_parse_delete(struct parse *parse, struct line *line) {
    struct word key = line_take_word(line);
    if (!word_fits_key(key)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    command_fill(parse, line, key);
    struct word word = line_take_word(line);
    if (word_is(word, "0")) {
        word = line_take_word(line);
    }
    if (word_is(word, "noreply")) {
        word = line_take_word(line);
    }
    if (word.length != 0) {
        return refusal_fill_line(parse, line, PROTO_ERROR_DELETE_USAGE);
    }
    return PARSE_REQUEST;
}

/* incr and decr <key> <delta> [noreply] */
static enum parse_status command_parse_delta(struct parse *parse, struct line *line) {
    struct word key = line_take_word(line);
    struct word delta = line_take_word(line);
    if (!word_fits_key(key) || delta.length == 0) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    struct request *request = command_fill(parse, line, key);
    if (!number_parse_u64(delta.start, delta.length, &request->delta)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_DELTA);
    }
    return PARSE_REQUEST;
}

/* touch <key> <exptime> [noreply] */
static enum parse_status command_parse_touch(struct parse *parse, struct line *line) {
    struct word key = line_take_word(line);
    struct word exptime = line_take_word(line);
    if (!word_fits_key(key) || exptime.length == 0) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    struct request *request = command_fill(parse, line, key);
    if (!number_parse_i32(exptime.start, exptime.length, &request->exptime)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_EXPTIME);
    }
    return PARSE_REQUEST;
}

/* [delay] [noreply]; a delay in the past means at once. */
static enum parse_status command_take_delay(struct parse *parse, struct line *line) {
    struct request *request = parse->request;
    struct word delay = line_take_word(line);
    struct line behind = *line;
    bool is_last = line_take_word(&behind).length == 0;
    if (delay.length == 0 || (is_last && word_is(delay, "noreply"))) {
        return PARSE_REQUEST;
    }
    if (!number_parse_i32(delay.start, delay.length, &request->exptime)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_EXPTIME);
    }
    if (request->exptime < 0) {
        request->exptime = 0;
    }
    return PARSE_REQUEST;
}

/* flush_all [delay] [noreply] */
static enum parse_status command_parse_flush(struct parse *parse, struct line *line) {
    if (parse->parser->no_flush) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FLUSH);
    }
    command_fill(parse, line, NO_KEY);
    return command_take_delay(parse, line);
}

/* flush_prefix <prefix> [delay] [noreply]. A lone noreply is the prefix. */
static enum parse_status command_parse_flush_prefix(struct parse *parse, struct line *line) {
    if (parse->parser->no_flush) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FLUSH_PREFIX);
    }
    struct word prefix = line_take_word(line);
    if (!word_fits_key(prefix)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    struct line behind = *line;
    bool is_last = line_take_word(&behind).length == 0;
    command_fill(parse, line, prefix)->quiet = !is_last && line_is_quiet(line);
    return command_take_delay(parse, line);
}

/* verbosity <level> [noreply] */
static enum parse_status command_parse_verbosity(struct parse *parse, struct line *line) {
    uint32_t level;
    if (!line_take_u32(line, &level)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    command_fill(parse, line, NO_KEY)->delta = level;
    return PARSE_REQUEST;
}

/* stats [sub-command and its words]; the sub-command is all that is left of the line. */
static enum parse_status command_parse_stats(struct parse *parse, struct line *line) {
    const char *start = line_skip_spaces(line->rest, line->end);
    const char *end = line->end;
    while (end > start && end[-1] == ' ') {
        end--;
    }
    struct word sub = {start, (size_t)(end - start)};
    if (sub.length > KEY_LENGTH_MAX) {
        return refusal_fill(parse, PROTO_ERROR_COMMAND);
    }
    enum proto_error error = stats_check_allowed(parse->parser, sub.start, sub.length);
    if (error != PROTO_ERROR_NONE) {
        return refusal_fill(parse, error);
    }
    command_fill(parse, line, sub)->quiet = false;
    return PARSE_REQUEST;
}

/* refresh_certs [noreply], and any other words. */
static enum parse_status command_parse_refresh(struct parse *parse, struct line *line) {
    command_fill(parse, line, NO_KEY);
    return PARSE_REQUEST;
}

/* version and quit, which no noreply silences. */
static enum parse_status command_parse_bare(struct parse *parse, struct line *line) {
    *parse->request = (struct request){
        .op = line->op,
        .protocol = PROTOCOL_TEXT,
        .closes = line->op == OP_QUIT,
    };
    return PARSE_REQUEST;
}

/* Searched in this order, so the most frequent come first. */
#define COMMAND(word) word, sizeof(word) - 1
static const struct text_command commands[] = {
    {COMMAND("get"), OP_GET, false, text_parse_get},
    {COMMAND("mg"), OP_META_GET, false, meta_parse_get},
    {COMMAND("set"), OP_SET, false, text_parse_store},
    {COMMAND("ms"), OP_SET, false, meta_parse_store},
    {COMMAND("gets"), OP_GET, true, text_parse_get},
    {COMMAND("delete"), OP_DELETE, false, command_parse_delete},
    {COMMAND("md"), OP_DELETE, false, meta_parse_delete},
    {COMMAND("mn"), OP_NOOP, false, meta_parse_noop},
    {COMMAND("incr"), OP_INCR, false, command_parse_delta},
    {COMMAND("decr"), OP_DECR, false, command_parse_delta},
    {COMMAND("ma"), OP_INCR, false, meta_parse_delta},
    {COMMAND("add"), OP_ADD, false, text_parse_store},
    {COMMAND("cas"), OP_SET, true, text_parse_store},
    {COMMAND("touch"), OP_TOUCH, false, command_parse_touch},
    {COMMAND("gat"), OP_GAT, false, text_parse_gat},
    {COMMAND("gats"), OP_GAT, true, text_parse_gat},
    {COMMAND("replace"), OP_REPLACE, false, text_parse_store},
    {COMMAND("append"), OP_APPEND, false, text_parse_store},
    {COMMAND("prepend"), OP_PREPEND, false, text_parse_store},
    {COMMAND("version"), OP_VERSION, false, command_parse_bare},
    {COMMAND("stats"), OP_STATS, false, command_parse_stats},
    {COMMAND("flush_all"), OP_FLUSH, false, command_parse_flush},
    {COMMAND("flush_prefix"), OP_FLUSH_PREFIX, false, command_parse_flush_prefix},
    {COMMAND("verbosity"), OP_VERBOSITY, false, command_parse_verbosity},
    {COMMAND("quit"), OP_QUIT, false, command_parse_bare},
    {COMMAND("me"), OP_META_ITEM, false, meta_parse_item},
    {COMMAND("lru_crawler"), OP_CRAWL, false, text_parse_lru_crawler},
    {COMMAND("lru"), OP_OK, false, text_parse_lru},
    {COMMAND("slabs"), OP_OK, false, text_parse_slabs},
    {COMMAND("cache_memlimit"), OP_MEMORY_LIMIT, false, text_parse_memory_limit},
    {COMMAND("watch"), OP_WATCH, false, text_parse_watch},
    {COMMAND("shutdown"), OP_SHUTDOWN, false, text_parse_shutdown},
    {COMMAND("config"), OP_CONFIG, false, text_parse_config},
    {COMMAND("refresh_certs"), OP_REFRESH_CERTS, false, command_parse_refresh},
#ifdef PROTO_DEBUG_TIME
    {COMMAND("debugtime"), OP_DEBUG_TIME, false, text_parse_debug_time},
#endif
};
#undef COMMAND

/* The word's first eight characters as one number, zeros behind a shorter one. */
static uint64_t command_prefix(const struct line *line, struct word word) {
    uint64_t prefix = 0;
    if (line->next - line->start < (ptrdiff_t)sizeof(prefix)) {
        for (size_t i = 0; i < word.length; i++) {
            prefix |= (uint64_t)(unsigned char)word.start[i] << (8 * i);
        }
        return prefix;
    }
    prefix = word_load(word.start);
    return word.length < sizeof(prefix) ? prefix & (((uint64_t)1 << (8 * word.length)) - 1)
                                        : prefix;
}

const struct text_command *text_find_command(const struct line *line, struct word word) {
    uint64_t prefix = command_prefix(line, word);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct text_command *command = &commands[i];
        if (word_load(command->word) == prefix && command->length == word.length) {
            bool whole = word.length <= sizeof(prefix);
            return whole || memcmp(command->word, word.start, word.length) == 0 ? command : NULL;
        }
    }
    return NULL;
}
