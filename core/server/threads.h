/* threads: one for each reactor. They prepare their reactors at the same time, wait until the main
 * thread has finished the start, and run. */
#ifndef CORE_SERVER_THREADS_H
#define CORE_SERVER_THREADS_H

#include <stdbool.h>

struct server;

/* Runs all reactors until the server stops, and frees them. True when they have run; false when
 * one of them, or the rest of the start, has failed: one line on stderr has said why. Thread: the
 * main one. */
bool threads_run(struct server *server);

#endif
