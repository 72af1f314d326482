#include "core/stats/command.h"

#include <assert.h>
#include <string.h>

#include "core/stats/writer.h"
#include "proto/reply.h"

static void stats_command_put_line(struct stats_writer *writer, const char *line) {
    char *out = stats_reserve(writer, strlen(line) + REPLY_STAT_MAX);
    if (out) {
        writer->output->length += reply_stats_line(out, writer->request, line);
    }
}

static void stats_command_put_unknown(struct stats_writer *writer) {
    char *out = stats_reserve(writer, REPLY_STAT_MAX);
    if (out) {
        writer->output->length += reply_stats_unknown(out, writer->request);
    }
}

static void stats_command_put_list(struct stats_writer *writer, enum stats_group group,
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
    case STATS_CLUSTER:
        stats_put_cluster(writer, sources);
        break;
    case STATS_LATENCY:
        stats_put_latency(writer, sources->latency);
        break;
    case STATS_HOTKEYS:
        stats_put_hotkeys(writer, sources->hotkeys);
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
        stats_command_put_line(&writer, command.line);
    } else if (command.group == STATS_UNKNOWN ||
               (command.group == STATS_CLUSTER && !stats_has_cluster(sources->facts))) {
        stats_command_put_unknown(&writer);
    } else {
        stats_command_put_list(&writer, command.group, sources);
    }
    return !writer.failed;
}
