#include "proto/stats.h"

#include "proto/classes.h"
#include "proto/line.h"
#include "proto/number.h"

/* As in memcached words behind the third are ignored. */
#define WORDS_MAX 3

struct stats_words {
    uint32_t count;
    struct word at[WORDS_MAX];
};

static struct stats_words stats_split(const char *bytes, size_t length) {
    struct line line = {.rest = bytes, .end = bytes + length};
    struct stats_words words = {0};
    while (words.count < WORDS_MAX) {
        struct word word = line_take_word(&line);
        if (word.length == 0) {
            break;
        }
        words.at[words.count++] = word;
    }
    return words;
}

static bool stats_word_is(const struct stats_words *words, uint32_t index, const char *text) {
    return index < words->count && word_is(words->at[index], text);
}

static bool stats_number_of(struct word word, uint32_t *number) {
    return number_parse_u32(word.start, word.length, number);
}

static struct stats_command stats_refuse(const char *line) {
    return (struct stats_command){.group = STATS_REFUSED, .line = line};
}

/* detail on|off|dump */
static struct stats_command stats_detail_of(const struct stats_words *words) {
    if (stats_word_is(words, 1, "on")) {
        return (struct stats_command){.group = STATS_DETAIL_ON, .line = "OK"};
    }
    if (stats_word_is(words, 1, "off")) {
        return (struct stats_command){.group = STATS_DETAIL_OFF, .line = "OK"};
    }
    if (stats_word_is(words, 1, "dump")) {
        return (struct stats_command){.group = STATS_DETAIL_DUMP};
    }
    return stats_refuse("CLIENT_ERROR usage: stats detail on|off|dump");
}

/* cachedump <class> <items> */
static struct stats_command stats_cachedump_of(const struct stats_words *words) {
    uint32_t slab_class;
    uint32_t items_max;
    if (words->count < 3) {
        return stats_refuse("CLIENT_ERROR bad command line");
    }
    if (!stats_number_of(words->at[1], &slab_class) || !stats_number_of(words->at[2], &items_max)) {
        return stats_refuse("CLIENT_ERROR bad command line format");
    }
    if (slab_class > CLASS_MAX) {
        return stats_refuse("CLIENT_ERROR Illegal slab id");
    }
    if (slab_class != CLASS_OF_ITEMS) {
        return (struct stats_command){.group = STATS_EMPTY};
    }
    return (struct stats_command){.group = STATS_CACHEDUMP, .items_max = items_max};
}

/* The sub-commands of one word. */
static const struct {
    const char *word;
    struct stats_command command;
} stats_simple[] = {
    {"settings", {.group = STATS_SETTINGS}},
    {"items", {.group = STATS_ITEMS}},
    {"slabs", {.group = STATS_SLABS}},
    {"sizes", {.group = STATS_SIZES}},
    {"cluster", {.group = STATS_CLUSTER}},
    {"conns", {.group = STATS_CONNS}},
    {"reset", {.group = STATS_RESET, .line = "RESET"}},
    {"latency", {.group = STATS_LATENCY}},
    {"hotkeys", {.group = STATS_HOTKEYS}},
};

static struct stats_command stats_text_command_of(const struct stats_words *words) {
    if (words->count == 0) {
        return (struct stats_command){.group = STATS_GENERAL};
    }
    for (size_t i = 0; i < sizeof(stats_simple) / sizeof(stats_simple[0]); i++) {
        if (stats_word_is(words, 0, stats_simple[i].word)) {
            return stats_simple[i].command;
        }
    }
    if (stats_word_is(words, 0, "detail")) {
        return stats_detail_of(words);
    }
    if (stats_word_is(words, 0, "cachedump")) {
        return stats_cachedump_of(words);
    }
    return (struct stats_command){.group = STATS_UNKNOWN};
}

static bool stats_is_of_text_only(enum stats_group group) {
    return group == STATS_CONNS || group == STATS_CACHEDUMP || group == STATS_EMPTY ||
           group == STATS_REFUSED;
}

struct stats_command stats_command_of(const struct request *request) {
    struct stats_words words = stats_split(request->key, request->key_length);
    struct stats_command command = stats_text_command_of(&words);
    if (request->protocol == PROTOCOL_BINARY && stats_is_of_text_only(command.group)) {
        command = (struct stats_command){.group = STATS_UNKNOWN};
    }
    return command;
}

enum proto_error stats_check_allowed(const struct parser *parser, const char *words,
                                     size_t length) {
    if (!parser->no_dump) {
        return PROTO_ERROR_NONE;
    }
    struct word first = {words, word_length(words, length)};
    if (word_is(first, "detail")) {
        return PROTO_ERROR_DETAIL;
    }
    if (word_is(first, "hotkeys")) {
        return PROTO_ERROR_HOTKEYS;
    }
    return word_is(first, "cachedump") ? PROTO_ERROR_CACHEDUMP : PROTO_ERROR_NONE;
}
