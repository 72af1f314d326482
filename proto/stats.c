#include "proto/stats.h"

#include <string.h>

static bool stats_begins_with(const char *words, size_t length, const char *word) {
    size_t there = strlen(word);
    return length >= there && memcmp(words, word, there) == 0 &&
           (length == there || words[there] == ' ');
}

enum proto_error stats_check_allowed(const struct parser *parser, const char *words,
                                     size_t length) {
    if (parser->no_dump && stats_begins_with(words, length, "detail")) {
        return PROTO_ERROR_DETAIL;
    }
    if (parser->no_dump && stats_begins_with(words, length, "cachedump")) {
        return PROTO_ERROR_CACHEDUMP;
    }
    return PROTO_ERROR_NONE;
}
