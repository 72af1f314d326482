#include "core/server/signals.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/server/certificates.h"
#include "core/server/cluster.h"
#include "core/server/metrics_thread.h"
#include "core/server/nodes_file.h"
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
    sigaddset(&set, SIGALRM); /* the end of the drain */
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* systemd takes READY=1 for the end of a reload, whether or not anything has changed. */
static void signals_reload(struct server *server, struct net *net) {
    systemd_tell("RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)(clock_monotonic_ns(&clock_system) / 1000));
    users_reload(server, &net->shard.log);
    nodes_file_reload(server, &net->shard.log);
    certificates_reload(net);
    metrics_thread_reload(server->metrics);
    systemd_tell("READY=1");
}

/* The first order to end takes the server out of its cluster, and may leave clients some time to
 * notice; a further one, and SIGINT, ends it now. */
static void signals_stop(struct server *server, uint32_t signal) {
    const struct config *config = server->config;
    bool drains = (signal == SIGTERM || signal == SIGUSR1) && config->drain_s &&
                  !atomic_load(&server->drains);
    if (!atomic_load(&server->drains)) {
        systemd_tell("STOPPING=1");
    }
    cluster_leave(server->cluster);
    if (drains) {
        atomic_store(&server->drains, true);
        alarm(config->drain_s);
    } else {
        reactor_order_stop(&server->reactors[0]);
    }
}

static void signals_take(struct server *server, struct net *net) {
    struct signalfd_siginfo signal;
    while (read(server->signals, &signal, sizeof(signal)) == sizeof(signal)) {
        if (atomic_load(&server->group.stopping)) {
            continue;
        }
        if (signal.ssi_signo == SIGHUP) {
            signals_reload(server, net);
        } else {
            signals_stop(server, signal.ssi_signo);
        }
    }
}

void signals_received(void *owner, struct completion *completion, int result, unsigned flags) {
    struct server *server = container_of(completion, struct server, signalled);
    struct net *net = owner;
    (void)flags;
    assert(result >= 0);
    signals_take(server, net);
    io_wait_readable(net->io, server->signals, completion);
}
