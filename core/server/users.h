/* users: the table of who may log in (-Y, -S), read from its file. Each shard has a copy. */
#ifndef CORE_SERVER_USERS_H
#define CORE_SERVER_USERS_H

#include <stdbool.h>

#include "core/base/log.h"

struct server;

/* Reads the file, if one is given, into server->logins, which server_finish() frees. False when it
 * can't be used; one line on stderr has said why. Thread: the main one. */
bool users_read(struct server *server);

/* Reads the file again and gives each shard a copy. A file that can't be used changes nothing, and
 * connections that are logged in stay so, as in memcached. What came of it is written to `log`.
 * Thread: reactor 0. */
void users_reload(struct server *server, struct log *log);

#endif
