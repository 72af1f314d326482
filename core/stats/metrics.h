/* metrics: a snapshot as Prometheus reads it.
 *
 * Text format 0.0.4, or OpenMetrics 1.0.0 where that is asked for. First come the names, labels and
 * types of the Prometheus exporter for memcached (prometheus/memcached_exporter 0.16.0), so that
 * dashboards and alerts made for it go on working; then, as simplecache_*, what is ours. Help and
 * unit are those of the rows of `stats` (core/stats/statistic.h).
 *
 * Thread: any; everything works on memory that the caller owns.
 */
#ifndef CORE_STATS_METRICS_H
#define CORE_STATS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/text.h"
#include "core/stats/command.h"
#include "core/stats/snapshot.h"

struct metrics_sources {
    struct stats_sources stats; /* its sum is the snapshot's */
    const struct snapshot *snapshot;
    /* CPU time of each reactor's thread, in nanoseconds. */
    const uint64_t *cpu_ns;
    /* Memory of the process. */
    uint64_t resident_bytes;
    /* Why keys are not told, in words; NULL: they are. */
    const char *keys_hidden;
};

/* Appends the whole page. */
void metrics_write(struct text *page, const struct metrics_sources *sources, bool open_metrics);

#define METRICS_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
