/* connection_move: a connection goes on at another reactor (core/net/moving.h).
 *
 * It goes at the end of a turn, with what has been received and what is to be sent, when nothing
 * else of it is under way: no send, no receive, no message, no upload, no lease. A connection with
 * TLS stays, since its session belongs to what its reactor has loaded.
 *
 * Thread: the reactor's that it is on.
 */
#ifndef CORE_NET_CONNECTION_MOVE_H
#define CORE_NET_CONNECTION_MOVE_H

#include "core/net/connection.h"

/* Gives the connection to the reactor net->moving.to, if it may go, and if there is a message for
 * it; after true it is the other's. */
bool connection_leave(struct net *net, struct connection *connection);

/* The same if it is to go. To be called once at the end of a turn, with more than one reactor. */
static inline bool connection_leaves(struct net *net, struct connection *connection) {
    struct moving *moving = &net->moving;
    if (connection->window != moving->window) { /* it is counted among those that are busy */
        connection->window = moving->window;
        moving->connections++;
    }
    /* One that has arrived receives something first, or it might be under way for ever. */
    bool stays = connection->arrived || moving->left == 0;
    connection->arrived = false;
    return !stays && connection_leave(net, connection);
}

/* Takes it over. */
void connection_arrive(struct net *net, struct connection *connection);

#endif
