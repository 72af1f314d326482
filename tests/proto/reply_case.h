/* A request, its result and the expected reply. */
#ifndef TESTS_PROTO_REPLY_CASE_H
#define TESTS_PROTO_REPLY_CASE_H

#include "proto/reply.h"

struct reply_case {
    struct request request; /* reply_check() sets the protocol, and a key if there is none */
    struct result result;
    const char *expected;
};

/* Writes the reply into a buffer of exactly reply_bound() bytes and compares it. */
void reply_check(const struct reply_case *c, enum protocol protocol);

#endif
