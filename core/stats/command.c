#include "core/stats/command.h"

#include <assert.h>
#include <string.h>

#include "core/stats/writer.h"
#include "proto/reply.h"

/* A sub-command has three words at most; those behind are ignored. */
#define WORDS_MAX 3

/* memcached's slab classes are below this; ours is the first. */
#define CLASS_MAX 63
#define CLASS_OURS 1

struct words {
    uint32_t count;
    struct word {
        const char *bytes;
        size_t length;
    } at[WORDS_MAX];
};

static struct words split(const char *bytes, size_t length) {
    struct words words = {0};
    const char *end = bytes + length;
    while (words.count < WORDS_MAX) {
        while (bytes < end && *bytes == ' ') {
            bytes++;
        }
        if (bytes == end) {
            break;
        }
        struct word *word = &words.at[words.count++];
        word->bytes = bytes;
        while (bytes < end && *bytes != ' ') {
            bytes++;
        }
        word->length = (size_t)(bytes - word->bytes);
    }
    return words;
}

static bool is(const struct words *words, uint32_t index, const char *text) {
    const struct word *word = &words->at[index];
    return index < words->count && word->length == strlen(text) &&
           memcmp(word->bytes, text, word->length) == 0;
}

/* A decimal number of 32 bits. */
static bool number_of(const struct word *word, uint32_t *number) {
    uint64_t sum = 0;
    for (size_t i = 0; i < word->length; i++) {
        if (word->bytes[i] < '0' || word->bytes[i] > '9') {
            return false;
        }
        sum = 10 * sum + (uint64_t)(word->bytes[i] - '0');
        if (sum > UINT32_MAX) {
            return false;
        }
    }
    *number = (uint32_t)sum;
    return true;
}

static struct stats_command refused(const char *line) {
    return (struct stats_command){.group = STATS_REFUSED, .line = line};
}

static struct stats_command detail_of(const struct words *words) {
    if (is(words, 1, "on")) {
        return (struct stats_command){.group = STATS_DETAIL_ON, .line = "OK"};
    }
    if (is(words, 1, "off")) {
        return (struct stats_command){.group = STATS_DETAIL_OFF, .line = "OK"};
    }
    if (is(words, 1, "dump")) {
        return (struct stats_command){.group = STATS_DETAIL_DUMP};
    }
    return refused("CLIENT_ERROR usage: stats detail on|off|dump");
}

/* cachedump <class> <items> */
static struct stats_command cachedump_of(const struct words *words) {
    uint32_t slab_class, items_max;
    if (words->count < 3) {
        return refused("CLIENT_ERROR bad command line");
    }
    if (!number_of(&words->at[1], &slab_class) || !number_of(&words->at[2], &items_max)) {
        return refused("CLIENT_ERROR bad command line format");
    }
    if (slab_class > CLASS_MAX) {
        return refused("CLIENT_ERROR Illegal slab id");
    }
    if (slab_class != CLASS_OURS) {
        return (struct stats_command){.group = STATS_EMPTY};
    }
    return (struct stats_command){.group = STATS_CACHEDUMP, .items_max = items_max};
}

static struct stats_command text_command_of(const struct words *words) {
    if (words->count == 0) {
        return (struct stats_command){.group = STATS_GENERAL};
    }
    if (is(words, 0, "settings")) {
        return (struct stats_command){.group = STATS_SETTINGS};
    }
    if (is(words, 0, "items")) {
        return (struct stats_command){.group = STATS_ITEMS};
    }
    if (is(words, 0, "slabs")) {
        return (struct stats_command){.group = STATS_SLABS};
    }
    if (is(words, 0, "sizes")) {
        return (struct stats_command){.group = STATS_SIZES};
    }
    if (is(words, 0, "conns")) {
        return (struct stats_command){.group = STATS_CONNS};
    }
    if (is(words, 0, "reset")) {
        return (struct stats_command){.group = STATS_RESET, .line = "RESET"};
    }
    if (is(words, 0, "detail")) {
        return detail_of(words);
    }
    if (is(words, 0, "cachedump")) {
        return cachedump_of(words);
    }
    return (struct stats_command){.group = STATS_UNKNOWN};
}

static bool is_of_text_only(enum stats_group group) {
    return group == STATS_CONNS || group == STATS_CACHEDUMP || group == STATS_EMPTY ||
           group == STATS_REFUSED;
}

struct stats_command stats_command_of(const struct request *request) {
    struct words words = split(request->key, request->key_length);
    struct stats_command command = text_command_of(&words);
    if (request->protocol == PROTOCOL_BINARY && is_of_text_only(command.group)) {
        command = (struct stats_command){.group = STATS_UNKNOWN};
    }
    return command;
}

static void put_line(struct stats_writer *writer, const char *line) {
    char *out = stats_room(writer, strlen(line) + REPLY_STAT_MAX);
    if (out) {
        writer->output->length += reply_stats_line(out, writer->request, line);
    }
}

static void put_unknown(struct stats_writer *writer) {
    char *out = stats_room(writer, REPLY_STAT_MAX);
    if (out) {
        writer->output->length += reply_stats_unknown(out, writer->request);
    }
}

static void put_list(struct stats_writer *writer, enum stats_group group,
                     const struct stats_sources *sources) {
    switch (group) {
    case STATS_GENERAL:
        stats_put_general(writer, sources);
        break;
    case STATS_ITEMS:
        stats_put_items(writer, sources);
        break;
    case STATS_SLABS:
        stats_put_slabs(writer, sources->sum);
        break;
    case STATS_SETTINGS:
        stats_put_settings(writer, sources);
        break;
    case STATS_EMPTY:
        break;
    case STATS_REFUSED:
    case STATS_UNKNOWN:
    case STATS_RESET:
    case STATS_DETAIL_ON:
    case STATS_DETAIL_OFF:
    case STATS_SIZES:
    case STATS_CONNS:
    case STATS_DETAIL_DUMP:
    case STATS_CACHEDUMP:
        assert(!"not a list from a sum");
    }
    stats_put_end(writer);
}

bool stats_write(struct buffer_pool *pool, struct buffer *output, const struct request *request,
                 const struct stats_sources *sources) {
    struct stats_writer writer = {.pool = pool, .output = output, .request = request};
    struct stats_command command = stats_command_of(request);
    if (command.line) {
        put_line(&writer, command.line);
    } else if (command.group == STATS_UNKNOWN) {
        put_unknown(&writer);
    } else {
        put_list(&writer, command.group, sources);
    }
    return !writer.failed;
}
