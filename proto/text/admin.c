/* Text: commands for those who run the server. As in memcached a noreply counts as a word of its
 * own, and some commands don't expect it. */
#include "proto/number.h"
#include "proto/text/text.h"

#define WORDS_MAX 6

#define CRAWLER_SLEEP_MAX_US 1000000
#define MEMORY_LIMIT_MIN_MB 8
#define MEMORY_LIMIT_MAX_MB 1000000000
#define LRU_SHARES_MAX 80
#define AUTOMOVE_LEVEL_MAX 2
#define AUTOMOVE_WINDOW_MIN 3
#define AUTOMOVE_WINDOW_MAX 1800

/* The words of a line behind the command; missing ones have length 0. */
struct words {
    size_t count; /* all that there are */
    struct text_word word[WORDS_MAX];
};

static struct words take_words(const struct text_line *line) {
    struct text_line rest = *line;
    struct words words = {0};
    for (;;) {
        struct text_word word = text_take_word(&rest);
        if (word.length == 0) {
            return words;
        }
        if (words.count < WORDS_MAX) {
            words.word[words.count] = word;
        }
        words.count++;
    }
}

static bool words_number(const struct words *words, size_t index, uint32_t *value) {
    struct text_word word = words->word[index];
    return number_parse_u32(word.start, word.length, value);
}

/* Digits with or without a point, which is all that a share or factor is given as here. */
static bool words_fraction(const struct words *words, size_t index, bool *is_zero) {
    struct text_word word = words->word[index];
    size_t digits = 0;
    size_t points = 0;
    *is_zero = true;
    for (size_t i = 0; i < word.length; i++) {
        bool digit = word.start[i] >= '0' && word.start[i] <= '9';
        digits += digit;
        points += word.start[i] == '.';
        *is_zero &= word.start[i] == '0' || word.start[i] == '.';
    }
    return digits > 0 && points <= 1 && digits + points == word.length;
}

static enum parse_status accept(struct request *request, const struct text_line *line, enum op op,
                                uint64_t delta) {
    *request = (struct request){
        .op = (uint8_t)op,
        .protocol = PROTOCOL_TEXT,
        .quiet = text_line_is_quiet(line),
        .delta = delta,
    };
    return PARSE_REQUEST;
}

/* metadump, mgdump and crawl name what they walk over. */
static enum parse_status parse_walk(const struct text_line *line, enum op op,
                                    struct text_word classes, struct request *request) {
    if (classes.length > KEY_LENGTH_MAX) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    accept(request, line, op, 0);
    request->key = classes.start;
    request->key_length = (uint16_t)classes.length;
    return PARSE_REQUEST;
}

static enum parse_status parse_crawler_number(const struct text_line *line, enum op op,
                                              const struct words *words, struct request *request) {
    uint32_t number;
    if (!words_number(words, 1, &number)) {
        return text_line_error(line, request, PROTO_ERROR_FORMAT);
    }
    if (op == OP_CRAWLER_SLEEP && number > CRAWLER_SLEEP_MAX_US) {
        return text_line_error(line, request, PROTO_ERROR_CRAWLER_SLEEP);
    }
    return accept(request, line, op, number);
}

/* lru_crawler enable|disable; metadump|mgdump|crawl <classes>|all|hash; sleep|tocrawl <number> */
enum parse_status text_parse_lru_crawler(struct parser *parser, const struct text_command *command,
                                         struct text_line *line, struct request *request,
                                         size_t *used) {
    (void)command, (void)used;
    struct words words = take_words(line);
    struct text_word sub = words.word[0];
    if (words.count == 1 && (text_word_is(sub, "enable") || text_word_is(sub, "disable"))) {
        return accept(request, line, OP_CRAWLER_SWITCH, text_word_is(sub, "enable"));
    }
    if (words.count != 2) {
        return text_line_error(line, request, PROTO_ERROR_COMMAND);
    }
    if (text_word_is(sub, "metadump")) {
        return parser->no_dump ? text_line_error(line, request, PROTO_ERROR_METADUMP)
                               : parse_walk(line, OP_METADUMP, words.word[1], request);
    }
    if (text_word_is(sub, "mgdump")) {
        return parser->no_dump ? text_line_error(line, request, PROTO_ERROR_MGDUMP)
                               : parse_walk(line, OP_MGDUMP, words.word[1], request);
    }
    if (text_word_is(sub, "crawl")) {
        return parse_walk(line, OP_CRAWL, words.word[1], request);
    }
    if (text_word_is(sub, "sleep")) {
        return parse_crawler_number(line, OP_CRAWLER_SLEEP, &words, request);
    }
    if (text_word_is(sub, "tocrawl")) {
        return parse_crawler_number(line, OP_CRAWLER_TOCRAWL, &words, request);
    }
    return text_line_error(line, request, PROTO_ERROR_COMMAND);
}

/* lru tune <hot %> <warm %> <hot factor> <warm factor>; there are no such queues here, so that it
 * is checked and changes nothing, as in memcached with one queue alone (no_lru_maintainer). That
 * one doesn't know mode and temp_ttl either. */
enum parse_status text_parse_lru(struct parser *parser, const struct text_command *command,
                                 struct text_line *line, struct request *request, size_t *used) {
    (void)parser, (void)used;
    struct words words = take_words(line);
    uint32_t hot;
    uint32_t warm;
    bool zero_hot;
    bool zero_warm;
    if (!text_word_is(words.word[0], "tune") || words.count < 5 || !words_number(&words, 1, &hot) ||
        !words_number(&words, 2, &warm) || !words_fraction(&words, 3, &zero_hot) ||
        !words_fraction(&words, 4, &zero_warm)) {
        return text_line_error(line, request, PROTO_ERROR_COMMAND);
    }
    if ((uint64_t)hot + warm > LRU_SHARES_MAX) {
        return text_line_error(line, request, PROTO_ERROR_LRU_SHARES);
    }
    if (zero_hot || zero_warm) {
        return text_line_error(line, request, PROTO_ERROR_LRU_FACTORS);
    }
    return accept(request, line, (enum op)command->op, 0);
}

/* slabs automove <level>|window <seconds>|ratio <share>|freeratio <share> */
static enum proto_error check_automove(const struct words *words) {
    struct text_word what = words->word[1];
    uint32_t number;
    bool is_zero;
    if (text_word_is(what, "ratio") || text_word_is(what, "freeratio")) {
        return words_fraction(words, 2, &is_zero) ? PROTO_ERROR_NONE : PROTO_ERROR_COMMAND;
    }
    if (text_word_is(what, "window")) {
        if (!words_number(words, 2, &number)) {
            return PROTO_ERROR_FORMAT;
        }
        bool fits = number >= AUTOMOVE_WINDOW_MIN && number <= AUTOMOVE_WINDOW_MAX;
        return fits ? PROTO_ERROR_NONE : PROTO_ERROR_AUTOMOVE_WINDOW;
    }
    if (!words_number(words, 1, &number)) {
        return PROTO_ERROR_FORMAT;
    }
    return number <= AUTOMOVE_LEVEL_MAX ? PROTO_ERROR_NONE : PROTO_ERROR_COMMAND;
}

/* slabs reassign <class> <class>, slabs automove …; memory isn't divided into classes here, so that
 * nothing can be moved between them. */
enum parse_status text_parse_slabs(struct parser *parser, const struct text_command *command,
                                   struct text_line *line, struct request *request, size_t *used) {
    (void)parser, (void)used;
    struct words words = take_words(line);
    if (words.count == 3 && text_word_is(words.word[0], "reassign")) {
        return text_line_error(line, request, PROTO_ERROR_SLAB_REASSIGN);
    }
    if (words.count < 2 || !text_word_is(words.word[0], "automove")) {
        return text_line_error(line, request, PROTO_ERROR_COMMAND);
    }
    enum proto_error error = check_automove(&words);
    if (error != PROTO_ERROR_NONE) {
        return text_line_error(line, request, error);
    }
    return accept(request, line, (enum op)command->op, 0);
}

/* cache_memlimit <MiB> */
enum parse_status text_parse_memory_limit(struct parser *parser, const struct text_command *command,
                                          struct text_line *line, struct request *request,
                                          size_t *used) {
    (void)parser, (void)used;
    struct words words = take_words(line);
    uint32_t limit_mb;
    if (!words_number(&words, 0, &limit_mb)) {
        return text_line_error(line, request, PROTO_ERROR_COMMAND);
    }
    if (limit_mb < MEMORY_LIMIT_MIN_MB) {
        return text_line_error(line, request, PROTO_ERROR_MEMORY_TOO_SMALL);
    }
    if (limit_mb > MEMORY_LIMIT_MAX_MB) {
        return text_line_error(line, request, PROTO_ERROR_MEMORY_IN_BYTES);
    }
    return accept(request, line, (enum op)command->op, limit_mb);
}

/* shutdown [graceful] */
enum parse_status text_parse_shutdown(struct parser *parser, const struct text_command *command,
                                      struct text_line *line, struct request *request,
                                      size_t *used) {
    (void)parser, (void)used;
    struct words words = take_words(line);
    enum shutdown_mode mode = SHUTDOWN_UNKNOWN;
    if (words.count == 0) {
        mode = SHUTDOWN_NOW;
    } else if (words.count == 1 && text_word_is(words.word[0], "graceful")) {
        mode = SHUTDOWN_GRACEFUL;
    }
    return accept(request, line, (enum op)command->op, mode);
}

#ifdef PROTO_DEBUG_TIME
/* debugtime <seconds>|p|r: moves, pauses and resumes the clock. */
enum parse_status text_parse_debug_time(struct parser *parser, const struct text_command *command,
                                        struct text_line *line, struct request *request,
                                        size_t *used) {
    (void)parser, (void)used;
    struct words words = take_words(line);
    struct text_word what = words.word[0];
    if (text_word_is(what, "p")) {
        return accept(request, line, (enum op)command->op, DEBUG_TIME_PAUSE);
    }
    if (text_word_is(what, "r")) {
        return accept(request, line, (enum op)command->op, DEBUG_TIME_RESUME);
    }
    int64_t seconds;
    if (!number_parse_i64(what.start, what.length, &seconds)) {
        return text_line_error(line, request, PROTO_ERROR_COMMAND);
    }
    accept(request, line, (enum op)command->op, DEBUG_TIME_MOVE);
    request->exptime = seconds;
    return PARSE_REQUEST;
}
#endif
