#include "core/net/tls_turn.h"

#include "core/net/connection_tls.h"

static const char no_memory[] = "there is no memory for it";

/* True when it goes on: not when it is broken. */
static bool tls_turn_continue(struct net *net, struct tls_session_queue *queue,
                              struct tls_session *session) {
    struct connection *connection = session->connection;
    TAILQ_REMOVE(queue, session, queue_link);
    session->queued = false;
    if (connection_is_broken(connection)) {
        return false;
    }
    if (!connection_tls_continue(net, connection)) {
        net->shard.counters.malloc_fails++;
        connection_break(net, connection, no_memory);
        return false;
    }
    return true;
}

static void tls_turn_read_one(struct net *net, struct tls_session *session) {
    struct connection *connection = session->connection;
    if (tls_turn_continue(net, &net->tls->unread, session)) {
        schedule_end_turn(&net->schedule, &connection->scheduled);
    }
}

/* What is put on the list meanwhile has had its share. */
static void tls_turn_read(struct net *net) {
    if (TAILQ_EMPTY(&net->tls->unread)) {
        return;
    }
    struct tls_session_queue *queue = &net->tls->unread;
    struct tls_session *last = TAILQ_LAST(queue, tls_session_queue);
    struct tls_session *session;
    do {
        session = TAILQ_FIRST(queue);
        tls_turn_read_one(net, session);
    } while (session != last);
}

/* What TLS itself has to say goes out at once, where there is no request whose answer could go with
 * it. */
static void tls_turn_end_one(struct net *net, struct connection *connection) {
    const struct scheduled *scheduled = &connection->scheduled;
    if (scheduled->ending || scheduled->place != SCHEDULE_NOWHERE ||
        connection->pipeline.length > 0) {
        schedule_end_turn(&net->schedule, &connection->scheduled);
    } else {
        connection_end_turn(net, connection);
    }
}

static void tls_turn_handshake(struct net *net) {
    if (TAILQ_EMPTY(&net->tls->handshakes)) {
        return;
    }
    struct tls_session_queue *queue = &net->tls->handshakes;
    struct connection *connection = TAILQ_FIRST(queue)->connection;
    io_enter(net->io, 0);
    if (tls_turn_continue(net, queue, TAILQ_FIRST(queue))) {
        tls_turn_end_one(net, connection);
    }
}

bool tls_turn_end(struct net *net) {
    tls_turn_read(net);
    tls_turn_handshake(net);
    return tls_has_work(net->tls) || !TAILQ_EMPTY(&net->schedule.ending);
}

static const char *tls_turn_reason(struct net *net, const struct tls_session *session) {
    if (session->state == TLS_HANDSHAKE) {
        net->shard.counters.ssl_handshake_timeouts++;
        return "its TLS handshake took too long";
    }
    return session->state == TLS_REFUSED ? session->problem : "it does not take the end";
}

void tls_turn_close_late(struct net *net) {
    struct tls_session *session, *next;
    for (session = TAILQ_FIRST(&net->tls->timed); session; session = next) {
        next = TAILQ_NEXT(session, timed_link);
        struct connection *connection = session->connection;
        if (net->shard.now_s >= session->due_s && !connection_is_broken(connection)) {
            connection_break(net, connection, tls_turn_reason(net, session));
        }
    }
}
