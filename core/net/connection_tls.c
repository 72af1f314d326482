#include "core/net/connection_tls.h"

#include <assert.h>

#include "core/base/facts.h"
#include "core/base/log.h"
#include "core/net/connection_log.h"
#include "core/net/connection_watch.h"

/* What a client that was refused has to take that and close. */
#define GOODBYE_S 2

/* From the beginning of a time to the first look at it. */
#define TIME_STEP_NS 1000000000u

/* The time that a session has. */

static void connection_tls_set_time(struct net *net, struct tls_session *session, uint32_t left_s) {
    session->due_s = net->shard.now_s + left_s;
    if (!session->timed) {
        TAILQ_INSERT_TAIL(&net->tls->timed, session, timed_link);
    }
    session->timed = true;
    if (!net->timeouts.tls.set) {
        timer_set(&net->timers, &net->timeouts.tls, net->shard.now_ns + TIME_STEP_NS);
    }
}

static void connection_tls_end_time(struct net *net, struct tls_session *session) {
    if (session->timed) {
        TAILQ_REMOVE(&net->tls->timed, session, timed_link);
    }
    session->timed = false;
}

void connection_tls_start(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    connection_tls_set_time(net, session, net->shard.facts->config->tls.handshake_timeout_s + 1);
    if (session->state == TLS_HANDSHAKE && !session->in_handshake) {
        session->in_handshake = true;
        net->shard.counters.ssl_in_handshake++;
    }
}

static void connection_tls_end_handshake(struct net *net, struct tls_session *session) {
    net->shard.counters.ssl_in_handshake -= session->in_handshake;
    session->in_handshake = false;
}

/* What is counted and logged. */

static void connection_tls_note_open(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    bool resumed = tls_session_is_resumed(session);
    net->shard.counters.ssl_handshakes++;
    net->shard.counters.ssl_resumed += resumed;
    net->shard.counters.ssl_new_sessions += session->sessions_made;
    connection_tls_end_time(net, session);
    connection_tls_end_handshake(net, session);
    if (!connection_log_is_on(net)) {
        return;
    }
    char subject[TLS_SUBJECT_BYTES];
    tls_session_subject(session, subject);
    log_add(&net->shard.log, connection->descriptor, "%s %s%s%s%s", tls_session_version(session),
            tls_session_cipher(session), resumed ? ", resumed" : "", *subject ? ", client " : "",
            subject);
}

static void connection_tls_count_failure(struct net *net, const struct tls_session *session,
                                         bool in_handshake) {
    if (session->no_memory) {
        net->shard.counters.malloc_fails++;
    } else if (in_handshake) {
        net->shard.counters.ssl_handshake_errors++;
    } else {
        net->shard.counters.ssl_proto_errors++;
    }
}

static void connection_tls_note_refused(struct net *net, struct connection *connection,
                                        bool in_handshake) {
    struct tls_session *session = connection->tls;
    connection_tls_count_failure(net, session, in_handshake);
    net->shard.counters.ssl_renegotiations += session->renegotiates;
    connection_tls_end_handshake(net, session);
    connection_watch_tls_failed(net, connection);
    connection_tls_set_time(net, session, GOODBYE_S);
    if (connection_log_is_on(net)) {
        log_add(&net->shard.log, connection->descriptor, "TLS %s: %s",
                in_handshake ? "handshake failed" : "failed", session->problem);
    }
}

/* Input. */

/* Straight to where a large value will stay, as long as there is a window. */
static void connection_tls_read_direct(struct net *net, struct connection *connection) {
    struct pipeline *pipeline = &connection->pipeline;
    char *where;
    size_t window, length;
    while ((window = pipeline_upload_window(pipeline, &where)) > 0 &&
           (length = tls_session_read(connection->tls, where, window)) > 0) {
        net->shard.counters.bytes_read += length;
        pipeline_direct_feed(pipeline, &net->shard, length);
    }
}

static size_t connection_tls_read_all(struct net *net, struct connection *connection, char *where,
                                      size_t bound) {
    size_t length, sum = 0;
    while (sum < bound && tls_session_may_read(connection->tls) &&
           (length = tls_session_read(connection->tls, where + sum, bound - sum)) > 0) {
        sum += length;
    }
    net->shard.counters.bytes_read += sum;
    return sum;
}

/* Over the bytes that they come from, which are longer; or, when a record has begun in an earlier
 * receive, behind the input that is there. place: NULL when there is no such place. */
static bool connection_tls_read(struct net *net, struct connection *connection, char *place) {
    struct pipeline *pipeline = &connection->pipeline;
    bool in_place =
        place && pipeline->input.length == 0 && tls_session_is_between_records(connection->tls);
    if (!tls_session_may_read(connection->tls)) {
        return true;
    }
    size_t bound = tls_session_read_bound(connection->tls);
    if (in_place) {
        size_t length = connection_tls_read_all(net, connection, place, bound);
        return length == 0 || pipeline_feed(pipeline, &net->shard, place, length);
    }
    char *space = pipeline_input_space(pipeline, &net->shard, bound);
    if (!space) {
        return false;
    }
    pipeline_input_filled(pipeline, &net->shard,
                          connection_tls_read_all(net, connection, space, bound));
    return true;
}

/* Decrypts what was offered. */
static bool connection_tls_open(struct net *net, struct connection *connection, char *place) {
    struct tls_session *session = connection->tls;
    connection_tls_read_direct(net, connection);
    if (!connection_tls_read(net, connection, place)) {
        return false;
    }
    if (session->state == TLS_REFUSED) {
        connection_tls_note_refused(net, connection, false);
    }
    if (session->ended && connection->state == CONNECTION_OPEN) {
        connection->state = CONNECTION_ENDED;
        pipeline_end_watch(&connection->pipeline, &net->shard);
    }
    session->rekeys = session->key_updates > 0;
    net->shard.counters.ssl_key_updates += session->key_updates;
    net->shard.counters.ssl_record_yields += session->records_left == 0 && !session->rekeys;
    session->key_updates = 0;
    if (pipeline_can_run(&connection->pipeline)) {
        schedule_run(&net->schedule, &connection->scheduled);
    }
    return true;
}

bool connection_tls_take(struct net *net, struct connection *connection, char *bytes, size_t length,
                         char *place) {
    struct tls_session *session = connection->tls;
    net->shard.counters.bytes_read -= length; /* plain bytes are counted, as in memcached */
    if (session->state == TLS_REFUSED) {
        return true;
    }
    tls_session_offer(session, bytes, length);
    bool waits = session->state == TLS_HANDSHAKE || session->rekeys;
    if (!waits && !connection_tls_open(net, connection, place)) {
        return false;
    }
    return tls_session_keep(session);
}

/* What is received lies a record behind the beginning of the window: by as much at most is what
 * OpenSSL has of a record that has begun longer than what of it is still to come. */
size_t connection_tls_window(struct connection *connection, char **where) {
    size_t window = pipeline_upload_window(&connection->pipeline, where);
    if (connection->tls->state != TLS_OPEN || window < 2 * TLS_RECORD_BYTES) {
        return 0;
    }
    *where += TLS_RECORD_BYTES;
    return window - TLS_RECORD_BYTES;
}

bool connection_tls_take_window(struct net *net, struct connection *connection, size_t length) {
    char *bytes = NULL;
    size_t window = connection_tls_window(connection, &bytes);
    assert(length <= window || connection->tls->state == TLS_REFUSED);
    return connection_tls_take(net, connection, bytes, length, NULL);
}

/* Changes of keys wait among the handshakes, since they cost nearly as much. */
static struct tls_session_queue *connection_tls_queue(struct net *net,
                                                      const struct tls_session *session) {
    bool is_dear = session->state == TLS_HANDSHAKE || session->rekeys;
    return is_dear ? &net->tls->handshakes : &net->tls->unread;
}

static void connection_tls_wait(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    struct tls_session_queue *queue = connection_tls_queue(net, session);
    assert(tls_session_has_kept(session));
    if (!session->queued) {
        TAILQ_INSERT_TAIL(queue, session, queue_link);
    }
    session->queued = true;
}

static void connection_tls_step(struct net *net, struct connection *connection) {
    switch (tls_session_handshake(connection->tls)) {
    case TLS_WAITS:
        return;
    case TLS_DONE:
        connection_tls_note_open(net, connection);
        return;
    case TLS_FAILED:
        connection_tls_note_refused(net, connection, true);
        return;
    }
}

bool connection_tls_continue(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    assert(!session->queued);
    tls_session_offer_kept(session);
    if (session->state == TLS_HANDSHAKE) {
        connection_tls_step(net, connection);
    }
    if (session->state == TLS_OPEN && !connection_tls_open(net, connection, NULL)) {
        return false;
    }
    return tls_session_keep(session);
}

bool connection_tls_may_receive(struct net *net, struct connection *connection) {
    if (connection->tls->sealing.length > TLS_SEALED_BYTES_MAX) {
        return false;
    }
    if (!tls_session_has_kept(connection->tls)) {
        return true;
    }
    connection_tls_wait(net, connection);
    return false;
}

/* Output. */

bool connection_tls_send_rest(struct net *net, struct connection *connection) {
    const struct tls_session *session = connection->tls;
    if (connection_is_broken(connection) || tls_session_is_sent(session)) {
        return false;
    }
    io_send(net->io, connection->descriptor, session->sealed.bytes + session->sealed_sent,
            session->sealed.length - session->sealed_sent, &connection->sent);
    connection->sending = true;
    return true;
}

static void connection_tls_flush(struct net *net, struct connection *connection) {
    if (!connection->sending && tls_session_take_sealed(connection->tls)) {
        connection_tls_send_rest(net, connection);
    }
}

/* What is sealed goes out, unless the write has failed. */
static bool connection_tls_end_write(struct net *net, struct connection *connection, bool written) {
    if (written) {
        connection_tls_flush(net, connection);
    } else {
        connection_tls_count_failure(net, connection->tls, false);
    }
    return written;
}

bool connection_tls_send(struct net *net, struct connection *connection, const char *bytes,
                         size_t length) {
    if (connection_tls_is_refused(connection)) {
        schedule_end_turn(&net->schedule, &connection->scheduled);
        return true;
    }
    if (connection->sending) {
        return true;
    }
    return connection_tls_end_write(net, connection,
                                    tls_session_write(connection->tls, bytes, length));
}

bool connection_tls_send_large(struct net *net, struct connection *connection,
                               const struct iovec *parts, size_t bytes, size_t *sent) {
    *sent = 0;
    assert(!connection->sending);
    connection_tls_flush(net, connection);
    if (connection_tls_is_refused(connection) || connection->sending) {
        schedule_end_turn(&net->schedule, &connection->scheduled);
        return true;
    }
    return connection_tls_end_write(net, connection,
                                    tls_session_write_through(connection->tls, net->io,
                                                              connection->descriptor, parts, bytes,
                                                              sent));
}

static void connection_tls_end_refused(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    if (!connection->sending && !session->shut) {
        session->shut = true;
        io_shut_down(net->io, connection->descriptor, SHUT_WR);
    }
}

/* Says the end to the client; true once that is sent. */
static bool connection_tls_close(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    if (!session->closing) {
        tls_session_close(session);
        connection_tls_start(net, connection); /* it may still have to take its last answers */
        connection_tls_flush(net, connection);
    }
    return !connection->sending && !tls_session_has_output(session);
}

bool connection_tls_end_turn(struct net *net, struct connection *connection, bool finished) {
    connection_tls_flush(net, connection);
    if (connection_tls_is_refused(connection)) {
        connection_tls_end_refused(net, connection);
        return connection->state != CONNECTION_OPEN && !connection->sending;
    }
    return finished && connection_tls_close(net, connection);
}

void connection_tls_finish(struct net *net, struct connection *connection) {
    struct tls_session *session = connection->tls;
    if (!session) {
        return;
    }
    if (session->queued) {
        TAILQ_REMOVE(connection_tls_queue(net, session), session, queue_link);
    }
    connection_tls_end_time(net, session);
    connection_tls_end_handshake(net, session);
    tls_session_destroy(session);
    connection->tls = NULL;
}
