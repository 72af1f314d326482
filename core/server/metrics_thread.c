#include "core/server/metrics_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/net/sasl_queue.h"
#include "core/server/metrics_files.h"
#include "core/server/pages.h"
#include "core/server/sandbox.h"
#include "core/server/server.h"
#include "core/server/version.h"

#define SECOND_NS ((uint64_t)1000000000)

/* How long it waits for the reactors. */
#define METRICS_WAIT_NS (2 * SECOND_NS)

/* It runs behind the reactors, and rests between two rounds of requests: so a flood of them costs
 * these little. */
#define METRICS_NICE 10
#define METRICS_REST_NS 2000000

#define METRICS_LISTENERS (2 * CONFIG_METRICS_MAX)

struct metrics_thread {
    struct metrics_gather gather;
    struct server *server;
    pthread_t thread;
    bool started;
    struct panic_report panic;
    int wake;             /* an eventfd, for what follows */
    _Atomic bool ended;   /* relaxed, as the next one: the wake that follows orders it */
    _Atomic bool renewed; /* the users are to be read again */
    struct listeners listeners;
    struct http *http;
    struct pages pages;
    struct snapshot *snapshot;
    bool out;        /* reactor 0 has the snapshot */
    uint64_t out_ns; /* since when */
    bool fresh;      /* it has been taken in this round */
    uint64_t *cpu_ns;
    clockid_t *clocks; /* of the reactors' threads */
    uint32_t tls_loads;
    uint64_t sample_ns; /* when the next sample of the history is due */
};

/* Asking the reactors. */

/* Waits for the snapshot that is out. False when it has not come back in time: then nobody waits
 * for it any more, so that while a reactor hangs all are answered at once. */
static bool metrics_thread_wait(struct metrics_thread *thread) {
    struct pollfd answered = {.fd = thread->gather.thread_wake, .events = POLLIN};
    uint64_t deadline_ns = thread->out_ns + METRICS_WAIT_NS;
    thread->out = thread->out && !metrics_gather_collect(&thread->gather);
    while (thread->out && !atomic_load_explicit(&thread->ended, memory_order_relaxed)) {
        uint64_t now_ns = clock_monotonic_ns(&clock_system);
        if (now_ns >= deadline_ns) {
            return false;
        }
        poll(&answered, 1, (int)((deadline_ns - now_ns) / 1000000) + 1);
        sasl_queue_slept(thread->gather.thread_wake);
        thread->out = !metrics_gather_collect(&thread->gather);
    }
    return !thread->out;
}

/* One that was given up on has to come back first. */
static bool metrics_thread_ask(struct metrics_thread *thread) {
    if (thread->out && !metrics_thread_wait(thread)) {
        return false;
    }
    if (atomic_load_explicit(&thread->ended, memory_order_relaxed)) {
        return false;
    }
    thread->out = true;
    thread->out_ns = clock_monotonic_ns(&clock_system);
    metrics_gather_ask(&thread->gather, thread->snapshot);
    if (!metrics_thread_wait(thread) || !thread->snapshot->complete) {
        return false;
    }
    snapshot_add_up(thread->snapshot);
    return true;
}

static void metrics_thread_read_cpus(struct metrics_thread *thread) {
    for (uint32_t i = 0; i < thread->snapshot->cores; i++) {
        struct timespec time = {0};
        clock_gettime(thread->clocks[i], &time);
        thread->cpu_ns[i] = (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
    }
}

static uint64_t metrics_thread_resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Who may connect to the cache needs a login to see keys there, or nobody sees them. */
static const char *metrics_thread_keys_hidden(const struct config *config) {
    if (config->no_dump) {
        return "-X forbids it";
    }
    bool logins = config->users_file || config->sasl;
    return logins && !config->metrics.users_file ? "clients have to log in, so -o metrics_auth is "
                                                   "needed"
                                                 : NULL;
}

static bool metrics_thread_observe(void *context, struct metrics_sources *sources) {
    struct metrics_thread *thread = context;
    thread->fresh = thread->fresh || metrics_thread_ask(thread);
    if (!thread->fresh) {
        return false;
    }
    metrics_thread_read_cpus(thread);
    *sources = (struct metrics_sources){
        .stats = {.now_ns = thread->snapshot->monotonic_ns,
                  .sum = &thread->snapshot->sum,
                  .now = thread->snapshot->now,
                  .unix_now = thread->snapshot->unix_now,
                  .facts = &thread->server->facts,
                  .settings = &thread->snapshot->settings,
                  .copies = thread->snapshot->copies},
        .snapshot = thread->snapshot,
        .cpu_ns = thread->cpu_ns,
        .resident_bytes = metrics_thread_resident_bytes(),
        .keys_hidden = metrics_thread_keys_hidden(thread->server->config),
    };
    return true;
}

/* Files. */

static struct http_config metrics_thread_http_config(struct metrics_thread *thread) {
    const struct config *config = thread->server->config;
    struct http_config http = {
        .listeners = thread->listeners.count,
        .tls_1_3_only = config->tls.min_version == TLS_VERSION_1_3,
        .answer = pages_answer,
        .context = &thread->pages,
    };
    for (uint32_t i = 0; i < thread->listeners.count; i++) {
        http.descriptors[i] = thread->listeners.all[i].descriptor;
        http.loopback[i] = listener_is_loopback(&thread->listeners.all[i]);
    }
    return http;
}

/* Makes the sockets of HTTP anew, with the certificate as it is now. Without `http` they stay as
 * they were. */
static bool metrics_thread_serve(struct metrics_thread *thread) {
    struct http_config config = metrics_thread_http_config(thread);
    const char *problem = NULL;
    char *files[2] = {NULL, NULL};
    const struct tls_config *tls = &thread->server->config->tls;
    if (thread->server->config->metrics.tls) {
        files[0] = metrics_files_read(tls->chain_file);
        files[1] = metrics_files_read(tls->key_file);
        problem = files[0] && files[1] ? NULL : "can't read the certificate and its key";
    }
    config.chain = files[0];
    config.key = files[1];
    struct http *http = problem ? NULL : http_create(&config, &problem);
    metrics_files_free(files[0]);
    metrics_files_free(files[1]);
    if (!http) {
        log_line("-o metrics%s: %s", thread->server->config->metrics.tls ? "_tls" : "", problem);
        return false;
    }
    http_destroy(thread->http);
    thread->http = http;
    return true;
}

static bool metrics_thread_read_users(struct metrics_thread *thread) {
    const char *path = thread->server->config->metrics.users_file;
    char problem[400];
    if (!path) {
        return true;
    }
    struct logins *logins = logins_read(path, NULL, problem, sizeof(problem));
    if (!logins) {
        log_line("-o metrics_auth: %s", problem);
        return false;
    }
    logins_free(thread->pages.logins);
    thread->pages.logins = logins;
    return true;
}

/* What has been read again by the reactors, or is to be. A file that can't be used changes nothing.
 */
static void metrics_thread_renew(struct metrics_thread *thread) {
    const struct tls_facts *tls = thread->server->facts.tls;
    if (atomic_exchange_explicit(&thread->renewed, false, memory_order_relaxed)) {
        metrics_thread_read_users(thread);
    }
    if (thread->server->config->metrics.tls &&
        atomic_load_explicit(&tls->loads, memory_order_relaxed) != thread->tls_loads) {
        thread->tls_loads = atomic_load_explicit(&tls->loads, memory_order_relaxed);
        metrics_thread_serve(thread);
    }
}

/* The thread. */

static void metrics_thread_sample(struct metrics_thread *thread) {
    struct metrics_sources sources;
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    if (now_ns < thread->sample_ns) {
        return;
    }
    thread->sample_ns = now_ns + HISTORY_INTERVAL_S * SECOND_NS;
    if (metrics_thread_observe(thread, &sources)) {
        history_add(&thread->pages.history, &sources);
    }
}

static int metrics_thread_wait_ms(const struct metrics_thread *thread) {
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    int http_ms = http_wait_ms(thread->http);
    int sample_ms =
        thread->sample_ns > now_ns ? (int)((thread->sample_ns - now_ns) / 1000000) + 1 : 0;
    return http_ms >= 0 && http_ms < sample_ms ? http_ms : sample_ms;
}

static void metrics_thread_round(struct metrics_thread *thread) {
    int descriptors[METRICS_LISTENERS];
    struct pollfd events[METRICS_LISTENERS + 1];
    uint32_t listeners = thread->listeners.count;
    http_descriptors(thread->http, descriptors);
    for (uint32_t i = 0; i < listeners; i++) {
        events[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    }
    events[listeners] = (struct pollfd){.fd = thread->wake, .events = POLLIN};
    poll(events, listeners + 1, metrics_thread_wait_ms(thread));
    if (events[listeners].revents) {
        sasl_queue_slept(thread->wake);
    }
    thread->fresh = false;
    metrics_thread_renew(thread);
    if (http_run(thread->http, clock_monotonic_ns(&clock_system) / SECOND_NS) > 0) {
        const struct timespec rest = {.tv_nsec = METRICS_REST_NS};
        nanosleep(&rest, NULL);
    }
    metrics_thread_sample(thread);
}

static void *metrics_thread_main(void *argument) {
    struct metrics_thread *thread = argument;
    pthread_setname_np(pthread_self(), "metrics");
    panic_thread_init(&thread->panic, &thread->server->panic_taken);
    setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + METRICS_NICE);
    sandbox_enter(thread->server->sandbox, SANDBOX_METRICS);
    while (!atomic_load_explicit(&thread->ended, memory_order_relaxed)) {
        metrics_thread_round(thread);
    }
    panic_thread_finish();
    return NULL;
}

/* Begin and end. */

static void metrics_thread_warn(const struct metrics_thread *thread) {
    for (uint32_t i = 0; i < thread->listeners.count && !thread->pages.logins; i++) {
        if (!listener_is_loopback(&thread->listeners.all[i])) {
            log_line("-o metrics: whoever reaches %s may read the figures: give -o "
                     "metrics_auth=FILE, or a loopback address",
                     thread->listeners.all[i].name);
            return;
        }
    }
}

static bool metrics_thread_prepare(struct metrics_thread *thread) {
    uint32_t cores = thread->server->config->cores;
    thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = metrics_gather_init(&thread->gather);
    thread->snapshot = snapshot_create(cores);
    thread->cpu_ns = calloc(cores, sizeof(*thread->cpu_ns));
    thread->clocks = calloc(cores, sizeof(*thread->clocks));
    thread->panic =
        (struct panic_report){.version = SIMPLECACHE_VERSION, .reactor = PANIC_NO_REACTOR};
    thread->pages.stopping = &thread->server->group.stopping;
    thread->pages.drains = &thread->server->drains;
    thread->pages.observe = metrics_thread_observe;
    thread->pages.context = thread;
    if (thread->wake < 0 || error || !thread->snapshot || !thread->cpu_ns || !thread->clocks) {
        log_line("-o metrics: %s", strerror(error ? -error : thread->wake < 0 ? errno : ENOMEM));
        return false;
    }
    return true;
}

static bool metrics_thread_listen(struct metrics_thread *thread) {
    if (!listeners_open_metrics(&thread->listeners, thread->server->config)) {
        return false;
    }
    for (uint32_t i = 0; i < thread->listeners.count; i++) {
        int descriptor = thread->listeners.all[i].descriptor;
        fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    }
    return true;
}

bool metrics_thread_open(struct server *server) {
    void *memory;
    if (server->config->metrics.count == 0) {
        return true;
    }
    if (posix_memalign(&memory, CACHE_LINE_BYTES, sizeof(struct metrics_thread)) != 0) {
        log_line("-o metrics: no memory");
        return false;
    }
    struct metrics_thread *thread = memset(memory, 0, sizeof(*thread));
    thread->server = server;
    server->metrics = thread;
    if (!metrics_thread_prepare(thread) || !metrics_thread_listen(thread) ||
        !metrics_thread_read_users(thread) || !metrics_thread_serve(thread)) {
        return false;
    }
    thread->tls_loads = server->facts.tls ? atomic_load(&server->facts.tls->loads) : 0;
    metrics_thread_warn(thread);
    return true;
}

bool metrics_thread_start(struct server *server) {
    struct metrics_thread *thread = server->metrics;
    if (!thread) {
        return true;
    }
    for (uint32_t i = 0; i < server->config->cores; i++) {
        pthread_getcpuclockid(server->threads[i].thread, &thread->clocks[i]);
    }
    int error = pthread_create(&thread->thread, NULL, metrics_thread_main, thread);
    if (error) {
        log_line("-o metrics: can't start a thread: %s", strerror(error));
    }
    thread->started = !error;
    return thread->started;
}

void metrics_thread_close(struct server *server) {
    struct metrics_thread *thread = server->metrics;
    if (!thread) {
        return;
    }
    if (thread->started) {
        atomic_store_explicit(&thread->ended, true, memory_order_relaxed);
        sasl_queue_wake(thread->wake);
        sasl_queue_wake(thread->gather.thread_wake);
        pthread_join(thread->thread, NULL);
    }
    http_destroy(thread->http);
    listeners_close(&thread->listeners);
    logins_free(thread->pages.logins);
    metrics_gather_finish(&thread->gather);
    if (thread->wake >= 0) {
        close(thread->wake);
    }
    free(thread->snapshot);
    free(thread->cpu_ns);
    free(thread->clocks);
    free(thread);
    server->metrics = NULL;
}

struct metrics_gather *metrics_thread_gather(struct metrics_thread *thread) {
    return thread ? &thread->gather : NULL;
}

const struct listeners *metrics_thread_listeners(const struct metrics_thread *thread) {
    return thread ? &thread->listeners : NULL;
}

void metrics_thread_reload(struct metrics_thread *thread) {
    if (thread) {
        atomic_store_explicit(&thread->renewed, true, memory_order_relaxed);
        sasl_queue_wake(thread->wake);
    }
}
