/* users: who may log in (-Y, -S): those of a file, which is read into a table of which each shard
 * has a copy, or those that the system's SASL knows. */
#ifndef CORE_SERVER_USERS_H
#define CORE_SERVER_USERS_H

#include <stdbool.h>

#include "core/base/log.h"

struct server;

/* Reads the file, if one is given, into server->logins, or begins to ask the system's SASL;
 * server_finish() ends and frees both. False when it can't be used; one line on stderr has said
 * why. Thread: the main one. */
bool users_read(struct server *server);

/* Reads the file again and gives each shard a copy. A file that can't be used changes nothing, and
 * connections that are logged in stay so, as in memcached. What came of it is written to `log`.
 * Thread: reactor 0. */
void users_reload(struct server *server, struct log *log);

#endif
