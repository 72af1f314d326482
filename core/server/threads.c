#include "core/server/threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/server/server.h"
#include "core/server/start.h"

/* One CPU for each thread, where there are exactly as many; otherwise the kernel chooses. */
static void threads_pin(const struct server *server, uint32_t id) {
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 ||
        (uint32_t)CPU_COUNT(&allowed) != server->config->cores) {
        return;
    }
    uint32_t seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || seen++ != id) {
            continue;
        }
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}

static void *threads_main(void *argument) {
    struct reactor *reactor = argument;
    struct server *server = reactor->server;
    uint32_t id = (uint32_t)(reactor - server->reactors);
    char name[16];
    snprintf(name, sizeof(name), "reactor %u", id);
    pthread_setname_np(pthread_self(), name);
    threads_pin(server, id);
    reactor->start_error = reactor_init(reactor, server, id);
    pthread_barrier_wait(&server->prepared);
    pthread_barrier_wait(&server->go);
    if (server->start) {
        reactor_run(reactor);
    }
    return NULL;
}

static void threads_start(struct server *server) {
    for (uint32_t i = 0; i < server->config->cores; i++) {
        server->reactors[i].server = server;
        int error =
            pthread_create(&server->reactors[i].thread, NULL, threads_main, &server->reactors[i]);
        if (error) {
            log_line("can't start thread %u of %u: %s; give fewer --cores", i + 1,
                     server->config->cores, strerror(error));
            exit(EXIT_FAILURE); /* those that have started wait at a barrier */
        }
    }
}

static bool threads_check(const struct server *server) {
    for (uint32_t i = 0; i < server->config->cores; i++) {
        int error = server->reactors[i].start_error;
        if (error == 0) {
            continue;
        }
        log_line("reactor %u: %s (%s)", i, server->reactors[i].start_failure, strerror(-error));
        return false;
    }
    return true;
}

static void threads_finish(struct server *server) {
    for (uint32_t i = 0; i < server->config->cores; i++) {
        pthread_join(server->reactors[i].thread, NULL);
    }
    for (uint32_t i = 0; i < server->config->cores; i++) {
        if (server->reactors[i].start_error == 0) {
            reactor_close(&server->reactors[i]);
        }
    }
    for (uint32_t i = 0; i < server->config->cores; i++) {
        if (server->reactors[i].start_error == 0) {
            reactor_finish(&server->reactors[i]);
        }
    }
}

bool threads_run(struct server *server) {
    threads_start(server);
    pthread_barrier_wait(&server->prepared);
    server->start = threads_check(server) && start_finish(server);
    pthread_barrier_wait(&server->go);
    threads_finish(server);
    return server->start;
}
