/* metrics_exporter: the names of prometheus/memcached_exporter 0.16.0, but for those of slabs. */
#include <stdio.h>
#include <string.h>

#include "core/stats/metrics_writer.h"

/* Families with one sample: the name behind "memcached_", its type there, and the row of `stats`
 * that it tells. */
struct exporter_family {
    const char *name;
    enum metrics_type type;
    const char *row;
};

/* clang-format off */
static const struct exporter_family exporter_families[] = {
    {"uptime_seconds", METRICS_COUNTER, "uptime"},
    {"time_seconds", METRICS_GAUGE, "time"},
    {"process_user_cpu_seconds_total", METRICS_COUNTER, "rusage_user"},
    {"process_system_cpu_seconds_total", METRICS_COUNTER, "rusage_system"},
    {"read_bytes_total", METRICS_COUNTER, "bytes_read"},
    {"written_bytes_total", METRICS_COUNTER, "bytes_written"},
    {"current_connections", METRICS_GAUGE, "curr_connections"},
    {"max_connections", METRICS_GAUGE, "max_connections"},
    {"connections_total", METRICS_COUNTER, "total_connections"},
    {"connections_rejected_total", METRICS_COUNTER, "rejected_connections"},
    {"connections_yielded_total", METRICS_COUNTER, "conn_yields"},
    {"connections_listener_disabled_total", METRICS_COUNTER, "listen_disabled_num"},
    {"accepting_connections", METRICS_GAUGE, "accepting_conns"},
    {"current_bytes", METRICS_GAUGE, "bytes"},
    {"limit_bytes", METRICS_GAUGE, "limit_maxbytes"},
    {"current_items", METRICS_GAUGE, "curr_items"},
    {"items_total", METRICS_COUNTER, "total_items"},
    {"items_evicted_total", METRICS_COUNTER, "evictions"},
    {"items_reclaimed_total", METRICS_COUNTER, "reclaimed"},
    {"item_too_large_total", METRICS_COUNTER, "store_too_large"},
    {"item_no_memory_total", METRICS_COUNTER, "store_no_memory"},
    {"direct_reclaims_total", METRICS_COUNTER, "direct_reclaims"},
    {"lru_crawler_starts_total", METRICS_COUNTER, "lru_crawler_starts"},
    {"lru_crawler_reclaimed_total", METRICS_COUNTER, "crawler_reclaimed"},
    {"lru_crawler_items_checked_total", METRICS_COUNTER, "crawler_items_checked"},
    {"lru_crawler_moves_to_cold_total", METRICS_COUNTER, "moves_to_cold"},
    {"lru_crawler_moves_to_warm_total", METRICS_COUNTER, "moves_to_warm"},
    {"lru_crawler_moves_within_lru_total", METRICS_COUNTER, "moves_within_lru"},
};
/* clang-format on */

#define EXPORTER_FAMILIES (sizeof(exporter_families) / sizeof(*exporter_families))

bool metrics_exporter_has(const struct statistic *row) {
    for (size_t i = 0; i < EXPORTER_FAMILIES; i++) {
        if (strcmp(exporter_families[i].row, row->name) == 0) {
            return true;
        }
    }
    return false;
}

static void exporter_put_families(struct metrics_writer *writer,
                                  const struct metrics_sources *sources) {
    for (size_t i = 0; i < EXPORTER_FAMILIES; i++) {
        const struct exporter_family *family = &exporter_families[i];
        const struct statistic *row = metrics_row(family->row);
        char name[METRICS_NAME_BYTES];
        snprintf(name, sizeof(name), "memcached_%s", family->name);
        metrics_put_head(writer, name, family->type, row->sentence);
        metrics_put_row(writer, name, NULL, row, sources);
    }
}

static void exporter_put_gauge(struct metrics_writer *writer, const char *name, const char *help,
                               uint64_t number) {
    metrics_put_head(writer, name, METRICS_GAUGE, help);
    metrics_put_number(writer, name, NULL, number);
}

/* What the exporter reads of `stats settings`. Shares and factors of queues are none here. */
static void exporter_put_settings(struct metrics_writer *writer,
                                  const struct metrics_sources *sources) {
    const struct server_settings *settings = sources->stats.settings;
    exporter_put_gauge(writer, "memcached_lru_crawler_enabled", "1 while the crawler is enabled.",
                       settings->lru_crawler);
    exporter_put_gauge(writer, "memcached_lru_crawler_sleep",
                       "Microseconds between two slices of the crawler.",
                       settings->lru_crawler_sleep_us);
    exporter_put_gauge(writer, "memcached_lru_crawler_to_crawl",
                       "Items of one scan of the crawler; 0: all.", settings->lru_crawler_tocrawl);
    exporter_put_gauge(writer, "memcached_lru_crawler_maintainer_thread",
                       "Always 0: reactors look after their queues themselves.", 0);
    exporter_put_gauge(writer, "memcached_lru_crawler_hot_percent",
                       "Always 0: the queues have no fixed shares.", 0);
    exporter_put_gauge(writer, "memcached_lru_crawler_warm_percent",
                       "Always 0: the queues have no fixed shares.", 0);
    exporter_put_gauge(writer, "memcached_lru_crawler_hot_max_factor",
                       "Always 0: the queues have no limits by age.", 0);
    exporter_put_gauge(writer, "memcached_lru_crawler_warm_max_factor",
                       "Always 0: the queues have no limits by age.", 0);
}

/* A set is what memcached_exporter takes for one: a storage command without a CAS. */
void metrics_put_commands(struct metrics_writer *writer, const char *name, const char *label,
                          const struct counters *counters) {
    const struct {
        const char *command;
        const char *status;
        uint64_t number;
        bool misses;
    } rows[] = {
        {"get", "hit", counters->get_hits, false},
        {"get", "miss", counters->get_misses, true},
        {"delete", "hit", counters->delete_hits, false},
        {"delete", "miss", counters->delete_misses, true},
        {"incr", "hit", counters->incr_hits, false},
        {"incr", "miss", counters->incr_misses, true},
        {"decr", "hit", counters->decr_hits, false},
        {"decr", "miss", counters->decr_misses, true},
        {"cas", "hit", counters->cas_hits, false},
        {"cas", "miss", counters->cas_misses, true},
        {"cas", "badval", counters->cas_badval, false},
        {"touch", "hit", counters->touch_hits, false},
        {"touch", "miss", counters->touch_misses, true},
        {"set", "hit",
         counters->cmd_set - counters->cas_hits - counters->cas_misses - counters->cas_badval,
         false},
        {"flush", "hit", counters->cmd_flush, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char labels[METRICS_NAME_BYTES];
        if (*label && rows[i].misses) {
            continue;
        }
        snprintf(labels, sizeof(labels), "%s%scommand=\"%s\",status=\"%s\"", label,
                 *label ? "," : "", rows[i].command, rows[i].status);
        metrics_put_number(writer, name, labels, rows[i].number);
    }
}

void metrics_put_exporter(struct metrics_writer *writer, const struct metrics_sources *sources) {
    const struct store_stats *store = &sources->stats.sum->store;
    char version[STATISTIC_TEXT_BYTES + 16];
    exporter_put_gauge(writer, "memcached_up", "1: the server answers.", 1);
    metrics_put_head(writer, "memcached_version", METRICS_GAUGE,
                     "1, with the version of the server.");
    snprintf(version, sizeof(version), "version=\"%s\"", sources->stats.facts->version);
    metrics_put_number(writer, "memcached_version", version, 1);
    exporter_put_families(writer, sources);
    exporter_put_gauge(writer, "memcached_malloced_bytes",
                       "Memory of the segments that are in use.",
                       store->segments * store->segment_bytes);
    metrics_put_head(writer, "memcached_commands_total", METRICS_COUNTER,
                     "Commands, by what came of them.");
    metrics_put_commands(writer, "memcached_commands_total", "", &sources->stats.sum->counters);
    exporter_put_settings(writer, sources);
}
