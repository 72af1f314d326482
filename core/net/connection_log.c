#include "core/net/connection_log.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/log.h"
#include "core/net/connection_tls.h"
#include "core/stats/connection.h"

bool connection_log_is_on(const struct net *net) {
    return net->shard.settings.verbosity >= LOG_CONNECTIONS;
}

/* The option answers for a connection that has been reset too, but only when it is given the exact
 * length: that of IPv6 first, since the other would cut it off. */
socklen_t connection_log_peer(int descriptor, struct sockaddr_storage *peer) {
    static const socklen_t lengths[] = {sizeof(struct sockaddr_in6), sizeof(struct sockaddr_in)};
    socklen_t length = sizeof(*peer);
    if (getpeername(descriptor, (struct sockaddr *)peer, &length) == 0) {
        return length;
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        length = lengths[i];
        if (getsockopt(descriptor, SOL_SOCKET, SO_PEERNAME, peer, &length) == 0) {
            return length;
        }
    }
    return 0;
}

static void connection_log_write_peer(const struct connection *connection,
                                      char address[STATS_ADDRESS_MAX]) {
    struct sockaddr_storage peer;
    socklen_t length = connection_log_peer(connection->descriptor, &peer);
    stats_address_write(address, &peer, length, false);
}

void connection_log_opened(struct net *net, const struct connection *connection) {
    char address[STATS_ADDRESS_MAX];
    if (!connection_log_is_on(net)) {
        return;
    }
    connection_log_write_peer(connection, address);
    log_add(&net->shard.log, connection->descriptor, "opened by %s on reactor %u", address,
            net->shard.id);
}

const char *connection_log_reason(const struct net *net, const struct connection *connection) {
    if (connection_tls_is_refused(connection)) {
        return connection->tls->problem;
    }
    if (connection->pipeline.protocol_error) {
        return "what came is beyond the protocol";
    }
    if (connection->pipeline.closing) {
        return "it said quit";
    }
    return net->stopping ? "the server stops" : "its client has closed";
}

void connection_log_closed(struct net *net, const struct connection *connection) {
    if (connection_log_is_on(net)) {
        log_add(&net->shard.log, connection->descriptor, "closed: %s",
                connection->ending ? connection->ending : "the server stops");
    }
}

void connection_log_problem(struct net *net, const struct connection *connection,
                            const char *problem) {
    struct log_entry entry;
    if (!connection_log_is_on(net) && net->login_problem_told_s == net->shard.now_s) {
        return;
    }
    net->login_problem_told_s = net->shard.now_s;
    log_begin(&entry, connection->descriptor);
    log_put(&entry, " SASL: ");
    log_put_text(&entry, problem, strlen(problem));
    log_end(&net->shard.log, &entry);
}

/* Whatever the verbosity, since somebody may be trying passwords; without -v at most one line a
 * second, so that the attempts don't fill the disk. */
void connection_log_failed_logins(struct net *net, struct connection *connection) {
    char address[STATS_ADDRESS_MAX];
    net->logins_failed += connection->pipeline.logins_failed;
    connection->pipeline.logins_failed = 0;
    if (!connection_log_is_on(net) && net->login_failure_told_s == net->shard.now_s) {
        return;
    }
    net->login_failure_told_s = net->shard.now_s;
    connection_log_write_peer(connection, address);
    log_add(&net->shard.log, connection->descriptor,
            "wrong login from %s, %u on this reactor since the last line", address,
            net->logins_failed);
    net->logins_failed = 0;
}
