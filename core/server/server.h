/* server: all reactors of the process, and what they share. Known to core/server alone. */
#ifndef CORE_SERVER_SERVER_H
#define CORE_SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/base/facts.h"
#include "core/net/acceptor.h"
#include "core/net/listener.h"
#include "core/server/reactor.h"

/* How long the end of the server waits for clients to take their replies before it breaks their
 * connections. */
#define SERVER_DRAIN_NS_MAX ((uint64_t)1000000000)

struct server {
    const struct config *config;
    struct server_facts facts;
    /* Of the hash of keys; new at each start. */
    uint64_t seed;
    /* The most that the command cache_memlimit may raise -m to. */
    uint64_t memory_bytes_max;
    struct mesh *mesh;
    /* The number of listening sockets from systemd. */
    int activation_sockets;
    struct listeners listeners;
    struct acceptor acceptor;
    struct listeners udp_sockets;
    /* NULL without -U. */
    struct udp *udp;
    /* As last read; each shard has a copy. NULL: nobody has to log in. */
    struct logins *logins;
    /* The descriptor of signals_open(). */
    int signals;
    /* With -d the descriptor of process_detach(). */
    int caller;
    bool pid_written;
    struct reactor *reactors;
    /* The shards of the reactors, by their numbers. */
    struct shard **shards;

    /* All reactors and the main thread: each reactor has been prepared, or has failed to. */
    pthread_barrier_t prepared;
    /* The same again: the main thread has finished the start, or it has failed. */
    pthread_barrier_t go;
    /* Written before `go`: the reactors run, or end at once. */
    bool start;

    /* The order to stop, written once by reactor 0 and read by each reactor once a turn.
     * Sequentially consistent, together with the sleeping flags of the mesh: a reactor that goes to
     * sleep sees the order or is woken for it. */
    _Atomic bool stopping;
    /* Reactors without connections, each counted once by itself; all end when it reaches their
     * number. Sequentially consistent by default; not on any hot path. */
    _Atomic uint32_t drained;
};

/* Starts the server, runs it until a signal ends it, and frees it. Returns the exit status; the
 * reason for a failure to start has been written to stderr in one line. Thread: the main one. */
int server_run(const struct config *config);

#endif
