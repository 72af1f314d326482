/* signals: SIGTERM, SIGINT and SIGUSR1 end the server, SIGHUP has it read its users again. They are
 * blocked on all threads; reactor 0 reads them from a descriptor. */
#ifndef CORE_SERVER_SIGNALS_H
#define CORE_SERVER_SIGNALS_H

struct server;
struct reactor;

/* Blocks the signals on this thread and those that it starts from now on, and ignores SIGPIPE.
 * Returns a descriptor to read them from (signalfd(2)), which the caller owns; -1 with errno set.
 * Thread: the main one, before it starts others. */
int signals_open(void);

/* server->signals is readable. Orders all reactors to stop, or reads the users again. `by` is
 * reactor 0, on whose thread this is called. */
void signals_received(struct server *server, struct reactor *by);

#endif
