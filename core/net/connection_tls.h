/* connection_tls: what a connection with TLS does in place of one without, between its socket and
 * its pipeline.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_CONNECTION_TLS_H
#define CORE_NET_CONNECTION_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/net/connection.h"
#include "core/net/tls_session.h"

/* Takes received bytes, which last until the end of the turn, and feeds the pipeline with what is
 * in them; those of a handshake, and what is more than a turn's share, are kept. place: where plain
 * bytes may lie until the end of the turn, too; NULL: nowhere. False without memory. */
bool connection_tls_take(struct net *net, struct connection *connection, char *bytes, size_t length,
                         char *place);

/* Where the bytes of a large value may be received, encrypted: into the memory in which it will
 * stay, a little behind the place of what they carry; returns how many, or 0. And the same bytes
 * when they have come. */
size_t connection_tls_window(struct connection *connection, char **where);
bool connection_tls_take_window(struct net *net, struct connection *connection, size_t length);

/* Goes on with kept bytes: one step of its handshake, or a turn's share of records. False without
 * memory.
 */
bool connection_tls_continue(struct net *net, struct connection *connection);

/* Whether it is to receive: the client has taken enough of what it was sent, and nothing is kept;
 * else what is kept comes first, and the connection goes on the list for that. */
bool connection_tls_may_receive(struct net *net, struct connection *connection);

/* Encrypts output and sends it; does nothing when a send of OpenSSL's own is under way, whose end
 * leads here again, or when the client is refused. False: the connection is to be broken off. */
bool connection_tls_send(struct net *net, struct connection *connection, const char *bytes,
                         size_t length);

/* The same with `bytes` bytes of output in parts, as many of them as the socket takes: *sent
 * becomes how many bytes have been sent. The rest of a record may be under way behind them. */
bool connection_tls_send_large(struct net *net, struct connection *connection,
                               const struct iovec *parts, size_t bytes, size_t *sent);

/* The end of its turn, unless it is broken: sends what OpenSSL has to say, unless a send is under
 * way, and says the end to a client that was refused or whose pipeline has finished. True: it is to
 * be broken off, since all has been said. */
bool connection_tls_end_turn(struct net *net, struct connection *connection, bool finished);

/* Sends the rest of what was sent in part, unless it is broken; false when there is none. */
bool connection_tls_send_rest(struct net *net, struct connection *connection);

/* Takes it off all lists and frees its session, if it has one. */
void connection_tls_finish(struct net *net, struct connection *connection);

/* Whether the client has been refused: nothing of it is run, and the connection ends when it has
 * seen that. */
static inline bool connection_tls_is_refused(const struct connection *connection) {
    return connection->tls && connection->tls->state == TLS_REFUSED;
}

/* Starts the time that the client has for its handshake, or for its end. */
void connection_tls_start(struct net *net, struct connection *connection);

#endif
