/* metrics_writer: families and samples in the formats of Prometheus. Private to core/stats.
 *
 * All samples of a family follow its head. In OpenMetrics a counter's name ends in _total; one of
 * the exporter's that does not is told as of unknown type there, so that its name stays the same.
 */
#ifndef CORE_STATS_METRICS_WRITER_H
#define CORE_STATS_METRICS_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/text.h"
#include "core/stats/metrics.h"
#include "core/stats/statistic.h"

struct metrics_writer {
    struct text *page;
    bool open_metrics;
};

enum metrics_type {
    METRICS_COUNTER,
    METRICS_GAUGE,
    METRICS_HISTOGRAM,
};

#define METRICS_NAME_BYTES 96

/* The head of a family. */
void metrics_put_head(struct metrics_writer *writer, const char *name, enum metrics_type type,
                      const char *help);

/* A sample: labels are as they stand between the braces, or NULL. */
void metrics_put_number(struct metrics_writer *writer, const char *name, const char *labels,
                        uint64_t number);
void metrics_put_seconds(struct metrics_writer *writer, const char *name, const char *labels,
                         uint64_t nanoseconds);
void metrics_put_text(struct metrics_writer *writer, const char *name, const char *labels,
                      const char *value);

/* The row of `stats` of that name; there is one. */
const struct statistic *metrics_row(const char *name);

/* A sample with the value of a row. */
void metrics_put_row(struct metrics_writer *writer, const char *name, const char *labels,
                     const struct statistic *row, const struct metrics_sources *sources);

/* The parts of the page. */
void metrics_put_exporter(struct metrics_writer *writer, const struct metrics_sources *sources);
void metrics_put_slab(struct metrics_writer *writer, const struct metrics_sources *sources);
void metrics_put_own(struct metrics_writer *writer, const struct metrics_sources *sources);
void metrics_put_cores(struct metrics_writer *writer, const struct metrics_sources *sources);
void metrics_put_latency(struct metrics_writer *writer, const struct metrics_sources *sources);
void metrics_put_cluster(struct metrics_writer *writer, const struct metrics_sources *sources);
void metrics_put_store(struct metrics_writer *writer, const struct metrics_sources *sources);

/* The samples of a family of commands by what came of them; `label` is a further one, or "". With a
 * label those that found nothing are left out, since they belong to no slab. */
void metrics_put_commands(struct metrics_writer *writer, const char *name, const char *label,
                          const struct counters *counters);

/* Whether the exporter's part tells a row of `stats`. */
bool metrics_exporter_has(const struct statistic *row);

#endif
