/* memory: what a reactor has beside its store, which connections share: buffers, messages, and
 * space to receive in. How much of it there may be follows from how many connections there are;
 * what has been idle for some seconds goes back to the system.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_MEMORY_H
#define CORE_NET_MEMORY_H

#include <stdint.h>

#include "core/base/buffer.h"
#include "core/io/timer.h"

struct connection;
struct net;

/* The most that a server may take beside its stores: for each reactor, and for each connection, and
 * for each with TLS besides, which OpenSSL has. A reactor's is the sum of
 *   receive buffers (core/io/io.h)                               1 MiB
 *   messages, and their wide ranges (core/mesh/message.h)        2.2 MiB
 *   buffers of connections before memory is scarce               1.5 MiB
 *   answers that were on their way then, in wide ranges          1 MiB
 *   the reactor itself, its stack, its part of the process       0.3 MiB
 * A connection's is the sum of
 *   what is waited for before memory is scarce                   1 KiB
 *   output: what may wait before one more request is run, the
 *     answer to that, with a value of 16 KiB, and rounding       19.5 KiB
 *   what it has sent behind that request, and rounding           2.5 KiB
 *   itself                                                       1 KiB
 * Answers that are made in one piece (stats sizes, stats detail dump) are among the buffers. While
 * memory is not scarce one may be of any length: by one such answer a reactor may exceed its sum.
 * While it is scarce they are refused from BUFFER_STANDARD_BYTES on. What such an answer is made
 * from is not counted here, but never waits for a client. */
#define MEMORY_CORE_BYTES ((uint64_t)6 << 20)
#define MEMORY_CONNECTION_BYTES ((uint64_t)24 << 10)
#define MEMORY_TLS_BYTES ((uint64_t)40 << 10)

/* Bytes of buffers beyond which memory is scarce: of a reactor, and for each of its connections. */
#define MEMORY_SCARCE_BYTES ((size_t)3 << 19)
#define MEMORY_SCARCE_CONNECTION_BYTES ((size_t)1 << 10)

struct memory {
    struct timer timer;
    uint64_t looked_turn; /* the turn of the last look */
    uint64_t dirty_turns; /* turns since memory was last given back to the system */
};

void memory_init(struct net *net);

/* The number of connections has changed. */
void memory_count(struct net *net);

/* The bytes that a connection may receive at once while memory is scarce. */
size_t memory_receive_scarce_bytes(const struct connection *connection);

/* Looks after some seconds for what is to be given back. */
void memory_look_later(struct net *net);

#endif
