/* options_metrics: what the command line says of HTTP. */
#ifndef CORE_SERVER_OPTIONS_METRICS_H
#define CORE_SERVER_OPTIONS_METRICS_H

#include "core/server/options.h"

/* --metrics and -o metrics: [ADDR:]PORT; may be given again. */
option_parser options_add_metrics;

/* Whether the words fit each other; to be called behind all of them. */
enum config_status options_check_metrics(const struct config *config);

#endif
