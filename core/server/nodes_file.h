/* nodes_file: the list of servers from a file (-o nodes), for clients that ask for it.
 *
 * The version is the number in front of the servers, or else the minutes from 2020 to the file's
 * last change, so that copies of a file have the same at every server. A list that takes another's
 * place has a greater one in any case. */
#ifndef CORE_SERVER_NODES_FILE_H
#define CORE_SERVER_NODES_FILE_H

#include <stdbool.h>

#include "core/base/log.h"

struct server;

/* Reads the file if there is one. False when it can't be used: one line has said why. Thread: the
 * main one, before the reactors run. */
bool nodes_file_read(struct server *server);

/* Gives the list to all reactors, which have been prepared. Thread: the main one or reactor 0. */
void nodes_file_publish(struct server *server);

/* Reads the file again, and gives the list to all reactors; of a file that can't be used it logs
 * why, and the list stays. Thread: reactor 0. */
void nodes_file_reload(struct server *server, struct log *log);

#endif
