/* connection_log: what is told of connections in the log.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_CONNECTION_LOG_H
#define CORE_NET_CONNECTION_LOG_H

#include <stdbool.h>
#include <sys/socket.h>

#include "core/net/connection.h"

/* Whether connections are logged at all (-v). */
bool connection_log_is_on(const struct net *net);

/* The client's address, of a connection that it has reset too; returns its length, 0 when there is
 * none. */
socklen_t connection_log_peer(int descriptor, struct sockaddr_storage *peer);

/* Why a connection that has nothing left to do ends: lives as long as the program. */
const char *connection_log_reason(const struct net *net, const struct connection *connection);

/* Each is a line when they are. */
void connection_log_opened(struct net *net, const struct connection *connection);
void connection_log_closed(struct net *net, const struct connection *connection);

/* Logins that its pipeline has refused, which are counted here. */
void connection_log_failed_logins(struct net *net, struct connection *connection);

/* What is wrong with the system's SASL, found by a login of the connection. */
void connection_log_problem(struct net *net, const struct connection *connection,
                            const char *problem);

#endif
