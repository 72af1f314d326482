#include "core/server/signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/server/server.h"
#include "core/server/systemd.h"
#include "core/server/users.h"

int signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1); /* in memcached the graceful end, which here all of them are */
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* systemd takes READY=1 for the end of a reload, whether or not anything has changed. */
static void signals_reload(struct server *server, struct log *log) {
    systemd_tell("RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)(clock_monotonic_ns(&clock_system) / 1000));
    users_reload(server, log);
    systemd_tell("READY=1");
}

static void signals_stop(struct server *server, struct reactor *by) {
    systemd_tell("STOPPING=1");
    acceptor_stop(&server->acceptor);
    atomic_store(&server->stopping, true);
    for (uint32_t i = 0; i < server->config->cores; i++) {
        if (i != by->shard.id && mesh_claim_wake(server->mesh, i)) {
            reactor_wake(by, i);
        }
    }
}

void signals_received(struct server *server, struct reactor *by) {
    struct signalfd_siginfo signal;
    while (read(server->signals, &signal, sizeof(signal)) == sizeof(signal)) {
        if (atomic_load(&server->stopping)) {
            continue;
        }
        if (signal.ssi_signo == SIGHUP) {
            signals_reload(server, &by->shard.log);
        } else {
            signals_stop(server, by);
        }
    }
}
