#include "core/stats/metrics.h"

#include "core/stats/metrics_writer.h"

void metrics_write(struct text *page, const struct metrics_sources *sources, bool open_metrics) {
    struct metrics_writer writer = {.page = page, .open_metrics = open_metrics};
    metrics_put_exporter(&writer, sources);
    metrics_put_slab(&writer, sources);
    metrics_put_own(&writer, sources);
    metrics_put_cores(&writer, sources);
    metrics_put_latency(&writer, sources);
    metrics_put_store(&writer, sources);
    metrics_put_cluster(&writer, sources);
    if (open_metrics) {
        text_add(page, "# EOF\n");
    }
}
