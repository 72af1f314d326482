/* Commands for those who run the server. As in memcached a noreply counts as a word like any other,
 * and commands with a fixed number of words are refused when it is there. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "proto/number.h"
#include "proto/refusal.h"
#include "proto/streams.h"
#include "proto/text/command.h"

#define WORDS_MAX 6
#define FRACTION_LENGTH_MAX 31

#define LRU_SHARES_MAX 80
#define AUTOMOVE_LEVEL_MAX 2
#define AUTOMOVE_WINDOW_MIN 3
#define AUTOMOVE_WINDOW_MAX 1800

/* The words of a line behind the command; missing ones have length 0. */
struct words {
    size_t count; /* all on the line, also those beyond WORDS_MAX */
    struct word word[WORDS_MAX];
};

static struct words words_take(const struct line *line) {
    struct line rest = *line;
    struct words words = {0};
    for (;;) {
        struct word word = line_take_word(&rest);
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
    struct word word = words->word[index];
    return number_parse_u32(word.start, word.length, value);
}

/* Shares and factors: as in memcached all that strtod(3) takes, which white space may follow. */
static bool words_fraction(const struct words *words, size_t index, double *value) {
    struct word word = words->word[index];
    char text[FRACTION_LENGTH_MAX + 1];
    if (word.length > FRACTION_LENGTH_MAX) {
        return false;
    }
    if (word.length > 0) {
        memcpy(text, word.start, word.length);
    }
    text[word.length] = '\0';
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return errno == 0 && end != text && (*end == '\0' || isspace((unsigned char)*end));
}

static enum parse_status admin_accept(struct parse *parse, const struct line *line, enum op op,
                                      uint64_t delta) {
    *parse->request = (struct request){
        .op = (uint8_t)op,
        .protocol = PROTOCOL_TEXT,
        .quiet = line_is_quiet(line),
        .delta = delta,
    };
    return PARSE_REQUEST;
}

/* metadump, mgdump and crawl name what they scan. */
static enum parse_status admin_parse_scan(struct parse *parse, const struct line *line, enum op op,
                                          struct word classes) {
    if (classes.length > KEY_LENGTH_MAX) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    admin_accept(parse, line, op, 0);
    parse->request->key = classes.start;
    parse->request->key_length = (uint16_t)classes.length;
    return PARSE_REQUEST;
}

static enum parse_status admin_parse_number(struct parse *parse, const struct line *line,
                                            enum op op, const struct words *words) {
    uint32_t number;
    if (!words_number(words, 1, &number)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_FORMAT);
    }
    if (op == OP_CRAWLER_SLEEP && number > CRAWLER_SLEEP_US_MAX) {
        return refusal_fill_line(parse, line, PROTO_ERROR_CRAWLER_SLEEP);
    }
    return admin_accept(parse, line, op, number);
}

/* lru_crawler enable|disable; metadump|mgdump|crawl <classes>|all|hash; sleep|tocrawl <number> */
enum parse_status text_parse_lru_crawler(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    struct word sub = words.word[0];
    if (words.count == 1 && (word_is(sub, "enable") || word_is(sub, "disable"))) {
        return admin_accept(parse, line, OP_CRAWLER_SWITCH, word_is(sub, "enable"));
    }
    if (words.count != 2) {
        return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
    }
    if (word_is(sub, "metadump")) {
        return parse->parser->no_dump ? refusal_fill_line(parse, line, PROTO_ERROR_METADUMP)
                                      : admin_parse_scan(parse, line, OP_METADUMP, words.word[1]);
    }
    if (word_is(sub, "mgdump")) {
        return parse->parser->no_dump ? refusal_fill_line(parse, line, PROTO_ERROR_MGDUMP)
                                      : admin_parse_scan(parse, line, OP_MGDUMP, words.word[1]);
    }
    if (word_is(sub, "crawl")) {
        return admin_parse_scan(parse, line, OP_CRAWL, words.word[1]);
    }
    if (word_is(sub, "sleep")) {
        return admin_parse_number(parse, line, OP_CRAWLER_SLEEP, &words);
    }
    if (word_is(sub, "tocrawl")) {
        return admin_parse_number(parse, line, OP_CRAWLER_TOCRAWL, &words);
    }
    return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
}

/* lru tune <hot %> <warm %> <hot factor> <warm factor>. There are no such queues here, so that it
 * is checked and changes nothing, as in memcached with a single queue (-o no_lru_maintainer), which
 * doesn't have `lru mode` and `lru temp_ttl` either. */
enum parse_status text_parse_lru(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    uint32_t hot;
    uint32_t warm;
    double hot_factor;
    double warm_factor;
    if (!word_is(words.word[0], "tune") || words.count < 5 || !words_number(&words, 1, &hot) ||
        !words_number(&words, 2, &warm) || !words_fraction(&words, 3, &hot_factor) ||
        !words_fraction(&words, 4, &warm_factor)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
    }
    if ((uint64_t)hot + warm > LRU_SHARES_MAX) {
        return refusal_fill_line(parse, line, PROTO_ERROR_LRU_SHARES);
    }
    if (hot_factor <= 0 || warm_factor <= 0) {
        return refusal_fill_line(parse, line, PROTO_ERROR_LRU_FACTORS);
    }
    return admin_accept(parse, line, (enum op)line->op, 0);
}

/* slabs automove <level>|window <seconds>|ratio <share>|freeratio <share> */
static enum proto_error admin_check_automove(const struct words *words) {
    struct word what = words->word[1];
    uint32_t number;
    double share;
    if (word_is(what, "ratio") || word_is(what, "freeratio")) {
        return words_fraction(words, 2, &share) ? PROTO_ERROR_NONE : PROTO_ERROR_COMMAND;
    }
    if (word_is(what, "window")) {
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

/* slabs reassign <class> <class>, slabs automove …. Memory isn't divided into classes here:
 * reassign is refused, automove is checked and changes nothing. */
enum parse_status text_parse_slabs(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    if (words.count == 3 && word_is(words.word[0], "reassign")) {
        return refusal_fill_line(parse, line, PROTO_ERROR_SLAB_REASSIGN);
    }
    if (words.count < 2 || !word_is(words.word[0], "automove")) {
        return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
    }
    enum proto_error error = admin_check_automove(&words);
    if (error != PROTO_ERROR_NONE) {
        return refusal_fill_line(parse, line, error);
    }
    return admin_accept(parse, line, (enum op)line->op, 0);
}

/* cache_memlimit <MiB> */
enum parse_status text_parse_memory_limit(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    uint32_t limit_mib;
    if (!words_number(&words, 0, &limit_mib)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
    }
    if (limit_mib < MEMORY_LIMIT_MIB_MIN) {
        return refusal_fill_line(parse, line, PROTO_ERROR_MEMORY_TOO_SMALL);
    }
    if (limit_mib > MEMORY_LIMIT_MIB_MAX) {
        return refusal_fill_line(parse, line, PROTO_ERROR_MEMORY_IN_BYTES);
    }
    return admin_accept(parse, line, (enum op)line->op, limit_mib);
}

/* shutdown [graceful] */
enum parse_status text_parse_shutdown(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    enum shutdown_mode mode = SHUTDOWN_UNKNOWN;
    if (words.count == 0) {
        mode = SHUTDOWN_NOW;
    } else if (words.count == 1 && word_is(words.word[0], "graceful")) {
        mode = SHUTDOWN_GRACEFUL;
    }
    return admin_accept(parse, line, (enum op)line->op, mode);
}

/* The streams that a line names; 0: it has another word, too. As in memcached the front of a name
 * is enough, and without any it is the fetchers'. */
static uint32_t admin_streams_of(struct line *line) {
    uint32_t streams = 0;
    struct word word = line_take_word(line);
    if (word.length == 0) {
        return STREAM_FETCHERS;
    }
    for (; word.length > 0; word = line_take_word(line)) {
        uint32_t stream = stream_named(word.start, word.length);
        if (stream == 0) {
            return 0;
        }
        streams |= stream;
    }
    return streams;
}

/* watch [stream …]; it has no noreply. */
enum parse_status text_parse_watch(struct parse *parse, struct line *line) {
    if (parse->parser->no_watch) {
        return refusal_fill(parse, PROTO_ERROR_WATCH);
    }
    uint32_t streams = admin_streams_of(line);
    if (streams == 0) {
        return refusal_fill(parse, PROTO_ERROR_COMMAND);
    }
    *parse->request = (struct request){
        .op = line->op,
        .protocol = PROTOCOL_TEXT,
        .delta = streams,
    };
    return PARSE_REQUEST;
}

#ifdef PROTO_DEBUG_TIME
/* debugtime <seconds>|p|r: moves, pauses and resumes the clock. */
enum parse_status text_parse_debug_time(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    struct word what = words.word[0];
    if (word_is(what, "p")) {
        return admin_accept(parse, line, (enum op)line->op, DEBUG_TIME_PAUSE);
    }
    if (word_is(what, "r")) {
        return admin_accept(parse, line, (enum op)line->op, DEBUG_TIME_RESUME);
    }
    int64_t seconds;
    if (!number_parse_i64(what.start, what.length, &seconds)) {
        return refusal_fill_line(parse, line, PROTO_ERROR_COMMAND);
    }
    admin_accept(parse, line, (enum op)line->op, DEBUG_TIME_MOVE);
    parse->request->exptime = seconds;
    return PARSE_REQUEST;
}
#endif

/* config get cluster, also with spaces behind it. All else that begins with config is unknown, as
 * all of it is in memcached. */
enum parse_status text_parse_config(struct parse *parse, struct line *line) {
    struct words words = words_take(line);
    if (!parse->parser->discovers || words.count != 2 || !word_is(words.word[0], "get") ||
        !word_is(words.word[1], CONFIG_NAME)) {
        return text_parse_unknown(parse, line);
    }
    *parse->request = (struct request){.op = OP_CONFIG, .protocol = PROTOCOL_TEXT};
    return PARSE_REQUEST;
}
