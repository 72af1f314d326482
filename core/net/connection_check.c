#include <assert.h>

#include "core/net/connection.h"
#include "core/net/tls_session.h"

static void connection_check_state(const struct connection *connection) {
    assert(connection->state <= CONNECTION_SHUT);
    assert(connection->receive <= RECEIVE_DIRECT);
    assert(connection_is_broken(connection) == !!connection->ending);
    assert(!connection_is_broken(connection) || connection->pipeline.closing);
    assert(connection->state != CONNECTION_ENDED || connection->receive == RECEIVE_NONE);
    assert(connection->receive == RECEIVE_NONE || connection->source);
    assert(connection->state != CONNECTION_SHUT || !connection->source);
    if (connection->is_datagram) {
        assert(connection->receive == RECEIVE_NONE);
        assert(!connection->sending);
    }
}

/* A lent buffer is given back at the end of the turn. */
static void connection_check_receiving(const struct connection *connection) {
    bool broken = connection_is_broken(connection);
    assert(connection->receive_buffer < 0 || connection->scheduled.ending);
    assert(connection->receive != RECEIVE_DIRECT || connection->pipeline.upload || broken);
}

static void connection_check_sending(const struct connection *connection) {
    const struct outgoing *outgoing = &connection->outgoing;
    bool waits = connection->scheduled.sending;
    assert(!connection->sending || !waits);
    assert(!connection->sending || !outgoing_is_sent(outgoing) || connection->tls);
    assert(!waits || outgoing->leases.length > 0);
    assert(!waits || connection->parts);
    if (connection_is_broken(connection) || connection->is_datagram) {
        return;
    }
    assert(connection->pipeline.sending == outgoing_bytes(outgoing));
    assert(!connection->held || connection->pipeline.output.length > 0);
}

/* Something will bring its next turn about: the engine, a list, or another shard. */
static bool connection_is_expected(const struct connection *connection) {
    const struct scheduled *scheduled = &connection->scheduled;
    return connection->receive != RECEIVE_NONE || connection->sending ||
           scheduled->place != SCHEDULE_NOWHERE || scheduled->ending || scheduled->retrying ||
           scheduled->sending || connection->pipeline.outstanding > 0 ||
           connection->pipeline.upload ||
           (connection->tls && (connection->tls->queued || connection->tls->timed));
}

void connection_check(const struct connection *connection) {
    assert(connection->scheduled.place <= SCHEDULE_WAITING);
    connection_check_state(connection);
    connection_check_receiving(connection);
    connection_check_sending(connection);
    assert(connection_is_expected(connection));
}
