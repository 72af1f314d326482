/* signals: SIGTERM, SIGINT and SIGUSR1 end the server, SIGHUP has it read its users again. They are
 * blocked on all threads; reactor 0 reads them from a descriptor. */
#ifndef CORE_SERVER_SIGNALS_H
#define CORE_SERVER_SIGNALS_H

#include "core/io/io.h"

/* Blocks the signals on this thread and those that it starts from now on, and ignores SIGPIPE.
 * Returns a descriptor to read them from (signalfd(2)), which the caller owns; -1 with errno set.
 * Thread: the main one, before it starts others. */
int signals_open(void);

/* A completion_done for the member `signalled` of struct server: orders all reactors to stop, or
 * reads the users again, and waits for the next signal. `owner` is the struct net of reactor 0, on
 * whose thread this is called. */
completion_done signals_received;

#endif
