/* text: the text protocol's side of parser_next() and reply_write(). Private to proto/. */
#ifndef PROTO_TEXT_TEXT_H
#define PROTO_TEXT_TEXT_H

#include "proto/parse.h"

/* Takes the next request from parse->bytes, of which there is at least one. */
enum parse_status text_parse(struct parse *parse);

size_t text_reply_write(char *out, const struct request *request, const struct result *result);
size_t text_reply_stat(char *out, const char *name, const char *value);

#endif
