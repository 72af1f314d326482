#include "core/server/users.h"

#include <limits.h>
#include <unistd.h>

#include "core/server/sasl_thread.h"
#include "core/server/server.h"

/* One line about the file. */
#define PROBLEM_BYTES 400

/* A SASL library has written the host's name behind the names of its users. */
static struct logins *users_load(const struct config *config, char problem[PROBLEM_BYTES]) {
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    return logins_read(config->users_file, config->sasl ? host : NULL, problem, PROBLEM_BYTES);
}

static bool users_ask_system(struct server *server) {
    server->sasl = sasl_thread_create(server->config, &server->panic_taken);
    if (server->sasl) {
        server->facts.mechanisms = sasl_thread_mechanisms(server->sasl);
    }
    return server->sasl;
}

bool users_read(struct server *server) {
    char problem[PROBLEM_BYTES];
    if (server->config->system_sasl) {
        return users_ask_system(server);
    }
    if (!server->config->users_file) {
        return true;
    }
    server->logins = users_load(server->config, problem);
    if (!server->logins) {
        log_line("%s", problem);
    }
    return server->logins;
}

void users_reload(struct server *server, struct log *log) {
    char problem[PROBLEM_BYTES];
    if (!server->logins) {
        return;
    }
    struct logins *newer = users_load(server->config, problem);
    if (!newer) {
        log_add(log, LOG_NO_CONNECTION, "%s; the users stay as they were", problem);
        return;
    }
    logins_free(server->logins);
    server->logins = newer;
    for (uint32_t i = 0; i < server->config->cores; i++) {
        struct logins *copy = logins_copy(newer);
        if (copy) {
            shard_renew_logins(server->shards[i], copy);
        } else {
            log_add(log, LOG_NO_CONNECTION,
                    "no memory for the users on reactor %u; they stay as they were", i);
        }
    }
    log_add(log, LOG_NO_CONNECTION, "users read again from %s", server->config->users_file);
}
