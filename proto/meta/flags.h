/* flags: the flags of meta commands (protocol.txt, "Meta Commands"). Private to proto/meta. */
#ifndef PROTO_META_FLAGS_H
#define PROTO_META_FLAGS_H

#include "proto/line.h"

/* The commands that take flags, as bits. */
enum meta_command {
    META_COMMAND_GET = 1 << 0,
    META_COMMAND_STORE = 1 << 1,
    META_COMMAND_DELETE = 1 << 2,
    META_COMMAND_DELTA = 1 << 3,
};

/* Takes the flags that are left of a line, in one pass, into a request that is complete but for
 * them. Every command accepts every flag; a flag that has the reply return something does so where
 * that is known. What else means nothing to a command is for the command's parser to remove from
 * request->meta, where META_COMPARE_EQUAL stands for C whatever the command. *mode is the first
 * letter of M's token, or 0. */
enum proto_error meta_take_flags(struct parse *parse, struct line *line, enum meta_command command,
                                 char *mode);

/* Whether a line is malformed as a command: its first `before` words aren't all there, or a later
 * word begins with no character of a flag. */
bool meta_line_is_malformed(const struct line *line, unsigned before);

/* Decodes the request's key, which came in base64, to parse->key_space. False when it is malformed.
 */
bool meta_decode_key(struct parse *parse);

#endif
