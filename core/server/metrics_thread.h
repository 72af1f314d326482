/* metrics_thread: the thread that speaks HTTP (--metrics).
 *
 * It asks reactor 0 alone (core/server/metrics_gather.h), and nobody waits for it. It runs behind
 * the reactors where processors are scarce, is the last one to end, and reads the files of
 * -o metrics_auth and of TLS again by itself.
 */
#ifndef CORE_SERVER_METRICS_THREAD_H
#define CORE_SERVER_METRICS_THREAD_H

#include <stdbool.h>

#include "core/net/listener.h"
#include "core/server/metrics_gather.h"

struct metrics_thread;
struct server;

/* Opens its sockets and reads its files, as the user that the server was started as. True without
 * --metrics. False when something is wrong; one line on stderr has said what. Thread: the main
 * one, as of all but metrics_thread_reload(). */
bool metrics_thread_open(struct server *server);

/* Starts it, once the reactors' threads are there and the user is switched. False as above. */
bool metrics_thread_start(struct server *server);

/* Ends it, after the reactors, and frees all. */
void metrics_thread_close(struct server *server);

/* The part of reactor 0; NULL without --metrics. */
struct metrics_gather *metrics_thread_gather(struct metrics_thread *thread);

/* Its sockets; NULL without --metrics. */
const struct listeners *metrics_thread_listeners(const struct metrics_thread *thread);

/* SIGHUP: the file of users is read again. Any thread; accepts NULL. */
void metrics_thread_reload(struct metrics_thread *thread);

#endif
