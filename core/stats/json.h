/* json: a snapshot as JSON, for the page and for programs.
 *
 * Thread: any; everything works on memory that the caller owns.
 */
#ifndef CORE_STATS_JSON_H
#define CORE_STATS_JSON_H

#include "core/base/text.h"
#include "core/stats/metrics.h"

/* Appends one object. */
void json_write(struct text *text, const struct metrics_sources *sources);

#endif
