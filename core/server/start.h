/* start: what the start of the server checks first, and what it does once its reactors are
 * prepared. Where one of these fails, one line on stderr has said why. Thread: the main one. */
#ifndef CORE_SERVER_START_H
#define CORE_SERVER_START_H

#include <stdbool.h>

struct server;

/* Before anything is made: whether the user exists. Raises the limit on core files for -r. */
bool start_check(const struct server *server);

/* The reactors are prepared. Drops root, opens the unix socket and writes the files, as the user
 * that the server runs as; then tells everybody that it is up. */
bool start_finish(struct server *server);

#endif
