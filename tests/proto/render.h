/* Requests as text, for the tests of the parsers. */
#ifndef TESTS_PROTO_RENDER_H
#define TESTS_PROTO_RENDER_H

#include <stdio.h>

#include "proto/request.h"

/* Writes a request in the form that stream.h describes. */
void render_request(FILE *out, const struct request *request);

#endif
