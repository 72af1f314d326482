#include "core/server/start.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/process.h"
#include "core/server/resources.h"
#include "core/server/server.h"
#include "core/server/systemd.h"
#include "core/server/version.h"

/* Checks. */

/* Descriptors that are no connection: the standard streams, the signals and the like (16), a ring
 * for each reactor, and the listeners: a name may stand for several addresses, each of which may
 * have a TCP and a UDP socket. */
static uint64_t start_other_descriptors(const struct server *server) {
    const struct config *config = server->config;
    return 16 + config->cores + 8 * (uint64_t)config->address_count +
           (uint64_t)server->activation_sockets;
}

static bool start_check_resources(const struct server *server) {
    const struct config *config = server->config;
    uint64_t memory = resources_memory_bytes();
    if (config->memory_bytes > memory) {
        log_line("-m %llu MB is more than the %llu MB of memory there is: give less",
                 (unsigned long long)(config->memory_bytes >> 20),
                 (unsigned long long)(memory >> 20));
        return false;
    }
    uint64_t needed = config->connections_max + start_other_descriptors(server);
    uint64_t allowed = resources_raise_limits(needed);
    if (allowed) {
        log_line(
            "%u connections need %llu descriptors, but the limit is %llu: raise it (ulimit -n, "
            "LimitNOFILE=) or give a smaller -c",
            config->connections_max, (unsigned long long)needed, (unsigned long long)allowed);
        return false;
    }
    return true;
}

/* As in memcached -u has no effect unless root starts the server. */
static bool start_switches_user(const struct config *config) {
    return config->user && geteuid() == 0;
}

static bool start_check_user(const struct config *config) {
    if (config->user && !start_switches_user(config)) {
        log_line("-u %s is left aside: only root can switch users", config->user);
    }
    if (!start_switches_user(config) || getpwnam(config->user)) {
        return true;
    }
    log_line("-u %s: there is no such user", config->user);
    return false;
}

static bool start_check_core_files(const struct config *config) {
    if (!config->core_dumps || resources_allow_core_files()) {
        return true;
    }
    log_line("-r: the limit on core files is 0: raise it (ulimit -c, LimitCORE=)");
    return false;
}

bool start_check(const struct server *server) {
    return start_check_resources(server) && start_check_user(server->config) &&
           start_check_core_files(server->config);
}

/* The end of the start. */

static bool start_drop_root(const struct config *config) {
    if (!start_switches_user(config)) {
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

/* As in memcached a failure is no reason not to serve. */
static void start_lock_memory(const struct config *config) {
    int error = config->lock_memory ? resources_lock_memory() : 0;
    if (error) {
        log_line("-k: memory can't be locked: %s; start as root, or lift the limit (ulimit -l, "
                 "LimitMEMLOCK=infinity)",
                 strerror(-error));
    }
}

/* As in memcached: only sockets with ports are written, and a failure is no reason not to serve. */
static void start_write_ports(const struct server *server) {
    char text[2 * LISTENERS_PORTS_BYTES];
    const char *path = getenv("MEMCACHED_PORT_FILENAME");
    listeners_write_ports(&server->listeners, text);
    listeners_write_ports(&server->udp_sockets, text + strlen(text));
    if (path && *text) {
        process_write_ports(path, text);
    }
}

static bool start_write_pid(struct server *server) {
    const char *path = server->config->pid_file;
    server->pid_written = path && process_write_pid(path);
    return !path || server->pid_written;
}

/* The end of the line that says the server is up. */
static const char *start_remark(const struct server *server) {
    const struct config *config = server->config;
    if (server->activation_sockets) {
        return " (sockets passed by systemd)";
    }
    if (config->address_count || (config->port == 0 && config->udp_port == 0)) {
        return "";
    }
    return " (this machine only; -l ADDRESS opens it to others)";
}

/* Returns the end of the text. */
static char *start_add_names(char *text, const char *before, const struct listeners *listeners) {
    for (uint32_t i = 0; i < listeners->count; i++) {
        text = stpcpy(stpcpy(text, before), listeners->all[i].name);
    }
    return text;
}

/* Says on stdout that the server is up, and to systemd. */
static void start_tell(const struct server *server) {
    const struct config *config = server->config;
    char addresses[2 * LISTENERS_MAX * (LISTENER_NAME_BYTES + 5)] = "", facts[64];
    char *end = start_add_names(addresses, " ", &server->listeners);
    start_add_names(end, " udp:", &server->udp_sockets);
    snprintf(facts, sizeof(facts), "%u core%s, %llu MB", config->cores,
             config->cores == 1 ? "" : "s", (unsigned long long)(config->memory_bytes >> 20));
    printf("simplecache %s listening on%s, %s%s\n", SIMPLECACHE_VERSION, addresses, facts,
           start_remark(server));
    fflush(stdout);
    if (config->daemonize) {
        systemd_tell("MAINPID=%d", (int)getpid()); /* not the process that it has started */
    }
    systemd_tell("READY=1\nSTATUS=Listening on%.2000s, %s", addresses, facts);
}

bool start_finish(struct server *server) {
    const struct config *config = server->config;
    log_open();
    if (!start_drop_root(config)) {
        return false;
    }
    if (!server->activation_sockets && !listeners_open_unix(&server->listeners, config)) {
        return false;
    }
    start_lock_memory(config);
    start_write_ports(server);
    if (!start_write_pid(server)) {
        return false;
    }
    start_tell(server);
    if (config->daemonize) {
        process_ready(server->caller, config);
    }
    return true;
}
