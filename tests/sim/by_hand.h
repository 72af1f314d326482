/* by_hand: a simulated server that a test drives step by step, without chance. */
#ifndef TESTS_SIM_BY_HAND_H
#define TESTS_SIM_BY_HAND_H

#include <stddef.h>

#include "sockets.h"
#include "world.h"

/* A running server whose clients the test is; the caller ends it with by_hand_destroy().
 * idle_timeout_s: 0 for none. */
struct world *by_hand_create(uint32_t reactors, uint32_t idle_timeout_s);
/* One reactor without memory for buffers. */
struct world *by_hand_create_scarce(void);
/* Two reactors with credit for one message, and as few wide ranges as they can do with. Scarce
 * memory is begun with by choices.scarce_bytes and one more connection. */
struct world *by_hand_create_narrow(void);
/* One reactor, all of whose clients use TLS; and memory enough for what a few of them store. */
struct world *by_hand_create_tls(void);
void by_hand_destroy(struct world *world);

/* One reactor does whatever it can do by itself; and with its I/O. */
void by_hand_run(struct world *world, uint32_t reactor);
void by_hand_serve(struct world *world, uint32_t reactor);

/* Reads all that has come; returns its length. */
size_t by_hand_read(struct socket *socket, char *bytes, size_t most);

#endif
