/* The flags of meta commands. Private to proto/. */
#ifndef PROTO_META_FLAGS_H
#define PROTO_META_FLAGS_H

#include "proto/text/text.h"

/* The commands that take flags, as bits. */
enum meta_command {
    META_COMMAND_GET = 1 << 0,
    META_COMMAND_STORE = 1 << 1,
    META_COMMAND_DELETE = 1 << 2,
    META_COMMAND_DELTA = 1 << 3,
};

/* Takes the flags that are left of a line, in one pass, into a request that is complete but for
 * them. Every command accepts every flag; those that return something do so where it is known, and
 * what else means nothing to a command is for its parser to drop from request->meta, where
 * META_COMPARE_EQUAL stands for C whatever the command. *mode is M's, or 0. */
enum proto_error meta_take_flags(struct text_line *line, enum meta_command command,
                                 struct request *request, char *mode);

/* Whether a line is no command at all: its first `before` words aren't all there, or one behind
 * them is none that a flag can be. */
bool meta_line_is_malformed(const struct text_line *line, unsigned before);

/* Makes what came in base64 the request's key. False when it is malformed. */
bool meta_decode_key(const struct text_line *line, struct request *request);

#endif
