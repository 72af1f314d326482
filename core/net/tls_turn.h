/* tls_turn: a reactor's part in each turn for its connections with TLS.
 *
 * Thread: the reactor's.
 */
#ifndef CORE_NET_TLS_TURN_H
#define CORE_NET_TLS_TURN_H

#include <stdbool.h>

#include "core/net/net.h"
#include "core/net/tls.h"

/* The end of a turn, of a reactor with TLS: decrypts what open connections have kept, as much of
 * each as it may in a turn; and does one step of one handshake, when a client's part of it has
 * come. What the turn has asked of the engine is submitted before that, so that nobody's replies
 * wait for it. True when there is more to do at once. */
bool tls_turn_end(struct net *net);

/* Closes sessions whose time is up. */
void tls_turn_close_late(struct net *net);

#endif
