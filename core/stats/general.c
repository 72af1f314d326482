/* The answer to `stats`. */
#include "core/stats/statistic.h"
#include "core/stats/writer.h"

void stats_put_general(struct stats_writer *writer, const struct stats_sources *sources) {
    for (size_t i = 0; i < statistic_count; i++) {
        const struct statistic *statistic = &statistic_table[i];
        char text[STATISTIC_TEXT_BYTES];
        if (statistic->is_tls && !sources->facts->tls) {
            continue;
        }
        if (statistic->text) {
            statistic->text(sources, text);
            stats_put(writer, statistic->name, text);
        } else {
            stats_put_number(writer, statistic->name, statistic_number(statistic, sources));
        }
    }
}
