/* Compares what came with what was expected. */
#ifndef TESTS_PROTO_SAME_H
#define TESTS_PROTO_SAME_H

/* Fails the case, which goes on, unless the texts are the same. The assertion's message has both of
 * them, cut around the first difference, after `what` (may be ""): only the message is in meson's
 * log. */
void same_expect(const char *got, const char *expected, const char *what);

#endif
