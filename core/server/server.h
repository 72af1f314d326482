/* server: all reactors of the process, and what they share: facts that never change, the mesh, and
 * the order to stop. */
#ifndef CORE_SERVER_SERVER_H
#define CORE_SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/net/acceptor.h"
#include "core/net/listener.h"
#include "core/server/reactor.h"
#include "core/stats/command.h"

/* From the order to stop to the breaking off of clients that don't take their replies. */
#define SERVER_DRAIN_NS_MAX ((uint64_t)1000000000)

struct server {
    const struct config *config;
    struct server_facts facts;
    uint64_t seed;
    uint64_t memory_bytes_max; /* that cache_memlimit may raise -m to */
    struct mesh *mesh;
    int passed; /* listening sockets, by systemd */
    struct listeners listeners;
    struct acceptor acceptor;
    struct listeners udp_sockets;
    struct udp *udp;       /* NULL without -U */
    struct logins *logins; /* as last read; each shard has a copy. NULL: none are asked for */
    int signals;           /* signalfd of those that end the server, and of SIGHUP */
    int caller;            /* of process_detach(), with -d */
    bool pid_written;
    struct reactor *reactors;
    struct shard **shards; /* theirs, by their numbers */

    pthread_barrier_t
        prepared;         /* all reactors and the main thread: rings and shards are made, or not */
    pthread_barrier_t go; /* the main thread has looked at them and dropped root */
    bool start;           /* written before `go`: run, or end at once */

    /* Written once by reactor 0, read by all each turn. Sequentially consistent, together with the
     * sleeping flags of the mesh: a reactor that goes to sleep sees the order or is woken for it.
     */
    _Atomic bool stopping;
    /* Reactors without connections, each counted once by itself; all end when it reaches their
     * number. Sequentially consistent by default; not on any hot path. */
    _Atomic uint32_t drained;
};

/* Starts the server, runs it until a signal ends it, and frees it. Returns the exit status; a
 * failure to start has been told on stderr in one line. */
int server_run(const struct config *config);

/* Reactor 0: a signal is there to be read. Those that end the server order all reactors to stop,
 * SIGHUP reads the users anew. */
void server_signalled(struct server *server, struct reactor *by);

#endif
