/* refusal: requests of the text stream that are refused, and the lines that say why; for text and
 * meta commands. Private to proto/. */
#ifndef PROTO_REFUSAL_H
#define PROTO_REFUSAL_H

#include "proto/line.h"

/* Make the request an OP_ERROR: refusal_fill() one that is answered in any case,
 * refusal_fill_line() one that a noreply on its line silences. */
enum parse_status refusal_fill(struct parse *parse, enum proto_error error);
enum parse_status refusal_fill_line(struct parse *parse, const struct line *line,
                                    enum proto_error error);

/* Write the line that answers an OP_ERROR or OP_REJECT, and that of a request that failed. */
size_t refusal_write_error(char *out, enum proto_error error);
size_t refusal_write_failure(char *out, enum result_status status);

#endif
