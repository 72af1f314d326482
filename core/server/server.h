/* server: all reactors of the process, and what they share. Known to core/server alone. */
#ifndef CORE_SERVER_SERVER_H
#define CORE_SERVER_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/config.h"
#include "core/base/facts.h"
#include "core/base/panic.h"
#include "core/io/uring.h"
#include "core/net/acceptor.h"
#include "core/net/listener.h"
#include "core/net/tls.h"
#include "core/server/reactor.h"

struct cluster;
struct memory_file;
struct metrics_thread;
struct sandbox;
struct sasl_thread;

/* The thread of one reactor. */
struct server_thread {
    struct server *server;
    uint32_t id;
    pthread_t thread;
    /* Of reactor_init(), -errno. */
    int start_error;
};

struct server {
    const struct config *config;
    struct server_facts facts;
    /* Of the main thread. */
    struct panic_report panic;
    /* Set by the thread that reports a panic; sequentially consistent by default. */
    _Atomic bool panic_taken;
    /* Of the hash of keys; new at each start without -e. */
    uint64_t seed;
    /* The most that the command cache_memlimit may raise -m to. */
    uint64_t memory_bytes_max;
    /* NULL without -e. */
    struct memory_file *memory_file;
    struct mesh *mesh;
    /* The number of listening sockets from systemd. */
    int activation_sockets;
    struct listeners listeners;
    struct acceptor acceptor;
    struct listeners udp_sockets;
    /* The context of io_uring's engine, as in config. */
    struct uring_options rings;
    /* NULL without -U. */
    struct udp *udp;
    /* As last read; each shard has a copy. NULL: nobody has to log in. */
    struct logins *logins;
    /* As last read from the file of -o nodes; each shard has a copy. NULL without. */
    struct nodes *nodes;
    struct cluster_facts cluster_facts;
    struct memory_file_progress file_facts;
    /* NULL without -o cluster. */
    struct cluster *cluster;
    /* It is out of its cluster, and serves on for a while. Reactor 0 sets it, and the thread of
     * HTTP reads it, which orders nothing else. */
    _Atomic bool drains;
    /* NULL unless the system's SASL decides on logins. */
    struct sasl_thread *sasl;
    /* NULL without --metrics. */
    struct metrics_thread *metrics;
    /* NULL without -Z. */
    struct tls_shared *tls;
    /* The descriptor of signals_open(), and what is called when it can be read. */
    int signals;
    struct completion signalled;
    /* NULL without, and until the start is finished. */
    struct sandbox *sandbox;
    /* With -d the descriptor of process_detach(). */
    int caller;
    bool pid_written;
    struct reactor_group group;
    struct server_thread *threads;
    struct reactor *reactors;
    /* The shards of the reactors, by their numbers. */
    struct shard **shards;

    /* All reactors and the main thread: each reactor has been prepared, or has failed to. */
    pthread_barrier_t prepared;
    /* The same again: the main thread has finished the start, or it has failed; and if it hasn't
     * once more, when all threads are in the sandbox. */
    pthread_barrier_t go;
    /* Written before `go`: the reactors run, or end at once. */
    bool start;
};

/* Starts the server, runs it until a signal ends it, and frees it. What the machine has too little
 * of is lowered in config, see core/server/fit.h. Returns the exit status; the
 * reason for a failure to start has been written to stderr in one line. Thread: the main one. */
int server_run(struct config *config);

#endif
