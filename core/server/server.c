#include "core/server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/net/activation.h"
#include "core/net/udp.h"
#include "core/server/certificates.h"
#include "core/server/fit.h"
#include "core/server/memory_file.h"
#include "core/server/metrics_thread.h"
#include "core/server/nodes_file.h"
#include "core/server/process.h"
#include "core/server/resources.h"
#include "core/server/sandbox.h"
#include "core/server/sasl_thread.h"
#include "core/server/signals.h"
#include "core/server/start.h"
#include "core/server/systemd.h"
#include "core/server/threads.h"
#include "core/server/users.h"
#include "core/server/version.h"

/* -m may be raised to the machine's memory, unless addresses are scarce: a store reserves three
 * times as many of them. */
static uint64_t server_memory_bytes_max(const struct config *config) {
    uint64_t memory = resources_memory_bytes(NULL);
    bool known = memory >= config->memory_bytes;
    return known && resources_has_addresses(4 * memory) ? memory : config->memory_bytes;
}

/* The seed of the hash of keys. */
static bool server_choose_seed(struct server *server) {
    int refused, error = random_fill(&server->seed, sizeof(server->seed), &refused);
    if (error) {
        log_line("getrandom(2) is refused here, as by a sandbox: %s; allow it, or let /dev/urandom "
                 "be read: keys are hashed with a random number",
                 strerror(-error));
    } else if (refused) {
        log_line("getrandom(2) is refused here, as by a sandbox: %s; /dev/urandom is read instead",
                 strerror(-refused));
    }
    return !error;
}

/* Memory for something of each reactor's, zeroed and on its own cache lines. */
static void *server_allocate(const struct config *config, size_t bytes) {
    void *memory;
    if (posix_memalign(&memory, CACHE_LINE_BYTES, config->cores * bytes) != 0) {
        return NULL;
    }
    return memset(memory, 0, config->cores * bytes);
}

static bool server_init(struct server *server, const struct config *config) {
    if (!server_choose_seed(server)) {
        return false;
    }
    server->facts = (struct server_facts){
        .config = config,
        .version = SIMPLECACHE_VERSION,
        .start_ns = clock_monotonic_ns(&clock_system),
        .start_boot_ns = clock_boot_ns(&clock_system),
        .process_bytes = fit_process_bytes(config),
        .activated = server->activation_sockets > 0,
    };
    server->panic =
        (struct panic_report){.version = SIMPLECACHE_VERSION, .reactor = PANIC_NO_REACTOR};
    server->facts.cluster =
        config->cluster.name || config->nodes_file ? &server->cluster_facts : NULL;
    server->rings =
        (struct uring_options){.small = config->small_rings, .restricted = !config->no_sandbox};
    server->memory_bytes_max = server_memory_bytes_max(config);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): these are pointers */
    server->shards = calloc(config->cores, sizeof(*server->shards));
    server->threads = calloc(config->cores, sizeof(*server->threads));
    server->reactors = server_allocate(config, sizeof(*server->reactors));
    server->group.peers = server_allocate(config, sizeof(*server->group.peers));
    server->group.count = config->cores;
    acceptor_init(&server->acceptor, &server->listeners);
    if (!server->shards || !server->threads || !server->reactors || !server->group.peers ||
        mesh_create(&server->mesh, config->cores, config->ring_capacity) != 0) {
        log_line("no memory for %u reactors; give fewer --cores", config->cores);
        return false;
    }
    for (uint32_t i = 0; i < config->cores; i++) {
        server->shards[i] = &server->reactors[i].net.shard;
    }
    pthread_barrier_init(&server->prepared, NULL, config->cores + 1);
    pthread_barrier_init(&server->go, NULL, config->cores + 1);
    return true;
}

/* HTTP ends last of all that clients see. */
static void server_finish(struct server *server) {
    metrics_thread_close(server);
    logins_free(server->logins);
    nodes_free(server->nodes);
    sasl_thread_destroy(server->sasl);
    listeners_close(&server->listeners);
    udp_destroy(server->udp);
    tls_shared_destroy(server->tls);
    listeners_close(&server->udp_sockets);
    if (server->pid_written) {
        process_remove_pid(server->config->pid_file);
    }
    memory_file_close(server->memory_file);
    sandbox_destroy(server->sandbox);
    mesh_destroy(server->mesh);
    free(server->group.peers);
    free(server->reactors);
    free(server->threads);
    free(server->shards);
    close(server->signals);
}

static bool server_open_udp(struct server *server) {
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

static bool server_open_listeners(struct server *server) {
    int activated = server->activation_sockets;
    bool opened = activated ? activation_open(&server->listeners, SYSTEMD_SOCKET_FIRST, activated,
                                              server->config)
                            : listeners_open(&server->listeners, server->config);
    if (!opened) {
        return false;
    }
    server->facts.tcp_port = listeners_port(&server->listeners);
    return server_open_udp(server);
}

/* With -d the rest runs in a child, in the background. */
static bool server_detach(struct server *server) {
    server->caller = server->config->daemonize ? process_detach() : 0;
    if (server->caller < 0) {
        log_line("-d: can't go to the background: %s", strerror(-server->caller));
    }
    return server->caller >= 0;
}

static bool server_open_signals(struct server *server) {
    server->signals = signals_open();
    if (server->signals < 0) {
        log_line("can't receive signals: signalfd(2): %s", strerror(errno));
    }
    return server->signals >= 0;
}

int server_run(struct config *config) {
    process_fill_streams();
    struct server server = {.config = config, .activation_sockets = systemd_take_sockets()};
    if (server.activation_sockets < 0 || !start_check(&server) || !fit_to_machine(config) ||
        !server_detach(&server)) {
        return EXIT_FAILURE;
    }
    if (config->lock_memory) {
        resources_lift_lock_limit();
    }
    if (!server_init(&server, config)) {
        return EXIT_FAILURE;
    }
    panic_init();
    panic_thread_init(&server.panic, &server.panic_taken);
    if (geteuid() == 0 && !config->user) {
        log_line("running as root; -u NAME switches to another user");
    }
    bool served = server_open_signals(&server) && memory_file_open(&server) &&
                  users_read(&server) && nodes_file_read(&server) && certificates_read(&server) &&
                  server_open_listeners(&server) && metrics_thread_open(&server) &&
                  threads_run(&server);
    server_finish(&server);
    panic_thread_finish();
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
