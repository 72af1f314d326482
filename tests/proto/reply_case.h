/* A request, what came of it, and the text that answers. */
#ifndef TESTS_PROTO_REPLY_CASE_H
#define TESTS_PROTO_REPLY_CASE_H

#include "proto/reply.h"

struct reply_case {
    struct request request; /* its protocol, and its key where there is none, are filled in */
    struct result result;
    const char *expected;
};

/* Writes the reply into a buffer of exactly its bound and asserts what it is. */
void reply_check(const struct reply_case *c, enum protocol protocol);

#endif
