/* secure: the client's side of TLS in a simulation, and the files of the server's. By OpenSSL too,
 * with random bytes that follow from the seed.
 */
#ifndef TESTS_SIM_SECURE_H
#define TESTS_SIM_SECURE_H

#include "sockets.h"
#include "world.h"

struct client;
struct secure;
struct tls_config;

/* Has OpenSSL take its random bytes from the world's seed, for this world. */
void secure_seed(struct world *world);

/* Makes a certificate and its key; the configuration names both from then on. Closed by
 * secure_files_finish(). */
void secure_files_init(struct world *world, struct tls_config *config);
void secure_files_finish(struct tls_config *config);

struct secure *secure_create(struct world *world);
/* Accepts NULL. */
void secure_destroy(struct secure *secure);

/* Sends at most `most` encrypted bytes; returns how many plain ones were taken, all or none. */
size_t secure_send(struct secure *secure, struct socket *socket, const char *bytes, size_t length,
                   size_t most);

/* Encrypted bytes that wait to be sent. */
size_t secure_pending(const struct secure *secure);

/* Encrypted bytes that were sent or taken so far. */
uint64_t secure_moved(const struct secure *secure);

/* Receives at most `most` encrypted bytes, and gives out plain ones, up to `length`; 0: none for
 * now; -1: there will be no more. */
long secure_receive(struct secure *secure, struct socket *socket, char *bytes, size_t length,
                    size_t most);

#endif
