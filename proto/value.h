/* value: the value block behind a command line of the text stream: <bytes> bytes, then \r\n; for
 * text and meta commands. Private to proto/. */
#ifndef PROTO_VALUE_H
#define PROTO_VALUE_H

#include "proto/line.h"

#define VALUE_END "\r\n"
#define VALUE_END_LENGTH 2

/* Takes the length of a value block off the line. False when it is malformed, or so long that it
 * is taken for a mistake: then there is no block to skip. */
bool value_take_length(struct line *line, uint32_t *length);

/* Takes the block of request->value_length bytes into a request that is complete but for it, or
 * makes it an upload. When the value is refused, now or later, its key's old one is deleted if
 * `delete_on_refusal`. */
enum parse_status value_take(struct parse *parse, const struct line *line, bool delete_on_refusal);

/* The same for a value that is neither refused nor uploaded, whatever its length. */
enum parse_status value_take_block(struct parse *parse, const struct line *line);

/* Makes the request an OP_ERROR, or an OP_REJECT if the key's old value is to be deleted. The block
 * is skipped when it arrives. */
enum parse_status value_refuse(struct parse *parse, bool delete_old, enum proto_error error);

#endif
