#include "core/server/cluster.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/server/cluster_session.h"
#include "core/server/sandbox.h"
#include "core/server/version.h"

struct cluster {
    pthread_t thread;
    struct panic_report panic;
    struct cluster_session session;
    /* Orders to the thread; relaxed: the wake that follows orders them. */
    _Atomic bool leaving;
    _Atomic bool ending;
};

bool cluster_is_built(void) {
    return true;
}

/* Whether the thread has nothing more to do for the end, or no time. */
static bool cluster_has_ended(struct cluster *cluster, uint64_t *deadline_ns) {
    const struct cluster_session *session = &cluster->session;
    if (!atomic_load_explicit(&cluster->ending, memory_order_relaxed)) {
        return false;
    }
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    if (*deadline_ns == 0) {
        *deadline_ns = now_ns + CLUSTER_END_MS * (CLOCK_SECOND_NS / 1000);
    }
    return (session->left && session->lease == 0) || session->phase == CLUSTER_WAIT ||
           now_ns >= *deadline_ns;
}

static void *cluster_main(void *argument) {
    struct cluster *cluster = argument;
    struct cluster_session *session = &cluster->session;
    uint64_t deadline_ns = 0;
    pthread_setname_np(pthread_self(), "cluster");
    panic_thread_init(&cluster->panic, session->start.panic_taken);
    sandbox_enter(session->start.sandbox, SANDBOX_CLUSTER);
    while (!cluster_has_ended(cluster, &deadline_ns)) {
        session->leaving = atomic_load_explicit(&cluster->leaving, memory_order_relaxed);
        int wait_ms = cluster_session_step(session);
        if (deadline_ns != 0 && wait_ms > CLUSTER_END_MS / 10) {
            wait_ms = CLUSTER_END_MS / 10;
        }
        etcd_run(session->etcd, wait_ms);
    }
    panic_thread_finish();
    return NULL;
}

struct cluster *cluster_create(const struct cluster_start *start) {
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!cluster || !cluster_session_init(&cluster->session, start)) {
        log_line("-o cluster: no memory");
        free(cluster);
        return NULL;
    }
    cluster->panic =
        (struct panic_report){.version = SIMPLECACHE_VERSION, .reactor = PANIC_NO_REACTOR};
    int error = pthread_create(&cluster->thread, NULL, cluster_main, cluster);
    if (error) {
        log_line("-o cluster: can't start its thread: %s", strerror(error));
        cluster_session_finish(&cluster->session);
        free(cluster);
        return NULL;
    }
    return cluster;
}

void cluster_leave(struct cluster *cluster) {
    if (cluster) {
        atomic_store_explicit(&cluster->leaving, true, memory_order_relaxed);
        etcd_wake(cluster->session.etcd);
    }
}

void cluster_destroy(struct cluster *cluster) {
    if (!cluster) {
        return;
    }
    atomic_store_explicit(&cluster->ending, true, memory_order_relaxed);
    cluster_leave(cluster);
    pthread_join(cluster->thread, NULL);
    cluster_session_finish(&cluster->session);
    curl_global_cleanup();
    free(cluster);
}
