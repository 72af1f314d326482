/* stats: the sub-commands of `stats`, the same in text and binary. */
#ifndef PROTO_STATS_H
#define PROTO_STATS_H

#include "proto/parser.h"

/* The error of a sub-command that parser.no_dump forbids, else PROTO_ERROR_NONE. */
enum proto_error stats_check_allowed(const struct parser *parser, const char *words, size_t length);

#endif
