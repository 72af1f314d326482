#include "core/server/threads.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/cluster.h"
#include "core/server/engine.h"
#include "core/server/memory_file.h"
#include "core/server/metrics_thread.h"
#include "core/server/nodes_file.h"
#include "core/server/sandbox.h"
#include "core/server/sasl_thread.h"
#include "core/server/server.h"
#include "core/server/signals.h"
#include "core/server/start.h"

#define SHORT_TURN_NS 500000

/* What the kernel calls struct sched_attr, in its first version: glibc has none, and the kernel's
 * header doesn't go with glibc's. */
struct threads_scheduling {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns;
    uint64_t deadline_ns;
    uint64_t period_ns;
};

/* A reactor works for microseconds at a time, and its clients wait for it: where others use the
 * processor it is to have its turn soon, and need not have a long one. From Linux 6.12 on that can
 * be asked for (sched_setattr(2)), and costs the others nothing; elsewhere nothing happens. */
static void threads_ask_for_short_turns(void) {
    struct threads_scheduling scheduling = {0};
    if (syscall(SYS_sched_getattr, 0, &scheduling, sizeof(scheduling), 0) == 0 &&
        scheduling.policy == SCHED_OTHER) {
        scheduling.runtime_ns = SHORT_TURN_NS;
        syscall(SYS_sched_setattr, 0, &scheduling, 0);
    }
}

/* Reactor 0 takes it like a signal from outside. */
static void threads_stop_asked(void *context, bool at_once) {
    (void)context;
    kill(getpid(), at_once ? SIGINT : SIGTERM);
}

static struct reactor_config threads_reactor_config(struct server *server, uint32_t id) {
    bool first = id == 0;
    return (struct reactor_config){
        .id = id,
        .group = &server->group,
        .facts = &server->facts,
        .seed = server->seed,
        .memory_bytes_max = server->memory_bytes_max,
        .store = memory_file_take_store(server->memory_file, id),
        .logins = server->logins,
        .mesh = server->mesh,
        .shards = server->shards,
        .clock = &clock_system,
        .engine = engine_chosen(server->config),
        .engine_context = &server->rings,
        .acceptor = first ? &server->acceptor : NULL,
        .udp = first ? server->udp : NULL,
        .tls = tls_of_reactor(server->tls, id),
        .sasl = sasl_thread_logins(server->sasl, id),
        .metrics = first ? metrics_thread_gather(server->metrics) : NULL,
        .signals = first ? server->signals : -1,
        .signalled = &server->signalled,
        .stop_asked = threads_stop_asked,
    };
}

static void *threads_main(void *argument) {
    struct server_thread *thread = argument;
    struct server *server = thread->server;
    struct reactor *reactor = &server->reactors[thread->id];
    const struct reactor_config config = threads_reactor_config(server, thread->id);
    char name[16];
    snprintf(name, sizeof(name), "reactor %u", thread->id);
    pthread_setname_np(pthread_self(), name);
    threads_ask_for_short_turns();
    thread->start_error = reactor_init(reactor, &config);
    pthread_barrier_wait(&server->prepared);
    pthread_barrier_wait(&server->go);
    if (server->start) {
        sandbox_enter(server->sandbox, thread->id == 0 ? SANDBOX_FIRST : SANDBOX_REACTOR);
        pthread_barrier_wait(&server->go);
        panic_thread_init(&server->shards[thread->id]->panic, &server->panic_taken);
        reactor_run(reactor);
        panic_thread_finish();
    }
    return NULL;
}

static void threads_start(struct server *server) {
    server->signalled.done = signals_received;
    for (uint32_t i = 0; i < server->config->cores; i++) {
        struct server_thread *thread = &server->threads[i];
        *thread = (struct server_thread){.server = server, .id = i};
        int error = pthread_create(&thread->thread, NULL, threads_main, thread);
        if (error) {
            log_line("can't start thread %u of %u: %s; give fewer --cores", i + 1,
                     server->config->cores, strerror(error));
            exit(EXIT_FAILURE); /* those that have started wait at a barrier */
        }
    }
}

static bool threads_check(const struct server *server) {
    for (uint32_t i = 0; i < server->config->cores; i++) {
        int error = server->threads[i].start_error;
        if (error == 0) {
            continue;
        }
        log_line("reactor %u: %s (%s)", i, server->reactors[i].start_failure, strerror(-error));
        return false;
    }
    return true;
}

/* Of the thread of the cluster. */
static void threads_publish(void *context, const struct nodes *nodes) {
    struct server *server = context;
    for (uint32_t i = 0; i < server->config->cores; i++) {
        struct nodes *copy = nodes_copy(nodes);
        if (copy) {
            shard_renew_nodes(server->shards[i], copy);
        }
    }
}

/* Without its thread the server serves all the same; a line has said why. */
static void threads_start_cluster(struct server *server) {
    const struct cluster_start start = {
        .config = server->config,
        .facts = &server->cluster_facts,
        .publish = threads_publish,
        .context = server,
        .sandbox = server->sandbox,
        .panic_taken = &server->panic_taken,
    };
    if (server->config->cluster.name) {
        server->cluster = cluster_create(&start);
    }
}

/* All others have to be in it before the main one, from which they would take its list. */
static void threads_settle(struct server *server) {
    uint32_t threads = server->config->cores;
    threads += server->metrics ? 1 : 0;
    threads += server->cluster ? 1 : 0;
    threads += server->sasl ? 1 : 0;
    sandbox_settle(server->sandbox, threads);
}

static void threads_finish(struct server *server) {
    for (uint32_t i = 0; i < server->config->cores; i++) {
        pthread_join(server->threads[i].thread, NULL);
    }
    cluster_destroy(server->cluster);
    for (uint32_t i = 0; i < server->config->cores; i++) {
        if (server->threads[i].start_error == 0) {
            reactor_close(&server->reactors[i]);
        }
    }
    for (uint32_t i = 0; i < server->config->cores; i++) {
        if (server->threads[i].start_error == 0) {
            reactor_finish(&server->reactors[i]);
        }
    }
}

bool threads_run(struct server *server) {
    threads_start(server);
    pthread_barrier_wait(&server->prepared);
    bool prepared = threads_check(server);
    if (prepared) {
        nodes_file_publish(server);
    }
    server->start = prepared && start_finish(server);
    if (server->start) {
        threads_start_cluster(server);
    }
    if (server->start && server->sasl) {
        sasl_thread_settle(server->sasl, server->sandbox);
    }
    pthread_barrier_wait(&server->go);
    if (server->start) {
        threads_settle(server);
        pthread_barrier_wait(&server->go);
        memory_file_tend(server->memory_file, &server->group.stopping);
    }
    threads_finish(server);
    return server->start;
}
