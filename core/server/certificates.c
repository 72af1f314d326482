#include "core/server/certificates.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/net/tls.h"
#include "core/server/server.h"

bool certificates_read(struct server *server) {
    const struct config *config = server->config;
    char problem[TLS_PROBLEM_BYTES] = "";
    if (!config->tls.enabled) {
        return true;
    }
    server->tls = tls_shared_create(&config->tls, &clock_system, server->facts.start_boot_ns,
                                    config->cores, problem);
    server->facts.tls = tls_shared_facts(server->tls);
    if (*problem) {
        log_line("%s", problem);
    }
    return server->tls;
}

void certificates_reload(struct net *net) {
    char problem[TLS_PROBLEM_BYTES] = "";
    if (!net->tls) {
        return;
    }
    bool loaded = tls_reload(net->tls, problem);
    log_add(&net->shard.log, LOG_NO_CONNECTION, "%s",
            loaded ? "certificates read again" : "the certificates stay as they were");
    if (*problem) {
        log_add(&net->shard.log, LOG_NO_CONNECTION, "%s", problem);
    }
}
