#include "core/server/server.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/net/activation.h"
#include "core/net/udp.h"
#include "core/server/process.h"
#include "core/server/resources.h"
#include "core/server/systemd.h"
#include "core/server/version.h"

/* A line about a file. */
#define PROBLEM_BYTES 400

/* Descriptors beside the connections': standard streams, signals, listeners (a name may stand for
 * some addresses, and each may be one of TCP and one of UDP), a ring for each reactor, a few to
 * spare. */
static uint64_t descriptors_beside(const struct server *server) {
    const struct config *config = server->config;
    return 16 + config->cores + 8 * (uint64_t)config->address_count + (uint64_t)server->passed;
}

/* Checks before anything is made. Each says what is wrong in one line. */

static bool check_machine(const struct server *server) {
    const struct config *config = server->config;
    uint64_t memory = machine_memory_bytes();
    if (config->memory_bytes > memory) {
        log_line("-m %llu MB is more than the %llu MB of memory there is: give less",
                 (unsigned long long)(config->memory_bytes >> 20),
                 (unsigned long long)(memory >> 20));
        return false;
    }
    uint64_t needed = config->connections_max + descriptors_beside(server);
    uint64_t allowed = machine_raise_limits(needed);
    if (allowed) {
        log_line(
            "%u connections need %llu descriptors, but the limit is %llu: raise it (ulimit -n, "
            "LimitNOFILE=) or give a smaller -c",
            config->connections_max, (unsigned long long)needed, (unsigned long long)allowed);
        return false;
    }
    return true;
}

/* As in memcached -u is root's, and others stay who they are. */
static bool switches_user(const struct config *config) {
    return config->user && geteuid() == 0;
}

static bool check_user(const struct config *config) {
    if (config->user && !switches_user(config)) {
        log_line("-u %s is left aside: only root can switch users", config->user);
    }
    if (!switches_user(config) || getpwnam(config->user)) {
        return true;
    }
    log_line("-u %s: there is no such user", config->user);
    return false;
}

static bool check_core_files(const struct config *config) {
    if (!config->core_dumps || machine_allow_core_files()) {
        return true;
    }
    log_line("-r: the limit on core files is 0: raise it (ulimit -c, LimitCORE=)");
    return false;
}

/* As in memcached the server goes on without. */
static void lock_memory(const struct config *config) {
    int error = config->lock_memory ? machine_lock_memory() : 0;
    if (error) {
        log_line("-k: memory can't be locked: %s; start as root, or lift the limit (ulimit -l, "
                 "LimitMEMLOCK=infinity)",
                 strerror(-error));
    }
}

/* Blocks the signals for all threads to come and makes a descriptor that reactor 0 reads them from.
 */
static int open_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1); /* memcached's for a graceful end, as SIGTERM is here anyway */
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool drop_root(const struct config *config) {
    if (!switches_user(config)) {
        return true;
    }
    const struct passwd *user = getpwnam(config->user);
    if (user && initgroups(config->user, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
        setuid(user->pw_uid) == 0) {
        /* The kernel writes no core file of a process that changed its user, unless told to. */
        if (config->core_dumps) {
            prctl(PR_SET_DUMPABLE, 1);
        }
        return true;
    }
    log_line("-u %s: can't switch to that user: %s", config->user, strerror(errno));
    return false;
}

/* Reactors. */

/* One CPU each, where there are exactly as many; otherwise the kernel knows better. */
static void pin_thread(const struct server *server, uint32_t id) {
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

static void *reactor_thread(void *argument) {
    struct reactor *reactor = argument;
    struct server *server = reactor->server;
    uint32_t id = (uint32_t)(reactor - server->reactors);
    char name[16];
    snprintf(name, sizeof(name), "reactor %u", id);
    pthread_setname_np(pthread_self(), name);
    pin_thread(server, id);
    reactor->start_error = reactor_init(reactor, server, id);
    pthread_barrier_wait(&server->prepared);
    pthread_barrier_wait(&server->go);
    if (server->start) {
        reactor_run(reactor);
    }
    return NULL;
}

static void start_threads(struct server *server) {
    for (uint32_t i = 0; i < server->config->cores; i++) {
        server->reactors[i].server = server;
        int error =
            pthread_create(&server->reactors[i].thread, NULL, reactor_thread, &server->reactors[i]);
        if (error) {
            log_line("can't start thread %u of %u: %s; give fewer --cores", i + 1,
                     server->config->cores, strerror(error));
            exit(EXIT_FAILURE); /* those started wait for ever */
        }
    }
}

static bool check_reactors(const struct server *server) {
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

static void finish_reactors(struct server *server) {
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

/* What follows the start line's facts. */
static const char *start_remark(const struct server *server) {
    const struct config *config = server->config;
    if (server->passed) {
        return " (sockets passed by systemd)";
    }
    if (config->address_count || (config->port == 0 && config->udp_port == 0)) {
        return "";
    }
    return " (this machine only; -l ADDRESS opens it to others)";
}

static void add_names(char *text, const char *before, const struct listeners *listeners) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        strcat(text, before);
        strcat(text, listeners->all[i].name);
    }
}

/* The line that says the server is up, and the same to systemd. */
static void tell_start(const struct server *server) {
    const struct config *config = server->config;
    char addresses[2 * LISTENERS_MAX * (LISTENER_NAME_BYTES + 5)] = "", facts[64];
    add_names(addresses, " ", &server->listeners);
    add_names(addresses, " udp:", &server->udp_sockets);
    snprintf(facts, sizeof(facts), "%u core%s, %llu MB", config->cores,
             config->cores == 1 ? "" : "s", (unsigned long long)(config->memory_bytes >> 20));
    printf("simplecache %s listening on%s, %s%s\n", SIMPLECACHE_VERSION, addresses, facts,
           start_remark(server));
    fflush(stdout);
    if (config->daemonize) {
        systemd_tell("MAINPID=%d", (int)getpid()); /* the one that it knows is about to end */
    }
    systemd_tell("READY=1\nSTATUS=Listening on%.2000s, %s", addresses, facts);
}

/* As in memcached: those that have ports, and the server goes on where the file can't be written.
 */
static void tell_ports(const struct server *server) {
    char text[2 * LISTENERS_PORTS_BYTES];
    const char *path = getenv("MEMCACHED_PORT_FILENAME");
    listeners_write_ports(&server->listeners, text);
    listeners_write_ports(&server->udp_sockets, text + strlen(text));
    if (path && *text) {
        process_write_ports(path, text);
    }
}

static bool write_pid(struct server *server) {
    const char *path = server->config->pid_file;
    server->pid_written = path && process_write_pid(path);
    return !path || server->pid_written;
}

/* The rest of the start, most of it as the user that the server runs as: files are that user's. */
static bool settle_down(struct server *server) {
    const struct config *config = server->config;
    log_open();
    if (!drop_root(config)) {
        return false;
    }
    if (!server->passed && !listeners_open_unix(&server->listeners, config)) {
        return false;
    }
    lock_memory(config);
    tell_ports(server);
    if (!write_pid(server)) {
        return false;
    }
    tell_start(server);
    if (config->daemonize) {
        process_ready(server->caller, config);
    }
    return true;
}

/* Runs all reactors until the end; true when they have served. */
static bool run_reactors(struct server *server) {
    start_threads(server);
    pthread_barrier_wait(&server->prepared);
    server->start = check_reactors(server) && settle_down(server);
    pthread_barrier_wait(&server->go);
    finish_reactors(server);
    return server->start;
}

/* Server. */

/* A store reserves three times as many addresses, which is for nothing unless they are scarce: then
 * -m is as high as it gets. */
static uint64_t memory_bytes_max(const struct config *config) {
    uint64_t memory = machine_memory_bytes();
    return machine_has_addresses(4 * memory) ? memory : config->memory_bytes;
}

/* A SASL library has written the host's name behind its users'. */
static struct logins *read_users(const struct config *config, char problem[PROBLEM_BYTES]) {
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    return logins_read(config->users_file, config->sasl ? host : NULL, problem, PROBLEM_BYTES);
}

static bool server_init(struct server *server, const struct config *config) {
    size_t bytes = config->cores * sizeof(*server->reactors);
    server->facts = (struct server_facts){
        .config = config,
        .version = SIMPLECACHE_VERSION,
        .start_ns = clock_monotonic_ns(&clock_system),
        .sockets_passed = server->passed > 0,
    };
    server->memory_bytes_max = memory_bytes_max(config);
    server->shards = calloc(config->cores, sizeof(*server->shards));
    if (!server->shards ||
        getrandom(&server->seed, sizeof(server->seed), 0) != sizeof(server->seed) ||
        posix_memalign((void **)&server->reactors, CACHE_LINE_BYTES, bytes) != 0 ||
        mesh_create(&server->mesh, config->cores, config->ring_capacity) != 0) {
        log_line("no memory for %u reactors; give fewer --cores", config->cores);
        return false;
    }
    memset(server->reactors, 0, bytes);
    for (uint32_t i = 0; i < config->cores; i++) {
        server->shards[i] = &server->reactors[i].shard;
    }
    pthread_barrier_init(&server->prepared, NULL, config->cores + 1);
    pthread_barrier_init(&server->go, NULL, config->cores + 1);
    return true;
}

static bool read_logins(struct server *server) {
    char problem[PROBLEM_BYTES];
    if (!server->config->users_file) {
        return true;
    }
    server->logins = read_users(server->config, problem);
    if (!server->logins) {
        log_line("%s", problem);
    }
    return server->logins;
}

static void server_finish(struct server *server) {
    logins_free(server->logins);
    listeners_close(&server->listeners);
    udp_destroy(server->udp);
    listeners_close(&server->udp_sockets);
    if (server->pid_written) {
        process_remove_pid(server->config->pid_file);
    }
    mesh_destroy(server->mesh);
    free(server->reactors);
    free(server->shards);
    close(server->signals);
}

static bool open_udp(struct server *server) {
    if (server->config->udp_port == 0) {
        return true;
    }
    if (!listeners_open_udp(&server->udp_sockets, server->config)) {
        return false;
    }
    server->facts.udp_port = listeners_port(&server->udp_sockets);
    server->udp = udp_create(&server->udp_sockets);
    if (!server->udp) {
        log_line("no memory for UDP");
    }
    return server->udp;
}

static bool open_listeners(struct server *server) {
    bool opened = server->passed ? passed_open(&server->listeners, server->passed, server->config)
                                 : listeners_open(&server->listeners, server->config);
    if (!opened) {
        return false;
    }
    server->facts.tcp_port = listeners_port(&server->listeners);
    return open_udp(server);
}

/* Goes on in the background with -d. */
static bool detach(struct server *server) {
    server->caller = server->config->daemonize ? process_detach() : 0;
    if (server->caller < 0) {
        log_line("-d: can't go to the background: %s", strerror(-server->caller));
    }
    return server->caller >= 0;
}

int server_run(const struct config *config) {
    process_fill_streams();
    struct server server = {.config = config, .passed = systemd_take_sockets()};
    if (server.passed < 0 || !check_machine(&server) || !check_user(config) ||
        !check_core_files(config) || !detach(&server)) {
        return EXIT_FAILURE;
    }
    if (config->lock_memory) {
        machine_lift_lock_limit();
    }
    if (!server_init(&server, config)) {
        return EXIT_FAILURE;
    }
    if (geteuid() == 0 && !config->user) {
        log_line("running as root; -u NAME switches to another user");
    }
    server.signals = open_signals();
    if (server.signals < 0) {
        log_line("can't receive signals: %s", strerror(errno));
    }
    bool served = server.signals >= 0 && read_logins(&server) && open_listeners(&server) &&
                  run_reactors(&server);
    server_finish(&server);
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The connections that are there stay, as in memcached; a file that won't do changes nothing. */
static void reload_logins(struct server *server, struct log *log) {
    char problem[PROBLEM_BYTES];
    if (!server->logins) {
        return;
    }
    struct logins *newer = read_users(server->config, problem);
    if (!newer) {
        log_add(log, LOG_NO_CONNECTION, "%s; the users stay as they were", problem);
        return;
    }
    logins_free(server->logins);
    server->logins = newer;
    for (uint32_t i = 0; i < server->config->cores; i++) {
        struct logins *copy = logins_copy(newer);
        if (copy) {
            shard_renew_logins(&server->reactors[i].shard, copy);
        } else {
            log_add(log, LOG_NO_CONNECTION,
                    "no memory for the users on reactor %u; they stay as they were", i);
        }
    }
    log_add(log, LOG_NO_CONNECTION, "users read again from %s", server->config->users_file);
}

/* systemd counts a new configuration as read once READY=1 follows, whatever came of it. */
static void reload(struct server *server, struct log *log) {
    systemd_tell("RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)(clock_monotonic_ns(&clock_system) / 1000));
    reload_logins(server, log);
    systemd_tell("READY=1");
}

static void stop(struct server *server, struct reactor *by) {
    systemd_tell("STOPPING=1");
    acceptor_stop(&server->acceptor);
    atomic_store(&server->stopping, true);
    for (uint32_t i = 0; i < server->config->cores; i++) {
        if (i != by->shard.id && mesh_claim_wake(server->mesh, i)) {
            reactor_wake(by, i);
        }
    }
}

void server_signalled(struct server *server, struct reactor *by) {
    struct signalfd_siginfo signal;
    while (read(server->signals, &signal, sizeof(signal)) == sizeof(signal)) {
        if (atomic_load(&server->stopping)) {
            continue;
        }
        if (signal.ssi_signo == SIGHUP) {
            reload(server, &by->shard.log);
        } else {
            stop(server, by);
        }
    }
}
