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
#include "core/server/fit.h"
#include "core/server/metrics_thread.h"
#include "core/server/process.h"
#include "core/server/resources.h"
#include "core/server/sandbox.h"
#include "core/server/sasl_thread.h"
#include "core/server/server.h"
#include "core/server/systemd.h"
#include "core/server/version.h"

/* Checks. */

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

static void start_allow_core_files(const struct config *config) {
    if (config->core_dumps && !resources_allow_core_files()) {
        log_line("-r: there will be no core file: the limit on them is 0; raise it (ulimit -c, "
                 "LimitCORE=)");
    }
}

bool start_check(const struct server *server) {
    if (!start_check_user(server->config)) {
        return false;
    }
    start_allow_core_files(server->config);
    return true;
}

/* The end of the start. */

/* A user namespace may have no groups, which it says by EPERM; as in memcached that is no reason
 * not to serve. */
static bool start_take_groups(const struct passwd *user) {
    if (initgroups(user->pw_name, user->pw_gid) == 0) {
        return true;
    }
    if (errno != EPERM) {
        return false;
    }
    log_line("-u %s: the supplementary groups stay as they are: setgroups(2) is refused here: %s",
             user->pw_name, strerror(EPERM));
    return true;
}

static bool start_drop_root(const struct config *config) {
    if (!start_switches_user(config)) {
        return true;
    }
    const struct passwd *user = getpwnam(config->user);
    if (user && start_take_groups(user) && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0) {
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

/* As in memcached a failure is no reason not to serve. */
static void start_write_pid(struct server *server) {
    const char *path = server->config->pid_file;
    server->pid_written = path && process_write_pid(path);
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

/* Nothing where it is io_uring, as it is where nothing forbids that. */
static void start_tell_engine(const struct config *config) {
    if (config->io == IO_EPOLL) {
        printf(", epoll");
    }
    if (config->io_reason) {
        printf(" (%s)", config->io_reason);
    }
}

/* Says on stdout that the server is up, and to systemd. */
static void start_tell(const struct server *server) {
    const struct config *config = server->config;
    const struct listeners *http = metrics_thread_listeners(server->metrics);
    char addresses[3 * LISTENERS_MAX * (LISTENER_NAME_BYTES + 9)] = "", facts[64];
    char *end = start_add_names(addresses, " ", &server->listeners);
    end = start_add_names(end, " udp:", &server->udp_sockets);
    if (end == addresses) {
        end = stpcpy(end, " nothing");
    }
    if (http) {
        start_add_names(end, " metrics:", http);
    }
    snprintf(facts, sizeof(facts), "%u core%s, %llu MB", config->cores,
             config->cores == 1 ? "" : "s", (unsigned long long)(config->memory_bytes >> 20));
    printf("simplecache %s listening on%s, %s, at most %llu MB in all", SIMPLECACHE_VERSION,
           addresses, facts, (unsigned long long)fit_mib(fit_process_bytes(config)));
    start_tell_engine(config);
    printf("%s\n", start_remark(server));
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
    start_write_pid(server);
    const char *logins = sasl_thread_file(server->sasl);
    if (!sandbox_create(&server->sandbox, config, logins) || !metrics_thread_start(server)) {
        return false;
    }
    start_tell(server);
    if (config->daemonize) {
        process_ready(server->caller, config);
    }
    return true;
}
