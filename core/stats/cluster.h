/* cluster: the figures of the cluster that this server is in, for `stats cluster` and for pages. */
#ifndef CORE_STATS_CLUSTER_H
#define CORE_STATS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/stats/command.h"

enum cluster_figure_type {
    CLUSTER_COUNT, /* only grows */
    CLUSTER_GAUGE,
};

struct cluster_figure {
    const char *name;
    enum cluster_figure_type type;
    /* What it counts or measures, a sentence. */
    const char *sentence;
    uint64_t value;
};

/* Writes the figures that there are to `figures`, and returns how many: 0 without -o cluster and -o
 * nodes. The sources need sum, settings and nodes not. Thread: any. */
#define CLUSTER_FIGURES_MAX 12
size_t cluster_figures(const struct stats_sources *sources,
                       struct cluster_figure figures[CLUSTER_FIGURES_MAX]);

#endif
