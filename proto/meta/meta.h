/* meta: the meta commands (protocol.txt, "Meta Commands"), part of the text stream, whose table of
 * commands names them. Private to proto/. */
#ifndef PROTO_META_META_H
#define PROTO_META_META_H

#include "proto/line.h"

line_parse meta_parse_get;
line_parse meta_parse_store;
line_parse meta_parse_delete;
line_parse meta_parse_delta;
line_parse meta_parse_item;
line_parse meta_parse_noop;

size_t meta_reply_write(char *out, const struct request *request, const struct result *result);

#endif
