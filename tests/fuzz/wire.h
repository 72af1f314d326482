/* wire: bytes on their way between a client and the server, which a fuzzer may still change. */
#ifndef TESTS_FUZZ_WIRE_H
#define TESTS_FUZZ_WIRE_H

#include <stddef.h>

/* Empty when all of it is 0. */
struct wire {
    char *bytes;
    size_t length;
};

void wire_finish(struct wire *wire);

/* `bytes` may be some of the wire's own. */
void wire_insert(struct wire *wire, size_t at, const void *bytes, size_t length);
void wire_put(struct wire *wire, const void *bytes, size_t length);
void wire_drop(struct wire *wire, size_t at, size_t length);

/* How long the TLS record is that begins there, as far as it is on the wire. */
size_t wire_record(const struct wire *wire, size_t at);

#endif
