#include "core/stats/json.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/clock.h"
#include "core/stats/statistic.h"

static void json_put_string(struct text *text, const char *string) {
    text_add_json(text, string, strlen(string));
}

/* `"name":`, with a comma before it unless it is the first of its object. */
static void json_put_name(struct text *text, const char *name, bool first) {
    text_add(text, first ? "" : ",");
    json_put_string(text, name);
    text_add(text, ":");
}

static void json_put_number(struct text *text, const char *name, uint64_t number, bool first) {
    json_put_name(text, name, first);
    text_format(text, "%" PRIu64, number);
}

/* The rows of `stats`. Texts are numbers but for the version. */
static void json_put_rows(struct text *text, const struct stats_sources *sources) {
    bool first = true;
    text_add(text, ",\"stats\":{");
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *row = &statistic_table[i];
        char value[STATISTIC_TEXT_BYTES];
        if (row->is_tls && !sources->facts->tls) {
            continue;
        }
        if (!row->text) {
            json_put_number(text, row->name, statistic_number(row, sources), first);
        } else {
            row->text(sources, value);
            json_put_name(text, row->name, first);
            if (strcmp(row->name, "version") == 0) {
                json_put_string(text, value);
            } else {
                text_add(text, value);
            }
        }
        first = false;
    }
    text_add(text, "}");
}

static void json_put_cores(struct text *text, const struct metrics_sources *sources) {
    text_add(text, ",\"per_core\":[");
    for (uint32_t i = 0; i < sources->snapshot->cores; i++) {
        const struct shard_stats *stats = &sources->snapshot->parts[i].stats;
        text_add(text, i > 0 ? ",{" : "{");
        json_put_number(text, "cpu_ns", sources->cpu_ns[i], true);
        json_put_number(text, "turns", stats->counters.reactor_turns, false);
        json_put_number(text, "sleeps", stats->counters.reactor_sleeps, false);
        json_put_number(text, "connections", stats->counters.curr_connections, false);
        json_put_number(text, "mesh_requests", stats->counters.mesh_requests, false);
        json_put_number(text, "items", stats->store.items, false);
        json_put_number(text, "memory_bytes", stats->store.memory_bytes, false);
        text_add(text, "}");
    }
    text_add(text, "]");
}

static uint64_t json_age(const struct stats_sources *sources, uint64_t oldest_time) {
    return oldest_time == 0 || oldest_time > sources->now
               ? 0
               : clock_seconds_since((uint32_t)oldest_time, sources->now);
}

static void json_put_queue(struct text *text, const struct metrics_sources *sources,
                           const struct store_queue_stats *queue, const uint64_t *ages) {
    text_add(text, "{");
    json_put_number(text, "items", queue->items, true);
    json_put_number(text, "bytes", queue->item_bytes, false);
    json_put_number(text, "segments", queue->segments, false);
    json_put_number(text, "age_s", json_age(&sources->stats, queue->oldest_time), false);
    json_put_number(text, "hits", queue->hits, false);
    json_put_number(text, "evictions", queue->evictions, false);
    json_put_number(text, "evicted_unread", queue->evicted_unfetched, false);
    json_put_number(text, "moved_items", queue->moved_items, false);
    text_add(text, ",\"segments_by_age\":[");
    for (uint32_t i = 0; i < SNAPSHOT_AGES; i++) {
        text_format(text, "%s%" PRIu64, i > 0 ? "," : "", ages[i]);
    }
    text_add(text, "]}");
}

static void json_put_queues(struct text *text, const struct metrics_sources *sources) {
    const struct store_stats *store = &sources->stats.sum->store;
    text_add(text, ",\"age_bounds_s\":[");
    for (uint32_t i = 0; i < SNAPSHOT_AGES - 1; i++) {
        text_format(text, "%s%" PRIu32, i > 0 ? "," : "", snapshot_age_bounds_s[i]);
    }
    text_add(text, "],\"queues\":{\"small\":");
    json_put_queue(text, sources, &store->small, sources->snapshot->ages[0]);
    text_add(text, ",\"main\":");
    json_put_queue(text, sources, &store->main, sources->snapshot->ages[1]);
    text_add(text, "}");
}

static void json_put_memory(struct text *text, const struct snapshot *snapshot) {
    struct snapshot_memory memory = snapshot_memory(snapshot);
    text_add(text, ",\"memory\":{");
    json_put_number(text, "small_items", memory.small_items, true);
    json_put_number(text, "main_items", memory.main_items, false);
    json_put_number(text, "dead_items", memory.dead_items, false);
    json_put_number(text, "segments_rest", memory.segments_rest, false);
    json_put_number(text, "index", memory.index, false);
    json_put_number(text, "ghosts", memory.ghosts, false);
    json_put_number(text, "bookkeeping", memory.bookkeeping, false);
    json_put_number(text, "free", memory.free, false);
    json_put_number(text, "copies", memory.copies, false);
    json_put_number(text, "connection_buffers", memory.buffers, false);
    text_add(text, "}");
}

/* Times in microseconds. */
static void json_put_latency(struct text *text, const struct latency *latency) {
    static const struct {
        const char *name;
        uint32_t of_10000;
    } percentiles[] = {{"p50_us", 5000}, {"p90_us", 9000}, {"p99_us", 9900}, {"p99.9_us", 9990}};
    text_add(text, ",\"latency\":{");
    for (uint32_t i = 0; i < LATENCY_KINDS; i++) {
        enum latency_kind kind = (enum latency_kind)i;
        json_put_name(text, latency_kind_name(kind), i == 0);
        text_add(text, "{");
        json_put_number(text, "count", latency_count(latency, kind), true);
        for (size_t j = 0; j < sizeof(percentiles) / sizeof(*percentiles); j++) {
            uint64_t ns = latency_percentile_ns(latency, kind, percentiles[j].of_10000);
            json_put_name(text, percentiles[j].name, false);
            text_format(text, "%.2f", (double)ns / 1000);
        }
        json_put_name(text, "max_us", false);
        text_format(text, "%.2f}", (double)latency->max_ns[kind] / 1000);
    }
    text_add(text, "}");
}

static void json_put_hotkey(struct text *text, const struct hotkeys_list *list,
                            const struct hotkey *hotkey) {
    double share =
        (double)hotkey_requests(hotkey) * 100 / (double)(list->sampled ? list->sampled : 1);
    text_add(text, "{\"key\":");
    text_add_json(text, hotkey->key, hotkey->key_length);
    text_format(text, ",\"share_percent\":%.2f", share);
    json_put_number(text, "sampled_reads", hotkey->reads, false);
    json_put_number(text, "sampled_writes", hotkey->writes, false);
    json_put_number(text, "sampled_bytes", hotkey->bytes, false);
    json_put_number(text, "sampled_excess", hotkey->excess, false);
    text_format(text, ",\"copied\":%s", hotkey->copied ? "true" : "false");
    text_add(text, "}");
}

/* Keys in order; null, and why, where they are not told. */
static void json_put_hotkeys(struct text *text, const struct metrics_sources *sources) {
    const struct hotkeys_list *list = &sources->snapshot->hotkeys;
    text_add(text, ",\"hot_keys\":");
    if (sources->keys_hidden) {
        text_add(text, "null");
        json_put_name(text, "hot_keys_hidden", false);
        json_put_string(text, sources->keys_hidden);
        return;
    }
    text_add(text, "[");
    for (uint32_t i = 0; i < list->count; i++) {
        text_add(text, i > 0 ? "," : "");
        json_put_hotkey(text, list, &list->keys[i]);
    }
    text_add(text, "]");
    json_put_number(text, "hot_keys_sampled", list->sampled, false);
    json_put_number(text, "hot_keys_window_s", list->window_ns / 1000000000, false);
}

/* One line of the answer to `stats settings`: "STAT name value". Returns what is behind it. */
static const char *json_put_setting(struct text *text, const char *line, bool first) {
    const char *end = strstr(line, "\r\n");
    const char *name = line + strlen("STAT ");
    const char *space = memchr(name, ' ', (size_t)(end - name));
    const char *value = space ? space + 1 : end;
    text_add(text, first ? "" : ",");
    text_add_json(text, name, (size_t)((space ? space : end) - name));
    text_add(text, ":");
    text_add_json(text, value, (size_t)(end - value));
    return end + strlen("\r\n");
}

/* What `stats settings` answers: there is one list of settings. */
static void json_put_settings(struct text *text, const struct stats_sources *sources) {
    static const char group[] = "settings";
    const struct request request = {.op = OP_STATS, .key = group, .key_length = sizeof(group) - 1};
    struct buffer_pool pool;
    struct buffer answer = {0};
    buffer_pool_init(&pool);
    text_add(text, ",\"settings\":{");
    if (stats_write(&pool, &answer, &request, sources) &&
        buffer_append(&pool, &answer, "", sizeof(""))) {
        const char *line = answer.bytes;
        for (bool first = true; strncmp(line, "STAT ", 5) == 0; first = false) {
            line = json_put_setting(text, line, first);
        }
    } else {
        text->failed = true;
    }
    buffer_release(&pool, &answer);
    buffer_pool_finish(&pool);
    text_add(text, "}");
}

void json_write(struct text *text, const struct metrics_sources *sources) {
    const struct stats_sources *stats = &sources->stats;
    uint64_t uptime = clock_seconds_since(CLOCK_FIRST_TICK, stats->now);
    text_add(text, "{\"version\":");
    json_put_string(text, stats->facts->version);
    json_put_number(text, "unix_time", (uint64_t)stats->unix_now, false);
    json_put_number(text, "uptime_s", uptime, false);
    json_put_number(text, "monotonic_ns", sources->snapshot->monotonic_ns, false);
    json_put_number(text, "cores", sources->snapshot->cores, false);
    json_put_number(text, "resident_bytes", sources->resident_bytes, false);
    json_put_rows(text, stats);
    json_put_cores(text, sources);
    json_put_queues(text, sources);
    json_put_memory(text, sources->snapshot);
    json_put_latency(text, &sources->snapshot->latency);
    json_put_hotkeys(text, sources);
    json_put_settings(text, stats);
    text_add(text, "}\n");
}
