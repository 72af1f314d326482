/* connection_watch: what is told of connections to clients that watch: a line for each that begins
 * and ends, and for each failure of TLS.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_CONNECTION_WATCH_H
#define CORE_NET_CONNECTION_WATCH_H

#include "core/net/connection.h"

/* Notes how it has ended: nothing is left to be received or sent. */
void connection_watch_finished(const struct net *net, struct connection *connection);

/* Each does nothing while nobody watches. */
void connection_watch_opened(struct net *net, const struct connection *connection);
void connection_watch_closed(struct net *net, const struct connection *connection);
void connection_watch_tls_failed(struct net *net, const struct connection *connection);

#endif
